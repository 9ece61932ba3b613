"""Limits the views of a connection to the series or tasks of one part, and restores them."""

from collections.abc import Sequence
from typing import Final

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.shards.plan import AnyPart, Part, TaskRange

_OF_SERIES: Final = ("series", "scalars")
_OF_TASKS: Final = ("tasks", "hyperparams", "series", "scalars")
_MOST_PROJECTS: Final = 50
"""A longer list takes more time than the files that it skips."""


class Narrowing:
    """The views in ``picked`` of a connection that nothing else uses.

    Args:
        connection: a connection that a dataset has opened.
        also: a metric and variant whose points are needed in each part.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, also: tuple[str, str] | None = None
    ) -> None:
        self._connection, self._also = connection, also
        self._selects = {table: _select(connection, table) for table in _OF_TASKS}
        self._sliced: tuple[tuple[str, str], ...] = ()
        self._tasks_are_numbered = False

    def show(self, part: AnyPart) -> None:
        """Limit the views to the series of a part, and their points; or to its tasks."""
        if isinstance(part, TaskRange):
            self._show_tasks(part)
            return
        if part.slice is not None and self._sliced != part.pairs:
            self.show_everything()
            self._slice(part)
        for table in _OF_SERIES:
            shown = f"{self._selects[table]} WHERE {_condition(part, table)}"
            if table == "scalars" and self._also is not None:
                shown += f" UNION ALL {self._selects[table]} WHERE {_beside(part, self._also)}"
            self._replace(table, shown)

    def show_everything(self) -> None:
        """Restore the views."""
        for table, select in self._selects.items():
            self._replace(table, select)

    def _show_tasks(self, part: TaskRange) -> None:
        if not self._tasks_are_numbered:
            numbered = read("shards/numbered_tasks.sql")
            self._connection.execute(f"CREATE OR REPLACE TABLE picked.task_places AS {numbered}")
            self._tasks_are_numbered = True
        where = f"place BETWEEN {part.first} AND {part.last}"
        chosen = f"task_id IN (SELECT task_id FROM picked.task_places WHERE {where})"
        for table in _OF_TASKS:
            also = f" AND {self._near(part)}" if table == "scalars" else ""
            self._replace(table, f"{self._selects[table]} WHERE {chosen}{also}")

    def _near(self, part: TaskRange) -> str:
        """Write a condition by which readers skip files of other projects, and row groups."""
        bounds = {"first": part.first, "last": part.last}
        statement = read("shards/task_range.sql")
        [(least, most, projects, any_without)] = self._connection.execute(
            statement, bounds
        ).fetchall()
        between = f"task_id BETWEEN {sql_value(least)} AND {sql_value(most)}"
        if any_without or len(projects) > _MOST_PROJECTS:
            return between
        return f"{between} AND project_id IN ({', '.join(map(sql_value, projects))})"

    def _slice(self, part: Part) -> None:
        [(metric, variant)] = part.pairs
        values = {"metric": metric, "variant": variant, "slices": part.slices}
        statement = f"CREATE OR REPLACE TABLE picked.slices AS {read('shards/slices.sql')}"
        self._connection.execute(statement, values)
        self._sliced = part.pairs

    def _replace(self, table: str, select: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE VIEW picked.{table} AS {select}")


def _select(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return what a view in ``picked`` selects."""
    find = "SELECT sql FROM duckdb_views() WHERE schema_name = 'picked' AND view_name = $1"
    [(created,)] = connection.execute(find, [table]).fetchall()
    _, _, select = created.rstrip(";\n ").partition(" AS ")
    return f"SELECT * FROM ({select})"


def _condition(part: Part, table: str) -> str:
    """Write the condition on a series; readers skip row groups by the first one.

    Points are limited to the range from the first to the last metric and variant, which costs less
    than a list in which each point is looked up. What a part does not have in between is not
    selected, and the query itself excludes it.
    """
    metrics = [metric for metric, _ in part.pairs]
    if part.slice is not None:
        [(metric, variant)] = part.pairs
        conditions = [
            f"metric = {sql_value(metric)}",
            f"variant = {sql_value(variant)}",
            f"task_id IN ({_tasks_of(part)})",
        ]
        return " AND ".join(conditions)
    within = f"metric BETWEEN {sql_value(min(metrics))} AND {sql_value(max(metrics))}"
    if table == "series":
        return f"{within} AND (metric, variant) IN ({_rows(part.pairs)})"
    (first, from_variant), (last, to_variant) = min(part.pairs), max(part.pairs)
    return (
        f"{within} AND (metric > {sql_value(first)} OR variant >= {sql_value(from_variant)}) "
        f"AND (metric < {sql_value(last)} OR variant <= {sql_value(to_variant)})"
    )


def _beside(part: Part, pair: tuple[str, str]) -> str:
    """Write the condition on the points of one more series, without those of the part."""
    metric, variant = map(sql_value, pair)
    conditions = [
        f"metric = {metric}",
        f"variant = {variant}",
        f"({_condition(part, 'scalars')}) IS NOT TRUE",
    ]
    if part.slice is not None:
        conditions.append(f"task_id IN ({_tasks_of(part)})")
    return " AND ".join(conditions)


def _tasks_of(part: Part) -> str:
    return f"SELECT task_id FROM picked.slices WHERE slice = {part.slice}"


def _rows(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"({sql_value(metric)}, {sql_value(variant)})" for metric, variant in pairs)
