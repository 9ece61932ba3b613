"""Reads every point of one task, or reports what is missing.

The result is proven by one number: the distinct points read equal those that the server counts.
If a part of a task cannot be read, the rest is kept, and the reason names what is missing. The
traps are listed in docs/clearml-server.md, "Reading one task completely".
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
    ScrollPosition,
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
"""Parts that may be too large for the server before they are read as far as possible."""
_MIXED: Final = (
    f"it was run again while it was read, {_READS} times in a row, and points of two runs are not "
    "stored together"
)
_ITERATIONS_NAMED: Final = 3
"""Iterations that a reason names."""


class PointSink(Protocol):
    """Receives points; ``PointBuffer`` of the store is one."""

    def add(self, points: pa.Table) -> None:
        """Receive the points of a page."""

    def discard(self) -> None:
        """Discard everything that was added: the task is read again."""


@dataclass(frozen=True)
class ScalarsRead:
    """The result of reading a task."""

    expected: int
    """Points that the server counts for the selected metrics."""
    received: int
    """Distinct points handed to the sink."""
    bad: int = 0
    """Of these, points that could not be stored exactly as sent."""
    reason: str | None = None
    """Why points are missing; None if the task is complete."""


@dataclass
class _Tally:
    """The state of one reading of a task."""

    total: int = 0
    received: int = 0
    bad: int = 0
    odd: int = 0
    """Events that cannot be stored: no usable iteration, or the key of another event."""
    pages: int = 0
    opening: Opening = field(default_factory=dict)
    """The first points of the first page, if more than one is needed."""
    opened: Part | None = None
    """The part that these belong to."""
    is_one_run: bool | None = True
    """Whether all received points are of one run of the task; None is not proven."""
    tail: str | None = None
    """Scroll id after the last page, if it can be followed."""
    cut: set[int] = field(default_factory=set)
    """Iterations with more points than the server returns, in parts that cannot be split."""
    refusal: RefusedError | None = None
    """Why a part could not be read to its end."""


@dataclass
class _Reading:
    """One task that is being read."""

    api: Client
    task_id: str
    sink: PointSink
    all_parts: list[Part]
    """The parts that cover everything selected."""
    splitter: Splitter
    was_run_again: Callable[[], bool] | None = None
    """Checks with the server; None if it must not."""
    tally: _Tally = field(default_factory=_Tally)


def fetch_scalars(
    api: Client,
    task_id: str,
    choices: Sequence[MetricChoice] | None,
    sink: PointSink,
    was_run_again: Callable[[], bool] | None = None,
) -> ScalarsRead:
    """Read all points of a task into a sink; points of two runs are never mixed.

    Args:
        api: a client that is logged in.
        task_id: the task.
        choices: the selected metrics; None selects every metric, an empty sequence none.
        sink: receives the pages; its content is valid when this function returns.
        was_run_again: checks whether the task was run again since the last call; used if the wall
            times of the points of several requests do not prove that it was not.

    Raises:
        RefusedError: the server refuses every request for the task.
        ServerError: the server does not answer.
    """
    if choices is not None and not choices:
        return ScalarsRead(0, 0)
    all_parts = as_parts(metric_selectors(choices or ()))
    reading = _Reading(api, task_id, sink, all_parts, Splitter(api, task_id), was_run_again)
    parts = all_parts
    for attempt in range(_READS):
        if attempt:
            sink.discard()
        if attempt == _READS - 1 and reading.tally.is_one_run is not False:
            parts = [
                smaller_part for part in all_parts for smaller_part in reading.splitter.split(part)
            ]
        parts = _read(reading, parts)
        result = _verdict(reading, parts)
        if _is_mixed(reading):
            parts, reading.splitter = (
                all_parts,
                Splitter(api, task_id),
            )  # its series may be different now
            continue
        if result.reason is None or _is_final(reading, result):
            return result
    if reading.tally.is_one_run is not False:
        return result
    sink.discard()
    return ScalarsRead(result.expected, 0, reason=_MIXED)


def pages_of(points: int | None) -> int:
    """Estimate the requests for a task's points: its pages, and a last count of several pages."""
    pages = max(1, -(-(points or 0) // PAGE))
    return pages + (pages > 1)


def count_scalars(api: Client, task_id: str, choices: Sequence[MetricChoice] | None) -> int:
    """Count the points of a task on the server; raises as ``fetch_scalars`` does."""
    if choices is not None and not choices:
        return 0
    parts = as_parts(metric_selectors(choices or ()))
    return sum(ask_page(api, task_id, part, None, 0).total or 0 for part in parts)


def scan_series(api: Client, task_id: str) -> tuple[dict[str, set[str]], str | None]:
    """Find all series of a task by reading all its points, if the server cannot list them.

    Returns:
        The variants by metric, and why some may be missing, or None.

    Raises:
        RefusedError, ServerError: as ``fetch_scalars`` does.
    """
    names = _Names()
    read = fetch_scalars(api, task_id, None, names)
    return names.series, read.reason


class _Names:
    """Collects the series of points."""

    def __init__(self) -> None:
        self.series: dict[str, set[str]] = {}

    def add(self, points: pa.Table) -> None:
        """Add the series of a page; they are kept when the task is read again."""
        pairs = points.select(["metric", "variant"]).group_by(["metric", "variant"]).aggregate([])
        for row in pairs.to_pylist():
            self.series.setdefault(row["metric"], set()).add(row["variant"])

    def discard(self) -> None:
        """Keep the names: they belong to the task."""


def _is_mixed(reading: _Reading) -> bool:
    """Return whether the points may be of two runs; without a proof the server is queried.

    A running task may have overwritten its first points, which is not another run.
    """
    tally = reading.tally
    if tally.is_one_run is not True and reading.was_run_again is not None:
        tally.is_one_run = not reading.was_run_again()
    return tally.is_one_run is False


def _is_final(reading: _Reading, result: ScalarsRead) -> bool:
    """Return whether reading a task again would not return more of it."""
    tally = reading.tally
    is_shown_in_part = bool(tally.cut or reading.splitter.cut or tally.refusal)
    return is_shown_in_part or result.expected - result.received == tally.odd > 0


def _read(reading: _Reading, parts: list[Part]) -> list[Part]:
    """Read all parts; if one is too large, start again with smaller ones; return those read."""
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
    """Read each part as far as possible.

    Raises:
        RefusedError: the task is gone, or none of it could be read.
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
    tally.tail, position = None, ScrollPosition()
    try:
        for page in read_pages(reading.api, reading.task_id, part, position):
            tally.pages += 1
            if tally.pages == 1 and not (is_only and page.returned == position.total):
                tally.opening, tally.opened = page.opening(), part
            _keep(reading, page)
    finally:
        tally.total += position.total or 0
        tally.odd += position.without_iteration
        tally.cut.update(position.cut)


def _keep(reading: _Reading, page: EventPage) -> None:
    """Pass the points of a page to the sink, and count them."""
    tally = reading.tally
    with one_at_a_time:
        points = distinct(page.points)
    tally.received += points.num_rows
    tally.bad += page.bad
    tally.odd += page.returned - points.num_rows
    tally.tail = page.scroll_id if page.can_follow else None
    reading.sink.add(points)


def _verdict(reading: _Reading, parts: Sequence[Part]) -> ScalarsRead:
    """Compare the received points with the server's count, which is repeated if it may be old."""
    tally = reading.tally
    expected, was_split = tally.total, parts != reading.all_parts
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
        return f"{-missing} points more were received than the server counts ({expected})"
    if missing and tally.odd:
        rest = f", {missing - tally.odd} more were not received" if missing > tally.odd else ""
        return f"{tally.odd} of {expected} points have no usable iteration of their own{rest}"
    if missing:
        return f"{missing} of {expected} points were not received{_why_missing(reading)}"
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
        f": the server returns at most {PAGE:,} points of one iteration, it has more at iteration "
        f"{named}{more}, and it does not list the series of the others"
    )


def _is_gone(error: RefusedError) -> bool:
    return (error.status, error.subcode) == NO_SUCH_TASK


def _count_again(reading: _Reading) -> int:
    """Count the points once more, and check whether the first ones are still the same."""
    tally, ask = reading.tally, partial(ask_page, reading.api, reading.task_id)
    tally.is_one_run = None if tally.received else True
    at = reading.all_parts.index(tally.opened) if tally.opened in reading.all_parts else 0
    size = min(tally.received, 1)
    pages = [ask(part, None, size * (n == at)) for n, part in enumerate(reading.all_parts)]
    if tally.opened is not None:
        now = pages[at].opening()
        if tally.opened != reading.all_parts[at] and not tally.opening.keys() & now.keys():
            # Series that were not read first may begin earlier.
            now = ask(tally.opened, None, size).opening()
        tally.is_one_run = is_same_opening(tally.opening, now)
    return sum(page.total or 0 for page in pages)


def _read_late(reading: _Reading, expected: int) -> bool:
    """Read points reported after the last page in the meantime; False if there are none."""
    position = ScrollPosition(reading.tally.tail, seen=reading.tally.received, total=expected)
    if position.scroll_id is None or len(reading.all_parts) > 1:
        return False
    page = next_page(reading.api, reading.task_id, reading.all_parts[0], position)
    reading.tally.odd += position.without_iteration
    if page is None or page.returned == 0:
        return False
    _keep(reading, page)
    return True
