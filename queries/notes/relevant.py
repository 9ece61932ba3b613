"""Selects the rows of an answer that a note can refer to; there may be millions of others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.notes.coverage import OF_A_WINNER
from clearml_snapshot.queries.notes.suspect_zeros import WINNERS, counts_many

_HAS_VALUE: Final = {
    "best": "value IS NOT NULL",
    "first": "reached",
    "leaderboard": "value IS NOT NULL",
    "group": "mean IS NOT NULL",
}
"""Conditions on the rows that have a value; a note says why there are none."""


def relevant(
    relation: duckdb.DuckDBPyRelation, query: Query, values: Mapping[str, Any]
) -> Sequence[duckdb.DuckDBPyRelation]:
    """Return the rows of an answer that notes examine, some of them twice.

    They are several relations, because DuckDB 2.0 takes a millisecond per row to read the UNION of
    two selections from an answer that is held in memory.

    Args:
        relation: the answer, already computed because it is read again.
        query: its query.
        values: the values of its parameters.
    """
    is_of_some = query.name in WINNERS and values["by"] != "task" and counts_many(query, values)
    if query.name == "leaderboard" or is_of_some:
        return (relation,)  # each of its tasks can have suspect zeros
    chosen = [relation.filter(condition).limit(1) for condition in _examples(query)]
    if conditions := list(_conditions({*relation.columns}, values)):
        chosen.insert(0, relation.filter(" OR ".join(conditions)))
    return tuple(chosen)


def _examples(query: Query) -> Iterator[str]:
    """Write conditions that each select one row, which shows that such rows exist."""
    yield "true"
    if query.file is None and query.name in _HAS_VALUE:
        yield _HAS_VALUE[query.name]


def _conditions(columns: set[str], values: Mapping[str, Any]) -> Iterator[str]:
    """Write the conditions on rows that a note may name."""
    if columns >= {"point", "iterations"}:
        yield "point = 'nearest'"
    if not columns >= OF_A_WINNER:
        return
    marks = sql_value(list(marks_of(values)))
    for name in sorted(columns & {"value", "at_value"}):
        yield f"list_contains({marks}, {name})"
    yield "status = 'in_progress'"
    if "archived" in columns:
        yield "archived"
    if columns >= {"n_points", "n_nonfinite", "n_null"}:
        yield "n_nonfinite > 0 OR n_null > 0"
