"""Makes the columns of the query ``wide``, from the names of metrics and hyperparameters."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb

from clearml_snapshot.exporter.selection.metric_filter import MONITOR_PREFIX
from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name, sql_value
from clearml_snapshot.queries.ask.best import guess
from clearml_snapshot.queries.ask.columns.pivot import Column, Shape, pivoted
from clearml_snapshot.queries.ask.columns.shaped import Made

_CELLS: Final = ("text", "number", "highest", "lowest", "last")
_MARK: Final = "[beside, beside_group, beside_name]"
_STEP_KEYS: Final = ("task", "task_id", "iteration")
_TASK_KEYS: Final = ("task", "task_id", "project", "status", "created", "web_url", "archived")
_WORDS: Final = {"highest": "max", "lowest": "min", "last": "last"}
"""What follows the name of a metric, by the column that has its cells."""


class ColumnName(NamedTuple):
    """What a column is about."""

    kind: str
    """``metric`` or ``param``."""
    group: str
    """The metric, or the section of a hyperparameter."""
    name: str
    """The variant, or the name of a hyperparameter."""
    number_type: str | None = None
    """DuckDB's type of a hyperparameter whose values are all numbers."""

    def joined(self, between: str = "/") -> str:
        """Write both names as one."""
        return f"{self.group}{between}{self.name}"


ColumnNames = tuple[ColumnName, ...]


def column_names(relation: duckdb.DuckDBPyRelation) -> ColumnNames:
    """Read the rows of ``lookups/wide_names.sql``: what the selected tasks have, in order."""
    return tuple(map(ColumnName._make, relation.fetchall()))


def wide(
    values: Mapping[str, Any],
    answer: duckdb.DuckDBPyRelation,
    every: ColumnNames,
    here: Callable[[], ColumnNames],
) -> Made:
    """Pivot the cells of the query ``wide`` into its columns.

    Args:
        values: the values of its parameters.
        answer: its rows. They may be those of some tasks only, which have some of the columns.
        every: what all selected tasks have.
        here: reads what the tasks in the rows have.

    """
    chosen = list(_chosen(every, values))
    if values["per"] == "task":
        return _per_task(values, answer, chosen)
    labels = distinct_names(_labels(chosen), _STEP_KEYS)
    return Made(_per_step(answer, labels, chosen, frozenset(here())), labels)


def metrics_by_word(values: Mapping[str, Any], every: ColumnNames) -> dict[str, ColumnNames]:
    """List the metrics of which rows per task show the ``max``, the ``min`` and the ``last``."""
    metrics = [name for name in _chosen(every, values) if name.kind == "metric"]
    return {
        word: tuple(name for name in metrics if _best_of(name, values) == cell)
        for cell, word in _WORDS.items()
    }


def _best_of(name: ColumnName, values: Mapping[str, Any]) -> str:
    """Choose which value of a metric is shown per task: ``highest``, ``lowest`` or ``last``."""
    return values["best"] or guess(name.group, name.name) or "last"


def _per_task(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, chosen: Sequence[ColumnName]
) -> Made:
    made = []
    for name, label in zip(chosen, _labels(chosen), strict=True):
        cell = "text" if name.kind == "param" else _best_of(name, values)
        suffix = f" ({_WORDS[cell]})" if cell in _WORDS else ""
        mark = sql_value([name.kind, name.group, name.name])
        made.append(Column(label + suffix, of=mark, cell=cell, number_type=name.number_type))
    shape = Shape(_MARK, _CELLS, _TASK_KEYS, "task_id")
    rows, labels = pivoted(answer, shape, made, order="task NULLS LAST, task_id")
    params = [label for name, label in zip(chosen, labels, strict=True) if name.kind == "param"]
    return Made(rows, labels, params)


def _per_step(
    answer: duckdb.DuckDBPyRelation,
    labels: Sequence[str],
    chosen: Sequence[ColumnName],
    here: frozenset[ColumnName],
) -> duckdb.DuckDBPyRelation:
    """Gather the cells of each step in lists, sort these, and then make columns of them.

    A task has few of the columns that hundreds of tasks have together, so lists take a fraction of
    the memory of rows with all columns. Columns of which nothing is here are NULL.
    """
    present = [name for name in chosen if name in here]
    places = {name: place for place, name in enumerate(present, 1)}
    columns = ", ".join(
        f"{_cell(places.get(name))} AS {sql_name(label)}"
        for name, label in zip(chosen, labels, strict=True)
    )
    marks = ", ".join(
        f"({place}, {sql_value(name.group)}, {sql_value(name.name)})"
        for name, place in places.items()
    )
    rows = answer.query(
        "answer",
        f"""
        SELECT task, task_id, iteration{", " * bool(columns)}{columns}
        FROM (
            SELECT
                any_value(task) AS task,
                any_value(task_id) AS task_id,
                iteration,
                list(place) AS places,
                list(number) AS numbers
            FROM answer
            LEFT JOIN (VALUES {marks or "(0, '', '')"}) AS marks(place, beside_group, beside_name)
                USING (beside_group, beside_name)
            GROUP BY task_number, iteration
            ORDER BY task_number, iteration NULLS LAST
        )
        """,
    )
    assert rows is not None, "a SELECT gives a relation"
    return rows


def _cell(place: int | None) -> str:
    return "NULL::DOUBLE" if place is None else f"numbers[list_position(places, {place})]"


def _labels(names: Sequence[ColumnName]) -> list[str]:
    """Name columns so that no two read alike, also if case is ignored, as DuckDB does."""
    folded = [*map(_folded, names)]
    alike = Counter((name.kind, name.joined()) for name in {*folded})
    labels = [
        name.joined("/" if alike[each.kind, each.joined()] == 1 else " / ")
        for name, each in zip(names, folded, strict=True)
    ]
    kinds = [(name.kind, label.casefold()) for name, label in zip(names, labels, strict=True)]
    counts, seen = Counter(kinds), Counter[tuple[str, str]]()
    for place, kind in enumerate(kinds):
        seen[kind] += 1
        if counts[kind] > 1:
            labels[place] += f" (case {seen[kind]})"
    return labels


def _folded(name: ColumnName) -> ColumnName:
    return ColumnName(name.kind, name.group.casefold(), name.name.casefold())


def _chosen(names: ColumnNames, values: Mapping[str, Any]) -> Iterator[ColumnName]:
    """Leave out what was not asked for, as the SQL does."""
    metrics, params = values["metric"], values["param"]
    pairs = None if metrics is None else {*zip(metrics, values["variant"], strict=True)}
    for name in names:
        if name.kind == "param":
            is_asked = values["per"] == "task" and (params is None or name.joined() in params)
        elif pairs is None:
            is_asked = bool(values["all_metrics"]) or not name.group.startswith(MONITOR_PREFIX)
        else:
            is_asked = (name.group, name.name) in pairs
        if is_asked:
            yield name
