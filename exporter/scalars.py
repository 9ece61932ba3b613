"""Every point of one task, or a plain word about what is missing.

The server's traps are handled here and nowhere else: pages that start over at iteration 0, at most
10,000 points of one iteration, events without an iteration, points that arrive in between. What
proves the result is one number: the distinct points read equal those that the server counts.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

import pyarrow as pa

from clearml_snapshot.exporter.api import Api
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.events import EventPage, decode_page, distinct
from clearml_snapshot.exporter.metrics import MetricChoice, Selector, metric_selectors
from clearml_snapshot.exporter.series import FEW_TRIES, SERVER_ERROR, list_variants, listed_series

PAGE: Final = 10_000
"""Events a page; the server answers more with an error."""
_READS: Final = 3
"""Times that a task is read before it counts as partial."""
_SPLITS: Final = 50
"""Parts that may turn out too large for the server before a reading is given up."""
_SAFE_SERIES: Final = PAGE - 1_000
"""Series asked for together after a split: no iteration of theirs can fill a page."""
_one_at_a_time: Final = threading.Lock()
"""Decoding holds the interpreter: threads that fight over it cost a quarter of the time."""
_SEARCH_ENGINE: Final = 100
"""The subcode of an error that is the search engine's, such as a page that is too large."""
_PASSING: Final = frozenset({0, 429, 502, 503, 504, 509})
"""HTTP statuses that say nothing about the request itself; 0 is none at all."""


class PointSink(Protocol):
    """Where points go; ``store.writer.PointBuffer`` is one."""

    def add(self, points: pa.Table) -> None:
        """Take the points of a page."""

    def discard(self) -> None:
        """Forget all that was added: the task is read again."""


@dataclass(frozen=True)
class ScalarsRead:
    """What reading a task came to."""

    expected: int
    """Points that the server counts for what was asked."""
    stored: int
    """Distinct points handed to the sink."""
    bad: int = 0
    """Of these, stored as something else than was sent."""
    reason: str | None = None
    """Why it is not whole; None when it is."""


@dataclass(frozen=True)
class _Part:
    """Series that are asked for together; no selectors means every metric."""

    selectors: tuple[Selector, ...] = ()
    is_final: bool = False
    """It cannot be made smaller: read what comes."""


@dataclass
class _Tally:
    """What one reading of a task has come to so far."""

    total: int = 0
    stored: int = 0
    bad: int = 0
    odd: int = 0
    """Events that cannot be stored: no usable iteration, or the key of another one."""
    pages: int = 0
    opening: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    """Wall times at the very first iteration."""
    tail: str | None = None
    """Scroll id behind the last page, when it can be followed."""


@dataclass
class _Place:
    """How far a part is read, and how the next page is asked for."""

    scroll_id: str | None = None
    last: int | None = None
    seen: int = 0
    total: int | None = None
    usual: int = PAGE
    size: int = PAGE
    refused: int | None = None
    """A page that would end here is refused: the last event in it has no iteration."""
    step: int = 1
    is_small_enough: bool = False
    """A page of one event is answered: halving leads to a size that works."""

    def move(self, page: EventPage) -> None:
        """Go behind a page."""
        self.seen += page.returned
        self.scroll_id, self.last, self.size = page.scroll_id, page.last, self.usual
        if self.refused is not None and self.seen < self.refused:
            self.size = max((self.refused - self.seen) // 2, 1)
        else:
            self.refused, self.step = None, 1


@dataclass
class _Reading:
    """One task while it is read."""

    api: Api
    task_id: str
    sink: PointSink
    whole: _Part
    """All that is asked for."""
    tally: _Tally = field(default_factory=_Tally)


class _TooLargeError(Exception):
    """The server cannot page through the series of this part together."""

    def __init__(self, part: _Part) -> None:
        super().__init__(part)
        self.part = part


def fetch_scalars(
    api: Api, task_id: str, wanted: Sequence[MetricChoice] | None, sink: PointSink
) -> ScalarsRead:
    """Read all points of a task into a sink.

    Args:
        api: a server, logged in.
        task_id: the task.
        wanted: the metrics asked for; None is every metric, an empty one none.
        sink: takes the pages; its content is valid once this returns.

    Raises:
        RefusedError: the server refuses the task as a whole.
        ServerError: the server is gone.
    """
    if wanted is not None and not wanted:
        return ScalarsRead(0, 0)
    whole = _Part(metric_selectors(wanted or ()))
    reading = _Reading(api, task_id, sink, whole)
    parts = [whole]
    for attempt in range(_READS):
        if attempt:
            sink.discard()
        if attempt == _READS - 1:
            parts = _split(reading, whole)
        parts = _read(reading, parts)
        result = _verdict(reading, was_split=parts != [whole])
        if result.reason is None or result.expected - result.stored == reading.tally.odd > 0:
            break
    return result


def count_scalars(api: Api, task_id: str, wanted: Sequence[MetricChoice] | None) -> int:
    """Ask how many points the server holds of a task; raises as ``fetch_scalars`` does."""
    if wanted is not None and not wanted:
        return 0
    whole = _Part(metric_selectors(wanted or ()))
    return _ask(api, task_id, whole, None, 0).total or 0


def _read(reading: _Reading, parts: list[_Part]) -> list[_Part]:
    """Read all parts; when one is too large, start over with smaller ones; give those read."""
    for _ in range(_SPLITS):
        reading.tally = _Tally()
        try:
            for part in parts:
                _read_part(reading, part)
        except _TooLargeError as error:
            reading.sink.discard()
            at = parts.index(error.part)
            parts = [*parts[:at], *_split(reading, error.part), *parts[at + 1 :]]
        else:
            return parts
    raise RefusedError(
        f"task {reading.task_id} has more points at one iteration than the server can page through",
        status=200,
        subcode=0,
    )


def _read_part(reading: _Reading, part: _Part) -> None:
    tally = reading.tally
    tally.tail, place = None, _Place()
    for page in _pages(reading, part, place):
        tally.pages += 1
        if tally.pages == 1 and page.returned != place.total:
            tally.opening = page.opening()
        _keep(reading, page)
    tally.total += place.total or 0


def _keep(reading: _Reading, page: EventPage) -> None:
    """Hand the points of a page on, and count them."""
    tally = reading.tally
    with _one_at_a_time:
        points = distinct(page.points)
    tally.stored += points.num_rows
    tally.bad += page.bad
    tally.odd += page.returned - points.num_rows
    tally.tail = page.scroll_id if page.can_follow else None
    reading.sink.add(points)


def _pages(reading: _Reading, part: _Part, place: _Place) -> Iterator[EventPage]:
    """Scroll through a part in ascending order until all that the server counts has come.

    Raises:
        _TooLargeError: an iteration holds more than a page, or the server would start over.
    """
    while place.total is None or place.seen < place.total:
        page = _next_page(reading, part, place)
        if page is None:
            return
        if place.total is None:
            place.total = page.total
        if page.returned == 0 or _starts_over(page, place.last, part):
            return
        is_end = place.total is not None and place.seen + page.returned >= place.total
        if not is_end and (not page.can_follow or page.at_last >= PAGE):
            before = page.returned - page.at_last
            if before > 0 and page.at_last < PAGE:
                # Following a page that ends at iteration 0 starts over: end it just before that.
                place.size = before
                continue
            if not part.is_final:
                raise _TooLargeError(part)
        yield page
        if not is_end and not page.can_follow:
            return
        place.move(page)


def _next_page(reading: _Reading, part: _Part, place: _Place) -> EventPage | None:
    """Ask for the next page, smaller where the server cannot; None when nothing more comes.

    Events without an iteration are sorted last, and a page that ends with one is an HTTP 500: what
    is before them is found by halving, and they are counted.
    """
    while True:
        try:
            return _ask(reading.api, reading.task_id, part, place.scroll_id, place.size)
        except RefusedError as error:
            if error.status != SERVER_ERROR:
                raise
            if error.subcode == _SEARCH_ENGINE:
                if place.size == 1:
                    raise
                if not place.is_small_enough:
                    _ask(reading.api, reading.task_id, part, place.scroll_id, 1)  # or raises
                    place.is_small_enough = True
                place.usual = place.size = place.size // 2
                continue
            if place.total is None:
                # A page of no events still counts them.
                place.total = _ask(reading.api, reading.task_id, part, None, 0).total
            if not place.total:
                raise
        if place.size == 1:
            reading.tally.odd += place.total - place.seen
            return None
        place.refused = min(place.seen + place.size, place.refused or place.total, place.total)
        place.size = max(place.refused - place.seen - place.step, 1)
        place.step *= 2


def _starts_over(page: EventPage, last: int | None, part: _Part) -> bool:
    """Whether a page goes back behind the one before it, as a restarted scroll does."""
    if page.first is None or last is None or page.first > last:
        return False
    if not part.is_final:
        raise _TooLargeError(part)
    return True


def _ask(api: Api, task_id: str, part: _Part, scroll_id: str | None, size: int) -> EventPage:
    body: dict[str, Any] = {
        "task": task_id,
        "event_type": "training_stats_scalar",
        "batch_size": size,
        "count_total": True,
    }
    if part.selectors:
        body["metrics"] = list(part.selectors)
    if scroll_id is not None:
        body["scroll_id"] = scroll_id
    decode = partial(_decode, task_id)
    try:
        return api.call("events.get_task_events", body, decode, FEW_TRIES)
    except RefusedError as error:
        if error.status not in _PASSING:
            raise
    return api.call("events.get_task_events", body, decode)


def _decode(task_id: str, body: bytes) -> EventPage:
    with _one_at_a_time:
        return decode_page(task_id, body)


def _verdict(reading: _Reading, *, was_split: bool) -> ScalarsRead:
    """Compare what came with what the server counts; asked anew where that may have changed."""
    tally = reading.tally
    expected, rewritten = tally.total, False
    if was_split:
        tally.opening = {}  # other series may begin earlier
    if was_split or tally.pages > 1 or tally.stored + tally.odd != expected:
        expected, rewritten = _count_again(reading)
        if not was_split and expected > tally.stored + tally.odd and _read_late(reading, expected):
            expected, rewritten = _count_again(reading)
    reason = _reason(expected, tally, rewritten=rewritten)
    return ScalarsRead(expected, tally.stored, tally.bad, reason)


def _reason(expected: int, tally: _Tally, *, rewritten: bool) -> str | None:
    missing = expected - tally.stored
    if missing < 0:
        return f"{-missing} points more came than the server counts ({expected})"
    if missing and tally.odd:
        rest = f", {missing - tally.odd} more did not come" if missing > tally.odd else ""
        return f"{tally.odd} of {expected} points have no usable iteration of their own{rest}"
    if missing:
        return f"{missing} of {expected} points did not come"
    return "its points were replaced while they were read" if rewritten else None


def _count_again(reading: _Reading) -> tuple[int, bool]:
    """Count the points once more, and see whether the first ones are still the same."""
    size = min(reading.tally.stored, 1)
    page = _ask(reading.api, reading.task_id, reading.whole, None, size)
    before, now = reading.tally.opening, page.opening()
    common = before.keys() & now.keys()
    is_same = all(before[key] == now[key] for key in common)
    return page.total or 0, not is_same or bool(before and now and not common)


def _read_late(reading: _Reading, expected: int) -> bool:
    """Read what was reported behind the last page meanwhile; False when nothing was."""
    place = _Place(reading.tally.tail, seen=reading.tally.stored, total=expected)
    if place.scroll_id is None:
        return False
    page = _next_page(reading, reading.whole, place)
    if page is None or page.returned == 0:
        return False
    _keep(reading, page)
    return True


def _split(reading: _Reading, part: _Part) -> list[_Part]:
    """Make smaller parts: groups of metrics, and of one large metric groups of its variants."""
    if len(part.selectors) == 1:
        return _split_metric(reading, part.selectors[0])
    series = listed_series(reading.api, [reading.task_id])
    selectors = part.selectors or tuple({"metric": metric} for metric in sorted(series))
    groups: list[list[Selector]] = [[]]
    room = _SAFE_SERIES
    for selector in selectors:
        # A cut list of variants is a long one, so such a metric gets a part of its own.
        needs = len(selector.get("variants") or series.get(selector["metric"]) or ())
        needs = needs if needs * max(len(series), 1) < _SAFE_SERIES // 2 else _SAFE_SERIES
        if needs > room:
            groups.append([])
            room = _SAFE_SERIES
        groups[-1].append(selector)
        room -= needs
    if tuple(groups[0]) == part.selectors and len(part.selectors) > 1:
        half = len(part.selectors) // 2
        groups = [list(part.selectors[:half]), list(part.selectors[half:])]
    return [_Part(tuple(group)) for group in groups if group]


def _split_metric(reading: _Reading, selector: Selector) -> list[_Part]:
    names = sorted(
        selector.get("variants") or list_variants(reading.api, reading.task_id, selector["metric"])
    )
    if len(names) <= 1:
        return [_Part((selector,), is_final=True)]
    size = min(_SAFE_SERIES, -(-len(names) // 2))
    chunks = [names[at : at + size] for at in range(0, len(names), size)]
    return [_Part(({**selector, "variants": chunk},)) for chunk in chunks]
