"""Turns the long rows of a query into the columns that were requested."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name, sql_value
from clearml_snapshot.queries.ask.header import Query

NamesOf = Callable[[Sequence[str]], Mapping[str, str | None]]
"""Returns the names of tasks by id."""

_AT: Final = ("at_metric", "at_variant", "at_value", "at_iteration")
_BESIDE: Final = ("beside", "beside_name", "text", "number")


def with_columns(
    query: Query,
    values: Mapping[str, Any],
    answer: duckdb.DuckDBPyRelation,
    names_of: NamesOf,
) -> duckdb.DuckDBPyRelation:
    """Turn names in the rows of a query into columns, in the order in which they were requested.

    Args:
        query: the query.
        values: the values of its parameters.
        answer: its rows as the SQL returns them.
        names_of: used for the columns of tasks.
    """
    make = _SHAPES.get(query.name)
    if make is not None:
        return make(values, answer, names_of)
    if "at" in values and values["at"] is None and {*_AT} <= {*answer.columns}:
        return _without(answer, _AT)
    return answer


def _leaderboard(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    params = [("text", [name]) for name in values["param"] or ()]
    also = zip(values["also"] or (), values["also_variant"] or (), strict=True)
    metrics = [("number", [*pair]) for pair in also]
    keys = [name for name in answer.columns if name not in _BESIDE]
    made = [
        _Column("/".join(name), of=sql_value(name), cell=column)
        for column, name in (*metrics, *params)
    ]
    shape = _Shape("beside_name", ("text", "number"), tuple(keys), "iteration")
    return _pivoted(answer, shape, made, order="metric, variant, place")


def _group(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    by = [name.removeprefix("param:") for name in values["by"] or ()]
    labels = distinct_names(by, [name for name in answer.columns if name != "group"])
    made = [f'"group"[{position}] AS {sql_name(label)}' for position, label in enumerate(labels, 1)]
    dropped = ["group"] + ["parameters"] * (values["by_all_except"] is None)
    kept = [name for name in answer.columns if name not in (*dropped, "metric", "variant")]
    return answer.project(", ".join(["metric", "variant", *made, *map(sql_name, kept)]))


def _compare(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    keys = ["parameter"] if values["params"] else ["metric", "variant", "iteration"]
    cell = "setting" if values["params"] else "value"
    names = names_of(values["tasks"])
    labels = [names[task_id] or task_id[:8] for task_id in values["tasks"]]
    labels = [
        name if labels.count(name) == 1 else f"{name} ({task_id[:8]})"
        for name, task_id in zip(labels, values["tasks"], strict=True)
    ]
    made = [
        _Column(label, of=sql_value(task_id), cell=cell)
        for label, task_id in zip(labels, values["tasks"], strict=True)
    ]
    order = ", ".join(f"{key} NULLS LAST" for key in keys)
    return _pivoted(answer, _Shape("task_id", (cell,), tuple(keys), keys[-1]), made, order=order)


_SHAPES: Final = {"leaderboard": _leaderboard, "group": _group, "compare": _compare}


@dataclass(frozen=True, slots=True)
class _Column:
    """A new column."""

    label: str
    of: str
    """The value, in SQL, that marks the rows of this column."""
    cell: str
    """The column that has its cells."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How rows are pivoted."""

    by: str
    """The column whose value selects the new column of a row."""
    cells: tuple[str, ...]
    """The columns that hold cells."""
    keys: tuple[str, ...]
    """Rows with the same values of these become one row."""
    behind: str
    """The key after which the new columns are inserted."""


def _pivoted(
    answer: duckdb.DuckDBPyRelation, shape: _Shape, made: Sequence[_Column], *, order: str
) -> duckdb.DuckDBPyRelation:
    """Pivot rows with the same keys into one row, in time proportional to the cells.

    A FILTER for each column would compare each row with each of them.
    """
    labels = distinct_names((column.label for column in made), shape.keys)
    new = [
        f'"{position}".{sql_name(column.cell)} AS {sql_name(label)}'
        for position, (label, column) in enumerate(zip(labels, made, strict=True), 1)
    ]
    at = shape.keys.index(shape.behind) + 1
    columns = ", ".join([*map(sql_name, shape.keys[:at]), *new, *map(sql_name, shape.keys[at:])])
    source = _wide(shape, [column.of for column in made])
    pivoted = answer.query("answer", f"SELECT {columns} FROM ({source}) ORDER BY {order}")
    assert pivoted is not None, "a SELECT gives a relation"
    return pivoted


def _wide(shape: _Shape, marks: Sequence[str]) -> str:
    """Write the SELECT of the keys and, numbered from 1, a struct of the cells for each mark."""
    keys = ", ".join(map(sql_name, shape.keys))
    if not marks:
        return f"SELECT DISTINCT {keys} FROM answer"
    listed = f"[{', '.join(marks)}]"
    cell = ", ".join(f"{sql_value(name)}: {sql_name(name)}" for name in shape.cells)
    numbers = ", ".join(str(position) for position in range(1, len(marks) + 1))
    return f"""
        FROM (
            SELECT {keys}, pivot_place, {{{cell}}} AS pivot_cell
            FROM answer
            LEFT JOIN (
                SELECT unnest({listed}) AS mark, generate_subscripts({listed}, 1) AS pivot_place
            ) ON mark = {shape.by}
        )
        PIVOT (any_value(pivot_cell) FOR pivot_place IN ({numbers}) GROUP BY {keys})
    """


def _without(answer: duckdb.DuckDBPyRelation, dropped: Iterable[str]) -> duckdb.DuckDBPyRelation:
    gone = {*dropped}
    return answer.project(", ".join(sql_name(name) for name in answer.columns if name not in gone))
