"""Reports that a limit of tasks decided what was compared: it is easily taken for one of rows."""

from collections.abc import Iterator
from typing import Final

from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.notes.coverage import Coverage

_ROWS: Final = "top"
"""The parameter that limits rows."""
_COMPARING: Final = frozenset({"best"})
"""Other queries whose answer is another one if fewer tasks are compared."""
_FIRST: Final = {
    "newest": "the newest {}",
    "oldest": "the oldest {}",
    "archived-first": "the first {} (archived ones come first)",
}


def limited(
    chosen: ResolvedFilter | None, reach: Coverage, query: Query, *, quiet: bool
) -> Iterator[str]:
    """Name the tasks that a limit left, if it may have left others out.

    Args:
        chosen: the filter.
        reach: how many tasks it selects.
        query: the query.
        quiet: report it only for a query that compares tasks, whose numbers depend on it.
    """
    if chosen is None or chosen.limit is None or reach.about_tasks:
        return
    has_top = any(param.name == _ROWS for param in query.params)
    if quiet and not has_top and query.name not in _COMPARING:
        return
    if reach.selected < chosen.limit or reach.selected == reach.stored:
        return
    which = _FIRST[chosen.order].format(f"{reach.selected:,}" if reach.selected > 1 else "one")
    verb = "was" if reach.selected == 1 else "were"
    instead = f"; {setting(_ROWS)} limits rows" if has_top else ""
    limit = setting("limit", chosen.limit)
    yield f"only {which} of the matching tasks {verb} used ({limit}){instead}"
