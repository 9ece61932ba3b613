"""Reads a complete list from a server whose pages are offsets into a list that changes.

The server computes its list again for each page and cuts the page out by position, so entries that
leave the list between two pages make others vanish (clearml-api.md, "Listing tasks"). A single
answer has no such gap, and it may be as long as one likes when it is asked for as the first page
of a scroll. So long lists are asked for in one answer with ids only, and the rest is read by id.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from clearml_snapshot.exporter.api import Api

PAGE: Final = 1_000
"""Entries of one answer with all that the listing asks of a task."""
_IDS: Final = 20_000
"""Entries of one answer with ids and names only: less than a megabyte."""
_GROWTH: Final = 4
"""How much more is asked for when an answer was full."""
_LONGEST_OFFSET_PAGE: Final = 500
"""Entries of a page that is asked for by its number; the server cuts longer ones."""

Entry = dict[str, Any]


def list_in_groups(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int = PAGE
) -> Iterator[Entry]:
    """List all that matches, each entry once; what matches throughout is never missing.

    A list that fits into its first answer costs one request. Of a longer one all ids are asked for
    in one answer, and the entries by id, so some may no longer match when they come.

    Args:
        api: a server, logged in.
        entity: ``tasks`` or ``projects``.
        body: the filters of ``get_all_ex``, and the order in which the entries come.
        only: the fields of an entry.
        size: entries of the first answer.

    Raises:
        RefusedError, ServerError: as ``Api.call`` does.
    """
    page = one_answer(api, entity, body, only, size)
    known = {str(entry["id"]) for entry in page}
    yield from page
    full, asked = len(page) >= size, _IDS
    while full:
        ids = [str(entry["id"]) for entry in one_answer(api, entity, body, ("id",), asked)]
        yield from read_by_id(api, entity, [one for one in ids if one not in known], only)
        known.update(ids)
        full, asked = len(ids) >= asked, _GROWTH * asked


def read_by_id(api: Api, entity: str, ids: Sequence[str], only: Sequence[str]) -> Iterator[Entry]:
    """Read entries by their ids in that order, hidden ones too; missing ones do not come."""
    for at in range(0, len(ids), PAGE):
        group = ids[at : at + PAGE]
        body = {"id": list(group), "search_hidden": True}
        entries = one_answer(api, entity, body, only, len(group))
        found = {str(entry["id"]): entry for entry in entries}
        yield from (found[one] for one in group if one in found)


def list_at_once(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int = _IDS
) -> list[Entry]:
    """List everything in a single answer, which is asked for again with more room if it is full."""
    while len(page := one_answer(api, entity, body, only, size)) >= size:
        size *= _GROWTH
    return page


def list_in_passes(
    api: Api, entity: str, only: Sequence[str], size: int = _LONGEST_OFFSET_PAGE
) -> Iterator[Entry]:
    """List what knows no scroll, page by page, until a pass brings nothing new."""
    known: set[str] = set()
    while True:
        before = len(known)
        for number in itertools.count():
            entries = _numbered_page(api, entity, only, number, size)
            yield from _unknown(entries, known)
            if len(entries) < size:
                break
        if number == 0 or len(known) == before:
            return


def one_answer(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int
) -> list[Entry]:
    """Ask for the first entries of a list, as they are at one moment; ``size`` is not limited."""
    asked = {**body, "only_fields": list(only), "size": size, "scroll_id": None}
    return list(api.get(f"{entity}.get_all_ex", **asked)[entity])


def _numbered_page(
    api: Api, entity: str, only: Sequence[str], number: int, size: int
) -> list[Entry]:
    paging = {"order_by": ["id"], "page": number, "page_size": size}
    return list(api.get(f"{entity}.get_all_ex", only_fields=list(only), **paging)[entity])


def _unknown(entries: Iterable[Entry], known: set[str]) -> Iterator[Entry]:
    for entry in entries:
        if str(entry["id"]) not in known:
            known.add(str(entry["id"]))
            yield entry
