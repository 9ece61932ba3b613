"""Turns the long rows of a query into the columns that were requested."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name, sql_value
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns, with_made
from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.ask.statement import by_group

if TYPE_CHECKING:
    from clearml_snapshot.queries.ask.columns.wide import ColumnNames


class Shaped(NamedTuple):
    """The rows of a query with the columns that were requested."""

    relation: duckdb.DuckDBPyRelation
    answer: AnswerColumns
    """Those of its columns that are the answer."""


NamesOf = Callable[[Sequence[str]], Mapping[str, str | None]]
"""Returns the names of tasks by id."""


class Names:
    """Reads the names of the selected tasks, and of what they have, when a query needs them.

    Args:
        connect: returns a connection that sees the selected tasks; those of an answer in parts,
            from its first part on, some of them.
    """

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._connect = connect

    def of_tasks(self, ids: Sequence[str]) -> Mapping[str, str | None]:
        """Read the names of tasks by id."""
        rows = self._connect().execute(read("lookups/names_of.sql"), {"ids": list(ids)})
        return dict(rows.fetchall())

    @cached_property
    def of_every_column(self) -> "ColumnNames":
        """What `of_columns_here` returned first: for an answer in parts, before the first part."""
        return self.of_columns_here()

    def of_columns_here(self) -> "ColumnNames":
        """Read the metrics and hyperparameters of the tasks that the connection sees."""
        from clearml_snapshot.queries.ask.columns.wide import column_names

        return column_names(self._connect().sql(read("lookups/wide_names.sql")))


class Made(NamedTuple):
    """The rows of a query with the columns that were requested."""

    rows: duckdb.DuckDBPyRelation
    labels: Sequence[str]
    """The columns that were made."""
    params: Sequence[str] = ()
    """Those of hyperparameters."""


_AT: Final = ("at_metric", "at_variant", "at_value", "at_iteration")
_BESIDE: Final = ("beside", "beside_name", "text", "number")


def with_columns(
    query: Query,
    values: Mapping[str, Any],
    answer: duckdb.DuckDBPyRelation,
    names: Names,
) -> Shaped:
    """Turn names in the rows of a query into columns, in the order in which they were requested.

    Args:
        query: the query.
        values: the values of its parameters.
        answer: its rows as the SQL returns them.
        names: used for the columns of tasks, metrics and hyperparameters.
    """
    query = by_group(query, values)
    make = _SHAPES.get(query.name)
    if make is not None:
        rows, made, params = make(values, answer, names)
        columns = with_made(query.answer, values, made)
        legend = _legend(query, values, made)
        return Shaped(rows, columns._replace(legend=legend, params=tuple(params)))
    if "at" in values and values["at"] is None and {*_AT} <= {*answer.columns}:
        answer = _without(answer, _AT)
    return Shaped(answer, with_made(query.answer, values))


def fixed_columns(query: Query, columns: Iterable[str], *, has_at: bool) -> list[str]:
    """Leave out of the columns that the SQL returns those that the answer does not have.

    Args:
        query: the query.
        columns: those of its SQL, from some of which others are made.
        has_at: whether the values of another metric are requested.
    """
    gone = {*_MADE_FROM.get(query.name, ()), *(() if has_at else _AT)}
    return [name for name in columns if name not in gone]


def _leaderboard(values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names) -> Made:
    from clearml_snapshot.queries.ask.columns.pivot import Column, Shape, pivoted

    params = [("text", [name]) for name in values["param"] or ()]
    also = zip(values["also"] or (), values["also_variant"] or (), strict=True)
    metrics = [("number", [*pair]) for pair in also]
    keys = [name for name in answer.columns if name not in _BESIDE]
    made = [
        Column("/".join(name), of=sql_value(name), cell=column)
        for column, name in (*metrics, *params)
    ]
    shape = Shape("beside_name", ("text", "number"), tuple(keys), "iteration")
    rows, labels = pivoted(answer, shape, made, order="metric, variant, place")
    return Made(rows, labels, labels[len(metrics) :])


def _group(values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names) -> Made:
    by = [name.removeprefix("param:") for name in values["by"] or ()]
    differing = () if values["by_all_except"] is None else _keys(answer, "parameters")
    kept = [name for name in answer.columns if name not in ("group", "parameters")]
    labels = distinct_names([*by, *differing], kept)
    cells = [f'"group"[{position}]' for position in range(1, len(by) + 1)]
    cells += [f"parameters[{sql_value(key)}]" for key in differing]
    made = [f"{cell} AS {sql_name(label)}" for cell, label in zip(cells, labels, strict=True)]
    columns = [*map(sql_name, kept[:2]), *made, *map(sql_name, kept[2:])]
    return Made(answer.project(", ".join(columns)), labels, labels)


def _curve_by_group(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names
) -> Made:
    by = [name.removeprefix("param:") for name in values["by"] or ()]
    kept = [name for name in answer.columns if name != "group"]
    labels = distinct_names([*by, *(values["by_differing"] or ())], kept)
    made = [f'"group"[{place}] AS {sql_name(label)}' for place, label in enumerate(labels, 1)]
    columns = [*map(sql_name, kept[:2]), *made, *map(sql_name, kept[2:])]
    return Made(answer.project(", ".join(columns)), labels, labels)


def _legend(
    query: Query, values: Mapping[str, Any], made: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Explain the columns of tasks, whose names may be too long for a head."""
    if query.name != "compare":
        return ()
    return tuple(
        (label, label if task_id[:8] in label else f"{label} ({task_id[:8]})")
        for label, task_id in zip(made, values["tasks"], strict=True)
    )


def _keys(answer: duckdb.DuckDBPyRelation, column: str) -> list[str]:
    """List the keys that a column of maps has in any row."""
    keys = answer.project(f"unnest(map_keys({column}))").distinct()
    return sorted(key for (key,) in keys.fetchall())


def _best(values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names) -> Made:
    keys = {column: _keys(answer, column) for column in ("settings", "finals")}
    kept = [name for name in answer.columns if name not in keys]
    finals = [f"{name} (last)" for name in keys["finals"]]
    labels = distinct_names([*keys["settings"], *finals], kept)
    cells = [f"{column}[{sql_value(key)}]" for column, names in keys.items() for key in names]
    made = [f"{cell} AS {sql_name(label)}" for cell, label in zip(cells, labels, strict=True)]
    at = kept.index("project") + 1
    columns = [*map(sql_name, kept[:at]), *made, *map(sql_name, kept[at:])]
    rows = answer.project(", ".join(columns))
    return Made(rows, labels, labels[: len(keys["settings"])])


def _compare(values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names) -> Made:
    from clearml_snapshot.queries.ask.columns.pivot import Column, Shape, pivoted

    if values["params"]:
        keys, cell, behind = ["parameter"], "setting", "parameter"
        order = "contains(parameter, '/') DESC, parameter"
    elif values["steps"]:
        keys, cell, behind = ["metric", "variant", "iteration"], "value", "iteration"
        order = "metric, variant, iteration NULLS LAST"
    else:
        keys = ["metric", "variant", "point", "difference", "iteration", "iterations", "differ_at"]
        cell, behind = "value", "point"
        order = "metric, variant, list_position(['end', 'common', 'nearest'], point)"
    made = [
        Column(label, of=sql_value(task_id), cell=cell)
        for task_id, label in task_labels(values["tasks"], names.of_tasks).items()
    ]
    return Made(*pivoted(answer, Shape("task_id", (cell,), tuple(keys), behind), made, order=order))


def _wide(values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names: Names) -> Made:
    from clearml_snapshot.queries.ask.columns.wide import wide

    return wide(values, answer, names.of_every_column, names.of_columns_here)


def task_labels(task_ids: Sequence[str], names_of: NamesOf) -> dict[str, str]:
    """Name tasks uniquely, by id: with their names, and the beginning of the id if necessary."""
    names = names_of(task_ids)
    labels = {task_id: names[task_id] or task_id[:8] for task_id in task_ids}
    counts = Counter(labels.values())
    return {
        task_id: label if counts[label] == 1 else f"{label} ({task_id[:8]})"
        for task_id, label in labels.items()
    }


_SHAPES: Final = {
    "best": _best,
    "compare": _compare,
    "curve by group": _curve_by_group,
    "group": _group,
    "leaderboard": _leaderboard,
    "wide": _wide,
}


_MADE_FROM: Final = {
    "best": ("settings", "finals"),
    "compare": ("task_id", "value", "setting"),
    "curve by group": ("group",),
    "group": ("group", "parameters"),
    "leaderboard": _BESIDE,
}


def _without(answer: duckdb.DuckDBPyRelation, dropped: Iterable[str]) -> duckdb.DuckDBPyRelation:
    gone = {*dropped}
    return answer.project(", ".join(sql_name(name) for name in answer.columns if name not in gone))
