"""Collects every note below the answer of a query."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.aliases import alias_notes
from clearml_snapshot.queries.notes.compared import not_at_one_iteration
from clearml_snapshot.queries.notes.conditions import condition_notes
from clearml_snapshot.queries.notes.coverage import coverage, lines, warnings
from clearml_snapshot.queries.notes.empty_answers import why_empty
from clearml_snapshot.queries.notes.horizontal.places import place_notes
from clearml_snapshot.queries.notes.limited import limited
from clearml_snapshot.queries.notes.means import mean_notes
from clearml_snapshot.queries.notes.relevant import relevant
from clearml_snapshot.queries.notes.single_zeros import single_zero_notes
from clearml_snapshot.queries.notes.suspect_zeros import notes
from clearml_snapshot.queries.result import Rows


def footnotes(
    dataset: Dataset,
    query: Query,
    values: Mapping[str, Any],
    rows: Rows,
    *,
    quiet: bool,
    has_age: bool = True,
) -> Iterator[str]:
    """Report suspect or missing values and, unless quiet, what the answer covers.

    Args:
        dataset: the dataset.
        query: the query.
        values: the values of its parameters.
        rows: the rows of its answer that notes may be about; see ``relevant``.
        quiet: leave out what is true of a complete answer as well.
        has_age: say how old the snapshot is now, which a file must not.
    """
    if not quiet:
        yield from alias_notes(dataset, query, values)
    reach = coverage(dataset, values)
    yield from limited(dataset.filter, reach, query, quiet=quiet)
    reason = why_empty(dataset, query, values, rows)
    if reason is not None:
        yield reason
    left_out = None if quiet or not reach.selected else dataset.left_out()
    if left_out is not None:
        yield left_out
    yield from not_at_one_iteration(query, rows)
    yield from notes(dataset, query, values, rows)
    yield from single_zero_notes(dataset, query, values, rows)
    yield from place_notes(dataset, query, values)
    yield from mean_notes(dataset, query, values, reach, quiet=quiet)
    yield from condition_notes(dataset, marks_of(values))
    yield from warnings(reach) if quiet else lines(reach, rows, has_age=has_age)
    if dataset.filter is not None and dataset.filter.cut_offs and not quiet:
        yield f"only tasks {', '.join(dataset.filter.cut_offs)}"


def notes_on(
    dataset: Dataset,
    query: Query,
    values: Mapping[str, Any],
    relation: duckdb.DuckDBPyRelation,
) -> tuple[str, ...]:
    """Run a query whose answer was not read yet, and give its notes."""
    unmatched = dataset.aliased.renames.unmatched.values() if dataset.aliased else ()
    if query.has_long_answer:
        first = relation.limit(1).fetchall()
        rows = Rows((), (), ((),) * len(first))
    else:
        rows = dataset.result(*relevant(relation.materialize(), query, values)).in_memory()
    return (*unmatched, *footnotes(dataset, query, values, rows, quiet=False))
