"""Limits the views of a connection to the series of one part, and restores them."""

from collections.abc import Sequence
from typing import Final

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.shards.plan import Part

_TABLES: Final = ("series", "scalars")


class Narrowing:
    """The views ``picked.series`` and ``picked.scalars`` of a connection that nothing else uses.

    Args:
        connection: a connection that a dataset has opened.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._selects = {table: _select(connection, table) for table in _TABLES}
        self._sliced: tuple[tuple[str, str], ...] = ()

    def show(self, part: Part) -> None:
        """Limit the views to the series of a part, and their points."""
        if part.slice is not None and self._sliced != part.pairs:
            self.show_everything()
            self._slice(part)
        for table, select in self._selects.items():
            self._replace(table, f"{select} WHERE {_condition(part, table)}")

    def show_everything(self) -> None:
        """Restore the views."""
        for table, select in self._selects.items():
            self._replace(table, select)

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
        chosen = f"SELECT task_id FROM picked.slices WHERE slice = {part.slice}"
        conditions = [
            f"metric = {sql_value(metric)}",
            f"variant = {sql_value(variant)}",
            f"task_id IN ({chosen})",
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


def _rows(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"({sql_value(metric)}, {sql_value(variant)})" for metric, variant in pairs)
