"""Every point of one task, or a plain word about what is missing.

The server's traps are handled here and nowhere else: pages that start over at iteration 0, at most
10,000 points of one iteration, events without an iteration, points that arrive in between. What
proves the result is one number: the distinct points read equal those that the server counts.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

import pyarrow as pa

from clearml_snapshot.exporter.api import Api
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.events import EventPage, decode_page
from clearml_snapshot.exporter.metrics import MetricChoice

PAGE: Final = 10_000
"""Events a page; the server answers more with an error."""
_READS: Final = 3
"""Times that a task is read before it counts as partial."""
_SPLITS: Final = 50
"""Parts that may turn out too large for the server before a reading is given up."""
_TASKS_A_CALL: Final = 500
_SAFE_SERIES: Final = PAGE - 1_000
"""Series asked for together after a split: no iteration of theirs can fill a page."""
_USUAL_TRIES: Final = 9
_TRIES_WHEN_HALVING: Final = 3

Selector = dict[str, Any]
"""One entry of the request's ``metrics``: a metric, and the variants unless all are meant."""


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
    """Events without a usable iteration."""


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


def metric_selectors(wanted: Iterable[MetricChoice]) -> tuple[Selector, ...]:
    """Make a request's ``metrics``: one entry a metric, since of two the server takes the last."""
    merged: dict[str, set[str] | None] = {}
    for choice in wanted:
        known = merged.get(choice.metric, set())
        whole = choice.variants is None or known is None
        merged[choice.metric] = None if whole else {*(known or ()), *(choice.variants or ())}
    return tuple(
        {"metric": metric} if names is None else {"metric": metric, "variants": sorted(names)}
        for metric, names in sorted(merged.items())
    )


def filter_text(wanted: Sequence[MetricChoice] | None) -> str | None:
    """Write a metric filter as it is stored in ``tasks.metric_filter``."""
    return None if wanted is None else json.dumps(metric_selectors(wanted), ensure_ascii=False)


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
        if result.reason is None or reading.tally.odd:
            break
    return result


def list_series(api: Api, task_ids: Sequence[str]) -> dict[str, set[str]]:
    """List the metrics and variants of some tasks; with very many the variants are cut.

    A task that was deleted meanwhile makes the server refuse its whole group, so the group is
    halved until only that task is left out.
    """
    series: dict[str, set[str]] = {}
    groups = [task_ids[at : at + _TASKS_A_CALL] for at in range(0, len(task_ids), _TASKS_A_CALL)]
    while groups:
        group = groups.pop()
        body = {"tasks": list(group), "event_type": "training_stats_scalar"}
        try:
            data = api.get("events.get_multi_task_metrics", **body)
        except RefusedError:
            if len(group) > 1:
                groups += [group[: len(group) // 2], group[len(group) // 2 :]]
            continue
        for entry in data["metrics"]:
            series.setdefault(entry["metric"], set()).update(entry.get("variants") or ())
    return series


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
    for page in _pages(reading, part):
        points = _distinct(page.points)
        tally.stored += points.num_rows
        tally.bad += page.bad
        tally.odd += page.dropped
        reading.sink.add(points)


def _pages(reading: _Reading, part: _Part) -> Iterator[EventPage]:
    """Scroll through a part in ascending order until all that the server counts has come.

    Raises:
        _TooLargeError: an iteration holds more than a page, or the server would start over.
    """
    scroll_id, last, seen = None, None, 0
    usual = size = PAGE
    total: int | None = None
    while total is None or seen < total:
        try:
            page = _ask(reading, part, scroll_id, size)
        except RefusedError as error:
            # Events without an iteration are sorted last, and a page that ends with one is a 500.
            if error.status != 500 or (total is None and size == 1):
                raise
            if size == 1:
                reading.tally.odd += (total or 0) - seen
                return
            usual = size = size // 2
            continue
        if total is None:
            total = page.total
            reading.tally.total += total or 0
        if page.returned == 0 or (last is not None and _starts_over(page, last, part)):
            return
        is_end = total is not None and seen + page.returned >= total
        if (
            not is_end
            and page.last == 0
            and page.returned - page.at_last > 0
            and page.at_last < PAGE
        ):
            # Following a page that ends at iteration 0 starts over: end this one just before it.
            size = page.returned - page.at_last
            continue
        if not is_end and (page.last == 0 or page.at_last >= PAGE) and not part.is_final:
            raise _TooLargeError(part)
        yield page
        seen += page.returned
        scroll_id, last, size = page.scroll_id, page.last, usual


def _starts_over(page: EventPage, last: int, part: _Part) -> bool:
    """Whether a page goes back behind the one before it, as a restarted scroll does."""
    if page.first is None or page.first > last:
        return False
    if not part.is_final:
        raise _TooLargeError(part)
    return True


def _ask(reading: _Reading, part: _Part, scroll_id: str | None, size: int) -> EventPage:
    body: dict[str, Any] = {
        "task": reading.task_id,
        "event_type": "training_stats_scalar",
        "batch_size": size,
        "count_total": True,
    }
    if part.selectors:
        body["metrics"] = list(part.selectors)
    if scroll_id is not None:
        body["scroll_id"] = scroll_id
    tries = _USUAL_TRIES if size == PAGE else _TRIES_WHEN_HALVING
    decode = partial(decode_page, reading.task_id)
    return reading.api.call("events.get_task_events", body, decode, tries)


def _distinct(points: pa.Table) -> pa.Table:
    """Keep each key once, its latest row; on a healthy server they are distinct already."""
    keys = ["metric", "variant", "iteration"]
    numbered = points.append_column("row", pa.array(range(points.num_rows), pa.int64()))
    kept = numbered.group_by(keys).aggregate([("row", "max")])["row_max"]
    return points if len(kept) == points.num_rows else points.take(kept)


def _verdict(reading: _Reading, *, was_split: bool) -> ScalarsRead:
    """Compare what came with what the server counts; asked anew where that may have changed."""
    tally = reading.tally
    expected = tally.total
    if was_split or tally.stored != expected:
        expected = _ask(reading, reading.whole, None, 1).total or 0
    missing = expected - tally.stored
    reason = None
    if tally.odd:
        reason = f"{tally.odd} of {expected} points have no usable iteration"
    elif missing > 0:
        reason = f"{missing} of {expected} points did not come"
    elif missing < 0:
        reason = f"{-missing} points more came than the server counts ({expected})"
    return ScalarsRead(expected, tally.stored, tally.bad, reason)


def _split(reading: _Reading, part: _Part) -> list[_Part]:
    """Make smaller parts: groups of metrics, and of one large metric groups of its variants."""
    if len(part.selectors) == 1:
        return _split_metric(reading, part.selectors[0])
    series = list_series(reading.api, [reading.task_id])
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
    return [_Part(tuple(group)) for group in groups if group]


def _split_metric(reading: _Reading, selector: Selector) -> list[_Part]:
    names = sorted(selector.get("variants") or _variants(reading, selector["metric"]))
    if len(names) <= _SAFE_SERIES:
        return [_Part((selector,), is_final=True)]
    chunks = [names[at : at + _SAFE_SERIES] for at in range(0, len(names), _SAFE_SERIES)]
    return [_Part(({"metric": selector["metric"], "variants": chunk},)) for chunk in chunks]


def _variants(reading: _Reading, metric: str) -> set[str]:
    """Name all variants of a metric: by wall time the server pages through any number of them."""
    names: set[str] = set()
    body: dict[str, Any] = {
        "task": reading.task_id,
        "metric": {"metric": metric},
        "key": "timestamp",
        "batch_size": PAGE,
    }
    while True:
        data = reading.api.get("events.scalar_metrics_iter_raw", **body)
        names.update(data.get("variants") or ())
        if data.get("returned", 0) < PAGE:
            return names
        body["scroll_id"] = data["scroll_id"]
