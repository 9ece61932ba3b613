"""Stores a task's events: with the server's keys, sorted on request, encoded when sent.

Points of complete series are stored as columns (a few bytes per point); single events, especially
odd ones, are stored as dictionaries with, where it matters, their exact bytes. A task has either
columns or dictionaries: it changes to dictionaries as soon as keys could collide.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

SCALAR = "training_stats_scalar"
SINGLE_VALUE = -(2**31)
_LONG = np.iinfo(np.int64)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Metrics = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Event:
    """One stored event; ``raw`` is its exact JSON text if that differs from the dict."""

    body: Mapping[str, Any]
    raw: str | None = None

    @property
    def key(self) -> str:
        """Its id is a hash of this: a later event with the same key replaces it."""
        names = ("task", "iter", "metric", "variant", "key")
        return "-".join(str(self.body[name]) for name in names if name in self.body)

    def text(self) -> str:
        """Return the JSON that is sent."""
        return json.dumps(self.body, separators=(",", ":")) if self.raw is None else self.raw


@dataclass(frozen=True)
class Block:
    """One series as columns of equal length; iterations do not repeat."""

    metric: str
    variant: str
    iterations: Ints
    values: Floats
    timestamps: Ints
    worker: str
    written: str


@dataclass(frozen=True)
class Series:
    """What Elasticsearch would index of an event besides its numbers."""

    type: str
    metric: str
    variant: str


@dataclass
class Table:
    """The events of one task as columns, in the order in which they were stored."""

    series: list[Series]
    code: npt.NDArray[np.int32]
    iterations: Ints
    missing: npt.NDArray[np.bool_]
    timestamps: Ints
    values: Floats
    encode: Callable[[Rows], list[str]]
    raw_field: Callable[[int, str], Any]
    _orders: dict[tuple[Any, ...], tuple[Rows, Ints]] = field(default_factory=dict)

    def select(self, event_type: str, metrics: Metrics | None) -> Rows:
        """Return the rows of one event type ("*" for all) and, if given, of these metrics."""
        return self.ordered(event_type, metrics, "stored", descending=False)[0]

    def ordered(
        self, event_type: str, metrics: Metrics | None, key: str, *, descending: bool
    ) -> tuple[Rows, Ints]:
        """Return (rows, sort keys) by ``iter`` or ``timestamp``; missing keys come last."""
        selected = None if metrics is None else tuple((m, tuple(v)) for m, v in metrics.items())
        name = (event_type, selected, key, descending)
        if name not in self._orders:
            self._orders[name] = self._order(event_type, metrics, key, descending)
        return self._orders[name]

    def _order(
        self, event_type: str, metrics: Metrics | None, key: str, descending: bool
    ) -> tuple[Rows, Ints]:
        rows = self._matching(event_type, metrics)
        if key == "stored":
            return rows, np.empty(0, np.int64)
        keys = self.timestamps if key == "timestamp" else self._iteration_keys(descending)
        keys = keys[rows]
        if descending:
            keys = ~keys
        order = np.argsort(keys, kind="stable")
        return rows[order], keys[order]

    def _iteration_keys(self, descending: bool) -> Ints:
        if not self.missing.any():
            return self.iterations
        last = _LONG.min if descending else _LONG.max
        return np.where(self.missing, np.int64(last), self.iterations)

    def _matching(self, event_type: str, metrics: Metrics | None) -> Rows:
        matching = [
            index
            for index, series in enumerate(self.series)
            if (event_type in ("*", series.type)) and _wants(metrics, series)
        ]
        if len(matching) == len(self.series):
            return np.arange(len(self.code))
        return np.flatnonzero(np.isin(self.code, matching))


class TaskEvents:
    """All events of one task: columns for complete series, dictionaries for the rest."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.blocks: list[Block] = []
        self.events: dict[str, Event] = {}
        # "metric-variant", joined as in the keys, of what is stored in either form.
        self._in_blocks: set[str] = set()
        self._in_events: set[str] = set()
        self._table: Table | None = None

    def __len__(self) -> int:
        return len(self.events) + sum(len(block.iterations) for block in self.blocks)

    def put(self, events: Iterable[Event]) -> None:
        """Store events one by one; the same key overwrites (and moves to the end)."""
        for event in events:
            joined = f"{event.body.get('metric', '')}-{event.body.get('variant', '')}"
            if joined in self._in_blocks or not isinstance(event.body.get("iter"), int):
                self._thaw()
            self._in_events.add(joined)
            self.events.pop(event.key, None)
            self.events[event.key] = event
        self._table = None

    def put_block(self, block: Block) -> None:
        """Store a complete series; falls back to single events if keys could collide."""
        joined = f"{block.metric}-{block.variant}"
        if joined in self._in_events or joined in self._in_blocks:
            self.put(_events_of(self.task, block))
            return
        self._in_blocks.add(joined)
        self.blocks.append(block)
        self._table = None

    def keep_only(self, keep: Callable[[str, str, Any], bool]) -> None:
        """Drop every event for whose (metric, variant, iteration) ``keep`` returns False."""
        self._thaw()
        self.events = {
            key: event
            for key, event in self.events.items()
            if keep(
                event.body.get("metric", ""), event.body.get("variant", ""), event.body.get("iter")
            )
        }
        self._table = None

    def table(self) -> Table:
        """Return the columns; they are kept until the next change or ``forget``."""
        if self._table is None:
            table = _of_events(list(self.events.values()))
            self._table = _one_after_other(self._of_blocks(), table) if self.blocks else table
        return self._table

    def forget(self) -> None:
        """Free what ``table`` keeps."""
        self._table = None

    def _thaw(self) -> None:
        earlier = {
            event.key: event for block in self.blocks for event in _events_of(self.task, block)
        }
        self.events = {**earlier, **self.events}
        self._in_events |= self._in_blocks
        self._in_blocks.clear()
        self.blocks.clear()

    def _of_blocks(self) -> Table:
        blocks = list(self.blocks)
        lengths = [len(block.iterations) for block in blocks]
        code = np.repeat(np.arange(len(blocks), dtype=np.int32), lengths)
        iterations = _joined([block.iterations for block in blocks], np.int64)
        timestamps = _joined([block.timestamps for block in blocks], np.int64)
        values = _joined([block.values for block in blocks], np.float64)
        columns = {"iter": iterations, "timestamp": timestamps, "value": values}

        def raw_field(row: int, name: str) -> Any:
            if name in columns:
                return columns[name][row].item()
            return getattr(blocks[code[row]], name)

        heads = [_head(self.task, block) for block in blocks]
        tails = [_tail(block) for block in blocks]
        return Table(
            series=[Series(SCALAR, block.metric, block.variant) for block in blocks],
            code=code,
            iterations=iterations,
            missing=np.zeros(len(code), np.bool_),
            timestamps=timestamps,
            values=values,
            encode=partial(_encode_blocks, heads, tails, code, iterations, values, timestamps),
            raw_field=raw_field,
        )


def _one_after_other(first: Table, second: Table) -> Table:
    border = len(first.code)
    if not len(second.code):
        return first

    def encode(rows: Rows) -> list[str]:
        late = rows >= border
        early_texts = iter(first.encode(rows[~late]))
        late_texts = iter(second.encode(rows[late] - border))
        return [next(late_texts if is_late else early_texts) for is_late in late.tolist()]

    def raw_field(row: int, name: str) -> Any:
        if row < border:
            return first.raw_field(row, name)
        return second.raw_field(row - border, name)

    return Table(
        series=first.series + second.series,
        code=np.concatenate([first.code, second.code + np.int32(len(first.series))]),
        iterations=np.concatenate([first.iterations, second.iterations]),
        missing=np.concatenate([first.missing, second.missing]),
        timestamps=np.concatenate([first.timestamps, second.timestamps]),
        values=np.concatenate([first.values, second.values]),
        encode=encode,
        raw_field=raw_field,
    )


def _wants(metrics: Metrics | None, series: Series) -> bool:
    if metrics is None:
        return True
    variants = metrics.get(series.metric)
    return variants is not None and (not variants or series.variant in variants)


def _joined(parts: list[Any], dtype: Any) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _head(task: str, block: Block) -> str:
    names = {"type": SCALAR, "task": task, "metric": block.metric, "variant": block.variant}
    return json.dumps(names, separators=(",", ":"))[:-1] + ',"iter":'


def _tail(block: Block) -> str:
    rest = {"worker": block.worker, "model_event": False, "@timestamp": block.written}
    return "," + json.dumps(rest, separators=(",", ":"))[1:]


def _encode_blocks(
    heads: list[str],
    tails: list[str],
    code: npt.NDArray[np.int32],
    iterations: Ints,
    values: Floats,
    timestamps: Ints,
    rows: Rows,
) -> list[str]:
    columns = (code[rows], iterations[rows], values[rows], timestamps[rows])
    return [
        f'{heads[c]}{i},"value":{v!r},"timestamp":{t}{tails[c]}'
        for c, i, v, t in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _events_of(task: str, block: Block) -> Iterable[Event]:
    columns = (block.iterations, block.values, block.timestamps)
    for iteration, value, timestamp in zip(*(c.tolist() for c in columns), strict=True):
        body = {
            "type": SCALAR,
            "task": task,
            "metric": block.metric,
            "variant": block.variant,
            "iter": iteration,
            "value": value,
            "timestamp": timestamp,
            "worker": block.worker,
            "model_event": False,
            "@timestamp": block.written,
        }
        yield Event(body)


def _of_events(events: list[Event]) -> Table:
    codes: dict[Series, int] = {}
    code = np.empty(len(events), np.int32)
    iterations = np.zeros(len(events), np.int64)
    missing = np.zeros(len(events), np.bool_)
    timestamps = np.zeros(len(events), np.int64)
    values = np.full(len(events), np.nan)
    for row, event in enumerate(events):
        body = event.body
        series = Series(body.get("type", SCALAR), body.get("metric", ""), body.get("variant", ""))
        code[row] = codes.setdefault(series, len(codes))
        iteration = as_long(body.get("iter"))
        missing[row] = iteration is None
        iterations[row] = iteration or 0
        timestamps[row] = as_long(body.get("timestamp")) or 0
        value = body.get("value")
        if isinstance(value, int | float):
            values[row] = _as_double(value)
    return Table(
        series=list(codes),
        code=code,
        iterations=iterations,
        missing=missing,
        timestamps=timestamps,
        values=values,
        encode=lambda rows: [events[row].text() for row in rows.tolist()],
        raw_field=lambda row, name: events[row].body[name],
    )


def as_long(value: object) -> int | None:
    """Return the 64-bit integer that an index of type long stores for a value, if any."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if not isinstance(value, int | float) or not _LONG.min <= value <= _LONG.max:
        return None
    return int(value)


def _as_double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
