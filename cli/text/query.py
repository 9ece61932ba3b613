"""The notes below the answer of a query."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.ask.header import Query
    from clearml_snapshot.queries.result import Rows


def footnotes(
    opened: "OpenDataset",
    query: "Query",
    values: Mapping[str, Any],
    rows: "Rows",
    *,
    quiet: bool,
) -> Iterator[str]:
    """Report suspect or missing values and, unless quiet, what the answer covers."""
    from clearml_snapshot.queries.notes.aliases import alias_notes
    from clearml_snapshot.queries.notes.compared import not_at_one_iteration
    from clearml_snapshot.queries.notes.conditions import condition_notes
    from clearml_snapshot.queries.notes.coverage import coverage, lines, warnings
    from clearml_snapshot.queries.notes.empty_answers import why_empty
    from clearml_snapshot.queries.notes.suspect_zeros import notes

    if not quiet:
        yield from alias_notes(opened, query, values)
    reason = why_empty(opened, query, values, rows)
    if reason is not None:
        yield reason
    yield from not_at_one_iteration(query, rows)
    yield from notes(opened, query, values, rows)
    reach = coverage(opened, values)
    yield from warnings(reach) if quiet else lines(reach, rows)
    yield from condition_notes(opened)
    if opened.filter is not None and opened.filter.cut_offs and not quiet:
        yield f"only tasks {', '.join(opened.filter.cut_offs)}"
