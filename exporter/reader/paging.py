"""Reads a complete list from a server whose pages are offsets into a list that changes.

The server computes its list again for each page and cuts the page out by position, so entries that
leave the list between two pages make others vanish (docs/clearml-server.md, "Pages of a list").
A single answer has no such gap, and its length is not limited if it is requested as the first page
of a scroll. So for long lists one answer contains the ids only, and the rest is read by id.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clearml_snapshot.exporter.client.answers import LISTS, reader
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.failures import MixedUpError, in_short
from clearml_snapshot.exporter.errors import ServerError

PAGE: Final = 1_000
"""Entries of one answer with all fields of the listing."""
_IDS: Final = 20_000
"""Entries of one answer with ids and names only: less than a megabyte."""
_GROWTH: Final = 4
"""The factor by which the next answer is larger if one was full."""
_LONGEST_OFFSET_PAGE: Final = 500
"""Entries of a page that is requested by number; the server cuts longer ones, and lists users only
in this way (docs/clearml-server.md, "Pages of a list")."""

_MOST_PAGES: Final = 2_000
"""Numbered pages of one pass; a million users are not expected."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The entries of one answer."""

    entries: list[Entry]
    """Those with an id; an entry without one cannot be requested or stored."""
    received: int
    """The number of all entries, including those without an id."""


def list_in_groups(
    api: Client, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int = PAGE
) -> Iterator[Entry]:
    """List everything that matches, each entry once; what always matches is never missing.

    A list that fits into its first answer costs one request. For a longer one all ids are requested
    in one answer, and then the entries by id, so some may no longer match when they are read.

    Args:
        api: a client that is logged in.
        entity: ``tasks`` or ``projects``.
        body: the filters of ``get_all_ex``, and the order of the entries.
        only: the fields of an entry.
        size: entries of the first answer.

    Raises:
        RefusedError, ServerError: as ``Client.call`` does.
    """
    page = one_answer(api, entity, body, only, size)
    yielded_ids = {entry["id"] for entry in page.entries}
    yield from page.entries
    full, group_size = page.received >= size, _IDS
    while full:
        listed = one_answer(api, entity, body, ("id",), group_size)
        ids = [entry["id"] for entry in listed.entries]
        yield from read_by_id(
            api, entity, [entry_id for entry_id in ids if entry_id not in yielded_ids], only
        )
        yielded_ids.update(ids)
        full, group_size = listed.received >= group_size, _GROWTH * group_size


def read_by_id(
    api: Client, entity: str, ids: Sequence[str], only: Sequence[str]
) -> Iterator[Entry]:
    """Read entries by their ids in that order, including hidden ones; missing ones are left out."""
    for at in range(0, len(ids), PAGE):
        group = ids[at : at + PAGE]
        body = {"id": list(group), "search_hidden": True}
        by_id = {
            entry["id"]: entry for entry in one_answer(api, entity, body, only, len(group)).entries
        }
        yield from (by_id[entry_id] for entry_id in group if entry_id in by_id)


def list_at_once(
    api: Client, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int = _IDS
) -> list[Entry]:
    """List everything in a single answer, which is requested again with a larger size if full."""
    while (page := one_answer(api, entity, body, only, size)).received >= size:
        size *= _GROWTH
    return page.entries


def list_in_passes(
    api: Client, entity: str, only: Sequence[str], size: int = _LONGEST_OFFSET_PAGE
) -> Iterator[Entry]:
    """List what has no scroll, page by page, until a pass returns nothing new.

    A page without anything new in this pass ends it: the server ignores the page number.

    Raises:
        ServerError: the pages do not end.
    """
    yielded_ids: set[str] = set()
    while True:
        before, had = len(yielded_ids), set[str]()
        for number in range(_MOST_PAGES):
            page = _numbered_page(api, entity, only, number, size)
            yield from _unknown(page.entries, yielded_ids)
            ids = {entry["id"] for entry in page.entries}
            if page.received < size or ids <= had:
                break
            had |= ids
        else:
            raise ServerError(f"{api.host} lists {entity} without end; gave up")
        if number == 0 or len(yielded_ids) == before:
            return


def one_answer(
    api: Client, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int
) -> Answer:
    """Request the first entries of a list, as they are at one moment; ``size`` is not limited."""
    return ask_entries(api, entity, {**body, "size": size, "scroll_id": None}, only)


def _numbered_page(api: Client, entity: str, only: Sequence[str], number: int, size: int) -> Answer:
    return ask_entries(api, entity, {"order_by": ["id"], "page": number, "page_size": size}, only)


def ask_entries(api: Client, entity: str, body: Mapping[str, Any], only: Sequence[str]) -> Answer:
    """Call ``get_all_ex`` once; an entry without an id is left out and reported.

    Entries that a wrong answer omits would look deleted, so an answer with other ids than ``id`` of
    the request is rejected.

    Raises:
        RefusedError: the server repeatedly returns entries with other ids.
        ServerError: as ``Client.call`` does.
    """
    endpoint = f"{entity}.get_all_ex"
    read = reader(LISTS[entity])

    def decode(answer: bytes) -> list[Any]:
        received_entries: list[Any] = getattr(read(answer), entity)
        _refuse_others(entity, received_entries, body.get("id"))
        return received_entries

    received_entries = api.call(endpoint, {**body, "only_fields": list(only)}, decode)
    entries = [entry for entry in received_entries if _has_id(entry)]
    if len(entries) < len(received_entries):
        count = len(received_entries) - len(entries)
        remark = f"{endpoint} returned {count:,} {entity} without a usable id: they were left out"
        if remark not in api.remarks:
            api.remarks.append(remark)
    return Answer(entries, len(received_entries))


def _refuse_others(
    entity: str, entries: Iterable[Any], requested_ids: Collection[str] | None
) -> None:
    others = {entry["id"] for entry in entries if _has_id(entry)}.difference(requested_ids or ())
    if requested_ids and others:
        raise MixedUpError(f"with {entity} that were not requested ({in_short(min(others))})")


def _has_id(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("id"), str) and bool(entry["id"])


def _unknown(entries: Iterable[Entry], yielded_ids: set[str]) -> Iterator[Entry]:
    for entry in entries:
        if entry["id"] not in yielded_ids:
            yielded_ids.add(entry["id"])
            yield entry
