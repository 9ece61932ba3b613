"""Reads a complete list from a server whose pages are offsets into a list that changes.

The server computes its list again for each page and cuts the page out by position, so entries that
leave the list between two pages make others vanish (clearml-api.md, "Listing tasks"). A single
answer has no such gap. So tasks are paged by the time of their creation, which does not change:
each request asks for one answer, from where the answer before it ended. Projects, which cannot be
filtered by a time, are asked for in one answer, and users in passes until two agree.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clearml_snapshot.exporter.api import Api
from clearml_snapshot.exporter.tasks import read_time

PAGE: Final = 1_000
"""Entries of one answer with all that the listing asks of a task."""
IDS_PAGE: Final = 10_000
"""Entries of one answer with ids and names only."""
_NEVER_CUT: Final = 500
"""A server cuts no answer shorter than this, whatever size is asked for."""
_GROWTH: Final = 4
"""How much more is asked for when entries that share one second fill an answer."""
_SECOND: Final = timedelta(seconds=1)
_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC) - _SECOND

Entry = dict[str, Any]


def list_by_creation(
    api: Api,
    body: Mapping[str, Any],
    only: Sequence[str],
    *,
    size: int = PAGE,
    oldest_first: bool = False,
) -> Iterator[Entry]:
    """List tasks by the time of their creation; every task that matches throughout comes once.

    The next answer begins in the second in which the last one ended, and what is known already is
    dropped. A second with more tasks than fit into an answer is asked for again, with a larger one.
    The newest first, because tasks without a creation time come last then, and an open beginning
    of the range includes them.

    Args:
        api: a server, logged in.
        body: the filters of ``tasks.get_all_ex``; its range of ``created`` is kept.
        only: the fields of an entry; ``created`` must be one of them.
        size: entries of the first answer; later ones may have more.
        oldest_first: the order, in the server's sense; entries that appear meanwhile can be late.

    Raises:
        RefusedError, ServerError: as ``Api.call`` does.
    """
    order = {"order_by": ["created" if oldest_first else "-created"]}
    most = max(size, PAGE)
    known: set[str] = set()
    bound: str | None = None
    while True:
        limits = {} if bound is None else {"created": _narrowed(body, bound, oldest_first)}
        page = one_answer(api, "tasks", {**body, **order, **limits}, only, size)
        new = list(_unknown(page, known))
        yield from new
        if len(page) < min(size, _NEVER_CUT) or (not new and len(page) < size):
            return
        before, bound = bound, _last_second(page, oldest_first) or bound
        size = min(2 * size, most) if bound != before else _GROWTH * size


def list_at_once(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int = IDS_PAGE
) -> list[Entry]:
    """List everything in a single answer, which is asked for again with more room if it is full."""
    while len(page := one_answer(api, entity, body, only, size)) >= size:
        size *= _GROWTH
    return page


def list_in_passes(
    api: Api, entity: str, only: Sequence[str], size: int = _NEVER_CUT
) -> Iterator[Entry]:
    """List what has neither a scroll nor a time, page by page, until a pass brings nothing new."""
    known: set[str] = set()
    while True:
        before = len(known)
        for number in itertools.count():
            entries = api.get(
                f"{entity}.get_all_ex",
                only_fields=list(only),
                order_by=["id"],
                page=number,
                page_size=size,
            )[entity]
            yield from _unknown(entries, known)
            if len(entries) < size:
                break
        if number == 0 or len(known) == before:
            return


def one_answer(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int
) -> list[Entry]:
    """Ask for the first entries of a list: a scroll's first page has any size, and one moment."""
    asked = {**body, "only_fields": list(only), "size": size, "scroll_id": None}
    return list(api.get(f"{entity}.get_all_ex", **asked)[entity])


def created_range(after: datetime | None, before: datetime | None) -> list[str | None] | None:
    """Write a range of ``created`` as the server takes it: both ends, the open one as null."""
    if after is None and before is None:
        return None
    return [whole_second(after), whole_second(rounded_up(before)) if before else None]


def whole_second(moment: datetime | None) -> str | None:
    """Round down; the exact bound is checked on what comes."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat() if moment else None


def rounded_up(moment: datetime) -> datetime:
    """Give a moment at least as late whose whole second is later too."""
    return min(moment, _LAST_MOMENT) + _SECOND


def _unknown(entries: Iterable[Entry], known: set[str]) -> Iterator[Entry]:
    for entry in entries:
        if str(entry["id"]) not in known:
            known.add(str(entry["id"]))
            yield entry


def _last_second(page: Sequence[Entry], oldest_first: bool) -> str | None:
    """Give the second of the last entry that has one, rounded so that the range includes it."""
    times = (read_time(entry.get("created")) for entry in reversed(page))
    moment = next((time for time in times if time is not None), None)
    if moment is None:
        return None
    return whole_second(moment if oldest_first else rounded_up(moment))


def _narrowed(body: Mapping[str, Any], bound: str, oldest_first: bool) -> list[str | None]:
    low, high = body.get("created") or (None, None)
    return [bound, high] if oldest_first else [low, bound]
