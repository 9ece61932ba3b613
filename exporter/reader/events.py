"""Decodes one page of scalar events to Arrow columns, and counts odd events.

A typed decoder reads regular pages, several times as fast as ``json``. One odd value makes it fail
for the page, which is then read again event by event.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.client.answers import read_integer
from clearml_snapshot.exporter.client.failures import DamagedBodyError, MixedUpError, in_short
from clearml_snapshot.exporter.store.format.schema import SCALARS

SINGLE_VALUE_ITERATION: Final = -(2**31)
"""The iteration at which the server keeps single-value scalars (docs/clearml-server.md, "Points and
their keys")."""

SCALAR: Final = "training_stats_scalar"
"""The type of the events that are points."""

_KEYS: Final = ("metric", "variant", "iteration")
_MOST_KEYS: Final = 2**62
_EXACT_INTEGER: Final = 2**53
_INT64: Final = range(-(2**63), 2**63)
_FIRST_MS: Final = -62135596800000
"""0001-01-01, in milliseconds since 1970; earlier times have no date in most readers."""
_LAST_MS: Final = 253402300799999
"""The end of the year 9999."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_CODES: Final = pa.dictionary(pa.int32(), pa.string())
_PAGE_SCHEMA: Final = pa.schema(
    [pa.field(f.name, _CODES if f.type == pa.string() else f.type, f.nullable) for f in SCALARS]
)
"""SCALARS with dictionary-encoded texts: a page repeats few names ten thousand times."""


@dataclass(frozen=True)
class EventPage:
    """The points of one page, and what is needed to request the next one."""

    points: pa.Table
    """As SCALARS, texts dictionary-encoded."""
    returned: int
    """Received events, usable or not."""
    total: int | None
    """Points that the server has for the request, as counted at the first page."""
    scroll_id: str | None
    first: int | None
    """Iteration of the first event, as the server sorts it."""
    last: int | None
    """Iteration of the last event, as the server sorts it; None if it has none."""
    at_last: int
    """Events at that iteration."""
    can_follow: bool = True
    """Whether the scroll continues after this page; not after iteration 0 and fractions."""
    bad: int = 0
    """Points that are not stored as sent: not a number, a time out of range, rounded."""
    dropped: int = 0
    """Events that cannot be stored: no usable iteration, or no names."""

    def opening(self) -> dict[tuple[str, str], tuple[int | None, float | None]]:
        """Return wall time (ms) and value of each series at the first iteration of the page."""
        iterations = self.points["iteration"]
        is_first = (
            pc.is_null(iterations)
            if self.first == SINGLE_VALUE_ITERATION
            else pc.equal(iterations, pa.scalar(self.first, pa.int64()))
        )
        points = self.points.filter(is_first)
        names, times = points.select(["metric", "variant"]), points["timestamp"].cast(pa.int64())
        columns = [*names.columns, times, points["value"]]
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return {(metric, variant): (time, value) for metric, variant, time, value in rows}


_Task = TypeVar("_Task")
"""The type of a task id: any text, or one specific id."""


class _Event(msgspec.Struct, Generic[_Task], gc=False):
    metric: str
    variant: str
    iter: int
    value: float
    timestamp: int
    worker: str | None = None
    task: _Task | None = None
    type: Literal["training_stats_scalar"] | None = None


class _Data(msgspec.Struct, Generic[_Task]):
    events: list[_Event[_Task]]
    returned: int = 0
    total: int | None = None
    scroll_id: str | None = None


class _Envelope(msgspec.Struct, Generic[_Task]):
    data: _Data[_Task]


_LARGE: Final = 50_000
"""Bytes from which a specific decoder, which takes half a millisecond to create, is worthwhile: it
compares the task of each event without creating a text."""

_any_task: Final = msgspec.json.Decoder(_Envelope[str])


@lru_cache(maxsize=64)
def _decoder(task_id: str) -> "msgspec.json.Decoder[_Envelope[str]]":
    """Make a decoder that accepts events of one task only."""
    return msgspec.json.Decoder(_Envelope[Literal[task_id]])  # type: ignore[valid-type]  # made here


def decode_page(task_id: str, body: bytes) -> EventPage:
    """Decode an answer of ``events.get_task_events`` for scalars.

    Raises:
        DamagedBodyError: the body is not such an answer.
        MixedUpError: some events are of another task, or are not scalars.
    """
    data = decoded(task_id, body)
    columns = None if data is None else _columns(data.events)
    if data is None or columns is None:
        return _decode_oddly(task_id, body)
    return _page(task_id, columns, data.total, data.scroll_id, len(data.events))


def decoded(task_id: str, body: bytes) -> "_Data[str] | None":
    """Read a regular answer; None if any value in it needs a closer look."""
    decoder = _decoder(task_id) if len(body) > _LARGE else _any_task
    try:
        data = decoder.decode(body).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if decoder is _any_task and {event.task for event in data.events} - {task_id, None}:
        return None
    return data


def distinct(points: pa.Table) -> pa.Table:
    """Keep each key once, its latest row; on a healthy server they are distinct already."""
    if _are_distinct(points):
        return points
    numbered = points.append_column("row", pa.array(range(points.num_rows), pa.int64()))
    kept = numbered.group_by(list(_KEYS)).aggregate([("row", "max")])["row_max"]
    return points if len(kept) == points.num_rows else points.take(kept)


def _are_distinct(points: pa.Table) -> bool:
    """Number the keys of a page and count them, four times as fast as grouping by three columns.

    False can also mean that the iterations are too far apart to be numbered.
    """
    if not points.num_rows:
        return True
    columns: dict[str, Any] = {name: points[name].combine_chunks() for name in _KEYS}
    metric, variant, iteration = columns.values()
    low, high = (edge(iteration).as_py() or 0 for edge in (pc.min, pc.max))
    series = len(metric.dictionary) * len(variant.dictionary)
    if low == _INT64[0] or (high - low + 2) * series >= _MOST_KEYS:
        return False
    # A single value has no iteration; it is numbered as the one before the first.
    numbers = iteration.fill_null(low - 1).to_numpy() - (low - 1)
    codes = metric.indices.to_numpy() * len(variant.dictionary) + variant.indices.to_numpy()
    keys = numbers * series + codes
    return bool(pc.count_distinct(pa.array(keys)).as_py() == points.num_rows)


def _columns(events: list[_Event[str]]) -> dict[str, Any] | None:
    """Convert events to columns; None if one of them needs a closer look."""
    try:
        iterations = np.array([event.iter for event in events], np.int64)
        times = np.array([event.timestamp for event in events], np.int64)
        values = np.array([event.value for event in events], np.float64)
    except OverflowError:
        return None
    if events and not _is_regular(values, times):
        return None
    return {
        "metric": [event.metric for event in events],
        "variant": [event.variant for event in events],
        "iteration": iterations,
        "timestamp": times,
        "value": values,
        "worker": [event.worker for event in events],
    }


def _is_regular(values: Floats, times: Ints) -> bool:
    """Return whether nothing needs a closer look: rounding, infinities, years beyond 9999."""
    return bool(
        abs(values).max() < _EXACT_INTEGER and times.min() >= _FIRST_MS and times.max() <= _LAST_MS
    )


def _decode_oddly(task_id: str, body: bytes) -> EventPage:
    """Decode a page that the typed decoder refused, event by event."""
    try:
        data = json.loads(body, parse_int=read_integer)["data"]
        events = [dict(event) for event in data["events"]]
        total, scroll_id = data.get("total"), data.get("scroll_id")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedBodyError("something that is not a page of events") from None
    _refuse_others(task_id, events)
    columns: dict[str, list[Any]] = {name: [] for name in SCALARS.names if name != "task_id"}
    bad = dropped = 0
    for event in events:
        point = _point(event)
        if point is None:
            dropped += 1
            continue
        bad += point.pop("bad")
        for name, cell in point.items():
            columns[name].append(cell)
    page = _page(task_id, columns, total, scroll_id, len(events), bad, dropped)
    keys = [_sort_key(event.get("iter")) for event in events] or [None]
    ends_in = events[-1].get("iter") if events else None
    return replace(
        page,
        first=keys[0],
        last=keys[-1],
        at_last=keys.count(keys[-1]) if events else 0,
        can_follow=keys[-1] != 0 and isinstance(ends_in, int) and not isinstance(ends_in, bool),
    )


def _refuse_others(task_id: str, events: Iterable[Mapping[str, Any]]) -> None:
    """Check that events are of the requested task and type, as far as they name them.

    Raises:
        MixedUpError: an event is of another task or type.
    """
    for event in events:
        if event.get("task") not in (None, task_id):
            raise MixedUpError(
                f"with events of task {in_short(event['task'])} instead of {task_id}"
            )
        if event.get("type") not in (None, SCALAR):
            raise MixedUpError(f"with events of type {in_short(event['type'])} instead of {SCALAR}")


def _point(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make one row, with ``bad`` as 0 or 1; None if it has no usable key."""
    metric, variant = event.get("metric"), event.get("variant")
    iteration = _iteration(event.get("iter"))
    if not isinstance(metric, str) or not isinstance(variant, str) or iteration is None:
        return None
    value, value_is_bad = _value(event.get("value"))
    moment, moment_is_bad = _moment(event.get("timestamp"))
    worker = event.get("worker")
    return {
        "metric": clean_text(metric),
        "variant": clean_text(variant),
        "iteration": iteration,
        "timestamp": moment,
        "value": value,
        "worker": clean_text(worker) if isinstance(worker, str) else None,
        "bad": int(value_is_bad or moment_is_bad),
    }


def _sort_key(raw: object) -> int | None:
    """Cut an iteration to the integer by which the server sorts it."""
    usable = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    return int(raw) if usable and isinstance(raw, int | float) else None


def _iteration(raw: object) -> int | None:
    """Read an iteration: an integer within int64."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw in _INT64 else None


def _value(raw: object) -> tuple[float | None, bool]:
    """Read a value, and whether the double differs from what was sent."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None, True
    if isinstance(raw, float):
        # json returns inf for both 1e400 and Infinity; the server refuses the second.
        return raw, math.isinf(raw)
    try:
        return float(raw), int(float(raw)) != raw
    except OverflowError:
        return (math.inf if raw > 0 else -math.inf), True


def _moment(raw: object) -> tuple[int | None, bool]:
    """Read milliseconds since 1970, within the years 1 to 9999; a missing time is not an error."""
    if raw is None:
        return None, False
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None, True
    return (int(raw), False) if _FIRST_MS <= raw <= _LAST_MS else (None, True)


def _page(
    task_id: str,
    columns: Mapping[str, Any],
    total: object,
    scroll_id: object,
    returned: int,
    bad: int = 0,
    dropped: int = 0,
) -> EventPage:
    iterations = np.asarray(columns["iteration"], np.int64)
    ends = (int(iterations[0]), int(iterations[-1])) if len(iterations) else (None, None)
    return EventPage(
        points=_table(task_id, columns, iterations),
        returned=returned,
        total=total if isinstance(total, int) else None,
        scroll_id=scroll_id if isinstance(scroll_id, str) else None,
        first=ends[0],
        last=ends[1],
        at_last=int((iterations == ends[1]).sum()) if len(iterations) else 0,
        can_follow=bool(ends[1]),
        bad=bad,
        dropped=dropped,
    )


def _table(task_id: str, columns: Mapping[str, Any], iterations: Ints) -> pa.Table:
    times = pa.array(columns["timestamp"], pa.int64())
    arrays = {
        "task_id": pa.DictionaryArray.from_arrays(np.zeros(len(iterations), np.int32), [task_id]),
        "metric": _coded(columns["metric"]),
        "variant": _coded(columns["variant"]),
        "iteration": pa.array(iterations, mask=iterations == SINGLE_VALUE_ITERATION),
        "timestamp": times.cast(_PAGE_SCHEMA.field("timestamp").type),
        "value": pa.array(columns["value"], pa.float64()),
        "worker": _coded(columns["worker"]),
    }
    return pa.table([arrays[name] for name in _PAGE_SCHEMA.names], schema=_PAGE_SCHEMA)


def _coded(texts: list[str | None]) -> "pa.DictionaryArray[Any, Any]":
    if texts and texts[0] is not None and texts.count(texts[0]) == len(texts):
        # A task usually has one worker, and often one metric.
        return pa.DictionaryArray.from_arrays(np.zeros(len(texts), np.int32), [texts[0]])
    return cast("pa.DictionaryArray[Any, Any]", pa.array(texts, _CODES))


def clean_text(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 file can hold, by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
