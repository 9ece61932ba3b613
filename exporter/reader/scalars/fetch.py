"""Every point of one task, or a plain word about what is missing.

What proves the result is one number: the distinct points read equal those that the server counts.
What could be read is kept where a part of a task cannot be read, and the reason says what is
missing. The traps on the way are in docs/clearml-server.md, "Reading one task completely".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

import pyarrow as pa

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.events import EventPage, distinct
from clearml_snapshot.exporter.reader.scalars.event_pages import (
    PAGE,
    Part,
    Place,
    TooLargeError,
    ask_page,
    next_page,
    one_at_a_time,
    read_pages,
)
from clearml_snapshot.exporter.reader.scalars.one_run import Opening, is_same_opening
from clearml_snapshot.exporter.reader.scalars.parts import Splitter, as_parts
from clearml_snapshot.exporter.reader.series import NO_SUCH_TASK
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, metric_selectors

_READS: Final = 3
"""Times that a task is read before it counts as partial."""
_SPLITS: Final = 50
"""Parts that may turn out too large for the server before they are read as far as they come."""
_MIXED: Final = (
    f"it was run again while it was read, {_READS} times in a row, and points of two runs are not "
    "stored together"
)
_ITERATIONS_NAMED: Final = 3
"""Iterations that a reason names."""


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
    received: int
    """Distinct points handed to the sink."""
    bad: int = 0
    """Of these, stored as something else than was sent."""
    reason: str | None = None
    """Why it is not whole; None when it is."""


@dataclass
class _Tally:
    """What one reading of a task has come to so far."""

    total: int = 0
    received: int = 0
    bad: int = 0
    odd: int = 0
    """Events that cannot be stored: no usable iteration, or the key of another one."""
    pages: int = 0
    opening: Opening = field(default_factory=dict)
    """The first points of the very first page, when more than one was asked for."""
    opened: Part | None = None
    """The part that they are of."""
    is_one_run: bool | None = True
    """Whether all that came is of one run of the task; None is not proven."""
    tail: str | None = None
    """Scroll id behind the last page, when it can be followed."""
    cut: set[int] = field(default_factory=set)
    """Iterations with more points than the server shows of what cannot be split."""
    refusal: RefusedError | None = None
    """Why a part could not be read to its end."""


@dataclass
class _Reading:
    """One task while it is read."""

    api: Client
    task_id: str
    sink: PointSink
    whole: list[Part]
    """All that is asked for."""
    splitter: Splitter
    was_run_again: Callable[[], bool] | None = None
    """Asks the server; None: nobody does."""
    tally: _Tally = field(default_factory=_Tally)


def fetch_scalars(
    api: Client,
    task_id: str,
    wanted: Sequence[MetricChoice] | None,
    sink: PointSink,
    was_run_again: Callable[[], bool] | None = None,
) -> ScalarsRead:
    """Read all points of a task into a sink; points of two runs of it are never taken together.

    Args:
        api: a server, logged in.
        task_id: the task.
        wanted: the metrics asked for; None is every metric, an empty one none.
        sink: takes the pages; its content is valid once this returns.
        was_run_again: asks whether the task was run again since it was asked last; called where
            the wall times of what came in several requests do not prove that it was not.

    Raises:
        RefusedError: the server refuses the task as a whole.
        ServerError: the server is gone.
    """
    if wanted is not None and not wanted:
        return ScalarsRead(0, 0)
    whole = as_parts(metric_selectors(wanted or ()))
    reading = _Reading(api, task_id, sink, whole, Splitter(api, task_id), was_run_again)
    parts = whole
    for attempt in range(_READS):
        if attempt:
            sink.discard()
        if attempt == _READS - 1 and reading.tally.is_one_run is not False:
            parts = [one for part in whole for one in reading.splitter.split(part)]
        parts = _read(reading, parts)
        result = _verdict(reading, parts)
        if _is_mixed(reading):
            parts, reading.splitter = whole, Splitter(api, task_id)  # it may have other series now
            continue
        if result.reason is None or _is_final(reading, result):
            return result
    if reading.tally.is_one_run is not False:
        return result
    sink.discard()
    return ScalarsRead(result.expected, 0, reason=_MIXED)


def pages_of(points: int | None) -> int:
    """Estimate the requests for a task's points: its pages, and a last count of several."""
    pages = max(1, -(-(points or 0) // PAGE))
    return pages + (pages > 1)


def count_scalars(api: Client, task_id: str, wanted: Sequence[MetricChoice] | None) -> int:
    """Ask how many points the server holds of a task; raises as ``fetch_scalars`` does."""
    if wanted is not None and not wanted:
        return 0
    parts = as_parts(metric_selectors(wanted or ()))
    return sum(ask_page(api, task_id, part, None, 0).total or 0 for part in parts)


def scan_series(api: Client, task_id: str) -> tuple[dict[str, set[str]], str | None]:
    """Name all series of a task by reading all its points, where the server cannot list them.

    Returns:
        The variants by metric, and why some may be missing: None when none is.

    Raises:
        RefusedError, ServerError: as ``fetch_scalars`` does.
    """
    names = _Names()
    read = fetch_scalars(api, task_id, None, names)
    return names.series, read.reason


class _Names:
    """Takes points for the names of their series."""

    def __init__(self) -> None:
        self.series: dict[str, set[str]] = {}

    def add(self, points: pa.Table) -> None:
        """Take the names on a page; they stay when the task is read again."""
        pairs = points.select(["metric", "variant"]).group_by(["metric", "variant"]).aggregate([])
        for row in pairs.to_pylist():
            self.series.setdefault(row["metric"], set()).add(row["variant"])

    def discard(self) -> None:
        """Keep the names: they are the task's."""


def _is_mixed(reading: _Reading) -> bool:
    """Tell whether points of two runs may have come; the server is asked where nothing proves it.

    A running task may have overwritten its first points, which is not another run.
    """
    tally = reading.tally
    if tally.is_one_run is not True and reading.was_run_again is not None:
        tally.is_one_run = not reading.was_run_again()
    return tally.is_one_run is False


def _is_final(reading: _Reading, result: ScalarsRead) -> bool:
    """Whether reading a task again would bring no more of it."""
    tally = reading.tally
    is_shown_in_part = bool(tally.cut or reading.splitter.cut or tally.refusal)
    return is_shown_in_part or result.expected - result.received == tally.odd > 0


def _read(reading: _Reading, parts: list[Part]) -> list[Part]:
    """Read all parts; when one is too large, start over with smaller ones; give those read."""
    for _ in range(_SPLITS):
        try:
            _read_parts(reading, parts)
        except TooLargeError as error:
            reading.sink.discard()
            at = parts.index(error.part)
            parts = [*parts[:at], *reading.splitter.split(error.part), *parts[at + 1 :]]
        else:
            return parts
    parts = [replace(part, is_final=True) for part in parts]
    _read_parts(reading, parts)
    return parts


def _read_parts(reading: _Reading, parts: Sequence[Part]) -> None:
    """Read each part as far as it comes.

    Raises:
        RefusedError: the task is gone, or nothing of it came.
    """
    tally = reading.tally = _Tally()
    for part in parts:
        try:
            _read_part(reading, part, is_only=len(parts) == 1)
        except RefusedError as error:
            if _is_gone(error):
                raise
            tally.refusal = tally.refusal or error
    if tally.refusal is not None and not tally.received:
        raise tally.refusal


def _read_part(reading: _Reading, part: Part, *, is_only: bool) -> None:
    tally = reading.tally
    tally.tail, place = None, Place()
    try:
        for page in read_pages(reading.api, reading.task_id, part, place):
            tally.pages += 1
            if tally.pages == 1 and not (is_only and page.returned == place.total):
                tally.opening, tally.opened = page.opening(), part
            _keep(reading, page)
    finally:
        tally.total += place.total or 0
        tally.odd += place.without_iteration
        tally.cut.update(place.cut)


def _keep(reading: _Reading, page: EventPage) -> None:
    """Hand the points of a page on, and count them."""
    tally = reading.tally
    with one_at_a_time:
        points = distinct(page.points)
    tally.received += points.num_rows
    tally.bad += page.bad
    tally.odd += page.returned - points.num_rows
    tally.tail = page.scroll_id if page.can_follow else None
    reading.sink.add(points)


def _verdict(reading: _Reading, parts: Sequence[Part]) -> ScalarsRead:
    """Compare what came with what the server counts; asked anew where that may have changed."""
    tally = reading.tally
    expected, was_split = tally.total, parts != reading.whole
    try:
        if len(parts) > 1 or tally.pages > 1 or tally.received + tally.odd != expected:
            expected = _count_again(reading)
            is_late = not was_split and expected > tally.received + tally.odd
            if is_late and _read_late(reading, expected):
                expected = _count_again(reading)
    except RefusedError as error:
        if _is_gone(error):
            raise
        tally.refusal = tally.refusal or error
        expected = max(expected, tally.received)
    return ScalarsRead(expected, tally.received, tally.bad, _reason(reading, expected))


def _reason(reading: _Reading, expected: int) -> str | None:
    tally = reading.tally
    missing = expected - tally.received
    if missing < 0:
        return f"{-missing} points more came than the server counts ({expected})"
    if missing and tally.odd:
        rest = f", {missing - tally.odd} more did not come" if missing > tally.odd else ""
        return f"{tally.odd} of {expected} points have no usable iteration of their own{rest}"
    if missing:
        return f"{missing} of {expected} points did not come{_why_missing(reading)}"
    if tally.refusal is not None:
        return f"its points could not be counted again: {tally.refusal}"
    return None


def _why_missing(reading: _Reading) -> str:
    if reading.tally.refusal is not None:
        return f": {reading.tally.refusal}"
    cut = sorted({*reading.tally.cut, *reading.splitter.cut})
    if not cut:
        return ""
    named = ", ".join(map(str, cut[:_ITERATIONS_NAMED]))
    more = f" and {len(cut) - _ITERATIONS_NAMED} more" if len(cut) > _ITERATIONS_NAMED else ""
    return (
        f": the server shows at most {PAGE:,} points of one iteration, it has more at iteration "
        f"{named}{more}, and it does not name the series of the others"
    )


def _is_gone(error: RefusedError) -> bool:
    return (error.status, error.subcode) == NO_SUCH_TASK


def _count_again(reading: _Reading) -> int:
    """Count the points once more, and see whether the first that came are still the same."""
    tally, ask = reading.tally, partial(ask_page, reading.api, reading.task_id)
    tally.is_one_run = None if tally.received else True
    at = reading.whole.index(tally.opened) if tally.opened in reading.whole else 0
    size = min(tally.received, 1)
    pages = [ask(part, None, size * (n == at)) for n, part in enumerate(reading.whole)]
    if tally.opened is not None:
        now = pages[at].opening()
        if tally.opened != reading.whole[at] and not tally.opening.keys() & now.keys():
            # Other series than those that were read first may begin earlier.
            now = ask(tally.opened, None, size).opening()
        tally.is_one_run = is_same_opening(tally.opening, now)
    return sum(page.total or 0 for page in pages)


def _read_late(reading: _Reading, expected: int) -> bool:
    """Read what was reported behind the last page meanwhile; False when nothing was."""
    place = Place(reading.tally.tail, seen=reading.tally.received, total=expected)
    if place.scroll_id is None or len(reading.whole) > 1:
        return False
    page = next_page(reading.api, reading.task_id, reading.whole[0], place)
    reading.tally.odd += place.without_iteration
    if page is None or page.returned == 0:
        return False
    _keep(reading, page)
    return True
