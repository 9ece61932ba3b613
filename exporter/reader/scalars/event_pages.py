"""Reads the pages of ``events.get_task_events`` for one task and some of its series.

Most of the server's traps are handled here: pages that start again at iteration 0, at most 10,000
points of one iteration, events without an iteration, a search window that is smaller than usual
(docs/clearml-server.md, "Reading one task completely").
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.transport import TOO_LARGE
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.events import SCALAR, EventPage, decode_page
from clearml_snapshot.exporter.reader.scalars.other_series import refuse_other_series
from clearml_snapshot.exporter.reader.series import FEW_TRIES, SERVER_ERROR
from clearml_snapshot.exporter.selection.metric_filter import Selector

PAGE: Final = 10_000
"""Events per page; the server answers more with an error (docs/clearml-server.md,
"events.get_task_events")."""
one_at_a_time: Final = threading.Lock()
"""Decoding holds the interpreter lock; threads that compete for it cost a quarter of the time."""
_SEARCH_ENGINE: Final = 100
"""The subcode of an error of the search engine, such as a page that is too large
(docs/clearml-server.md, "Envelope and errors")."""
_PASSING: Final = frozenset({0, 429, 502, 503, 504, 509})
"""HTTP statuses that do not depend on the request itself; 0 means no answer."""


@dataclass(frozen=True)
class Part:
    """Series that are requested together; without selectors, every metric."""

    selectors: tuple[Selector, ...] = ()
    is_final: bool = False
    """It cannot be made smaller: read as much as the server returns."""


@dataclass
class ScrollPosition:
    """How far a part was read, and how to request the next page."""

    scroll_id: str | None = None
    last: int | None = None
    seen: int = 0
    total: int | None = None
    usual: int = PAGE
    size: int = PAGE
    refused: int | None = None
    """A page that ends at this event is refused, because the event has no iteration."""
    step: int = 1
    is_small_enough: bool = False
    """A page of one event was answered, so halving leads to a size that works."""
    without_iteration: int = 0
    """Events that the server never returns, because they have no iteration."""
    cut: tuple[int, ...] = ()
    """Iterations of which only one page was returned, and which may have more points."""

    def move(self, page: EventPage) -> None:
        """Move past a page."""
        self.seen += page.returned
        self.scroll_id, self.last, self.size = page.scroll_id, page.last, self.usual
        if self.refused is not None and self.seen < self.refused:
            self.size = max((self.refused - self.seen) // 2, 1)
        else:
            self.refused, self.step = None, 1


class TooLargeError(Exception):
    """The server cannot page through the series of this part together."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self.part = part


def read_pages(
    api: Client, task_id: str, part: Part, position: ScrollPosition
) -> Iterator[EventPage]:
    """Scroll through a part in ascending order until everything that the server counts is read.

    Args:
        api: a client that is logged in.
        task_id: the task.
        part: the series.
        position: where to begin; it is updated.

    Raises:
        TooLargeError: an iteration has more than a page, or the server would start again.
        RefusedError: the server refuses a page, and smaller ones too.
    """
    while position.total is None or position.seen < position.total:
        page = next_page(api, task_id, part, position)
        if page is None:
            return
        if position.total is None:
            position.total = page.total
        if page.returned == 0 or _starts_over(page, position.last, part):
            return
        is_end = position.total is not None and position.seen + page.returned >= position.total
        if not is_end and (not page.can_follow or page.at_last >= PAGE):
            before = page.returned - page.at_last
            if before > 0 and page.at_last < PAGE:
                # Following a page that ends at iteration 0 starts again: end it just before that.
                position.size = before
                continue
            if not part.is_final:
                raise TooLargeError(part)
            position.cut += () if page.last is None else (page.last,)
        yield page
        if not is_end and not page.can_follow:
            return
        position.move(page)


def next_page(api: Client, task_id: str, part: Part, position: ScrollPosition) -> EventPage | None:
    """Request the next page, or a smaller one if that fails; None if nothing follows.

    Events without an iteration are sorted last, and a page that ends with one is an HTTP 500. What
    comes before them is found by halving, and they are counted.
    """
    while True:
        try:
            return ask_page(api, task_id, part, position.scroll_id, position.size)
        except RefusedError as error:
            if error.status not in (SERVER_ERROR, TOO_LARGE):
                raise
            if error.subcode == _SEARCH_ENGINE or error.status == TOO_LARGE:
                _halve(api, task_id, part, position, error)
                continue
            if position.total is None:
                # A page of size 0 still counts the events.
                position.total = ask_page(api, task_id, part, None, 0).total
            if not position.total:
                raise
        if position.size == 1:
            position.without_iteration += position.total - position.seen
            return None
        position.refused = min(
            position.seen + position.size, position.refused or position.total, position.total
        )
        position.size = max(position.refused - position.seen - position.step, 1)
        position.step *= 2


def _halve(
    api: Client, task_id: str, part: Part, position: ScrollPosition, error: RefusedError
) -> None:
    """Request half as many events from now on; raises if a page of one event is refused too."""
    if position.size == 1:
        raise error
    if error.status != TOO_LARGE and not position.is_small_enough:
        ask_page(api, task_id, part, position.scroll_id, 1)  # or raises
        position.is_small_enough = True
    position.usual = position.size = position.size // 2


def ask_page(api: Client, task_id: str, part: Part, scroll_id: str | None, size: int) -> EventPage:
    """Request one page; a size of 0 only counts.

    Raises:
        RefusedError: the server refuses it, or repeatedly answers with other points.
    """
    body: dict[str, Any] = {
        "task": task_id,
        "event_type": SCALAR,
        "batch_size": size,
        "count_total": True,
    }
    if part.selectors:
        body["metrics"] = list(part.selectors)
    if scroll_id is not None:
        body["scroll_id"] = scroll_id
    decode = partial(_decode, task_id, part)
    try:
        return api.call("events.get_task_events", body, decode, FEW_TRIES)
    except RefusedError as error:
        if error.status not in _PASSING:
            raise
    return api.call("events.get_task_events", body, decode)


def _starts_over(page: EventPage, last: int | None, part: Part) -> bool:
    """Return whether a page goes back to before the previous one, as a restarted scroll does."""
    if page.first is None or last is None or page.first > last:
        return False
    if not part.is_final:
        raise TooLargeError(part)
    return True


def _decode(task_id: str, part: Part, body: bytes) -> EventPage:
    with one_at_a_time:
        page = decode_page(task_id, body)
        refuse_other_series(page.points, part.selectors)
        return page
