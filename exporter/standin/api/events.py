"""The handlers for events: pages, columns, metric lists, single values.

An answer that carries many events is returned as ready JSON text, an ``Encoded``.
"""

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import numpy as np

from clearml_snapshot.exporter.standin.api.histogram import averaged
from clearml_snapshot.exporter.standin.api.listing import MAX_PAGE_SIZE
from clearml_snapshot.exporter.standin.api.older import TimePages
from clearml_snapshot.exporter.standin.api.records import Answer, Records, Request
from clearml_snapshot.exporter.standin.data.points import (
    SCALAR,
    SINGLE_VALUE,
    Rows,
    Table,
    TaskEvents,
    as_long,
)
from clearml_snapshot.exporter.standin.errors import ApiError, fail, search_failed

# docs/clearml-server.md, "events.get_task_events": events of one search.
WINDOW = 10_000
# docs/clearml-server.md, "Other ways to read points".
MAX_RAW = 200_000
_METRIC_DATA_PAGE = 500
# docs/clearml-server.md, "Lists of metrics": variants in all.
_BUCKETS = 8_000
# indices.query.bool.max_clause_count: a metric is one clause, a metric with variants two.
_CLAUSES = 1_024
# Sorted columns are cached for this number of tasks.
_WARM_TASKS = 32
_SCROLL_KEY = "the key of scroll ids that the stand-in signs"
_TOO_LARGE = (
    "Result window is too large, from + size must be less than or equal to: [10000] but was [{}]. "
    "See the scroll api for a more efficient way to request large data sets. This limit can be "
    "set by changing the [index.max_result_window] index level setting."
)


@dataclass(frozen=True)
class Encoded:
    """The JSON text of ``data``, made by hand for speed."""

    text: str


class Events:
    """Answers everything about events."""

    def __init__(self, records: Records, *, by_time: bool = False) -> None:
        self.records = records
        self._by_time = TimePages(self._table) if by_time else None
        self._warm: OrderedDict[str, TaskEvents] = OrderedDict()
        self._scrolls: dict[str, tuple[list[str], int]] = {}

    def endpoints(self) -> dict[str, Callable[[Request], Answer | Encoded]]:
        """Return the handler of each endpoint."""
        return {
            "events.get_task_events": self.task_events,
            "events.scalar_metrics_iter_raw": self.raw,
            "events.scalar_metrics_iter_histogram": self.histogram,
            "events.get_scalar_metrics_and_variants": self.metrics_and_variants,
            "events.get_multi_task_metrics": self.multi_task_metrics,
            "events.get_task_metrics": self.task_metrics,
            "events.get_task_single_value_metrics": self.single_values,
            "events.get_scalar_metric_data": self.metric_data,
        }

    def task_events(self, request: Request) -> Encoded:
        """events.get_task_events: complete events, sorted by iteration.

        The stored request of a scroll id overrides what is sent with it, except for ``batch_size``
        and the task.
        """
        if self._by_time is not None:
            page = self._by_time.answer(request)
            return _page(page["events"], page["total"], page["scroll_id"])
        table = self._table(request["task"])
        scroll_request = {
            "batch_size": _given(request, "batch_size", 500),
            "count_total": _given(request, "count_total", True),
            "event_type": _given(request, "event_type", "*"),
            "metrics": request.get("metrics") or [],
            "model_events": _given(request, "model_events", False),
            "order": _given(request, "order", "asc"),
            "task": request["task"],
        }
        after, total = 0, None
        if request.get("scroll_id"):
            scroll = _read_scroll(request["scroll_id"])
            total = scroll.get("total")
            if scroll.get("from_key_value") is None:
                return _page([], total, request["scroll_id"])
            after = _cast(scroll["from_key_value"])
            scroll_request = {**scroll["request"], "batch_size": scroll_request["batch_size"]}
        if scroll_request["model_events"]:
            table = self._empty()
        metrics = _metrics(scroll_request["metrics"])
        if scroll_request["count_total"] and total is None:
            total = len(table.select(scroll_request["event_type"], metrics))
        rows = _iteration_page(
            table,
            scroll_request["event_type"],
            metrics,
            "iter",
            min(scroll_request["batch_size"], MAX_RAW),
            # 0 counts as "from the start", which can repeat for ever.
            after or None,
            descending=scroll_request["order"] == "desc",
        )
        last = str(table.raw_field(int(rows[-1]), "iter")) if len(rows) else None
        return _page(table.encode(rows), total, _write_scroll(last, scroll_request, total))

    def metric_data(self, request: Request) -> Encoded:
        """events.get_scalar_metric_data: one metric with a scroll of the search engine.

        It is sorted by iteration, the last first, with 500 events per page, and is not cut at any
        iteration; the total is not counted beyond 10,000. The state of a scroll is that of its
        first page.
        """
        if request.get("scroll_id"):
            left, total = self._scrolls.get(request["scroll_id"], ([], 0))
        else:
            table = self._table(request["task"])
            metrics = _metrics([{"metric": request["metric"]}])
            rows, _ = table.ordered(SCALAR, metrics, "iter", descending=True)
            left, total = table.encode(rows), min(len(rows), WINDOW)
        scroll_id = f"scroll {len(self._scrolls)}" if left else "FF"
        self._scrolls[scroll_id] = (left[_METRIC_DATA_PAGE:], total)
        return _page(left[:_METRIC_DATA_PAGE], total, scroll_id)

    def raw(self, request: Request) -> Answer:
        """events.scalar_metrics_iter_raw: one metric as columns."""
        key = _given(request, "key", "iter")
        name = "iter" if key == "iter" else "timestamp"
        size = request.get("batch_size")
        if size and size < 0:
            fail(400, 12, "batch_size should be non negative number")
        after: int | None = None
        total = None
        if request.get("scroll_id"):
            scroll = _read_scroll(request["scroll_id"])
            total = scroll.get("total")
            if scroll.get("from_key_value") is None:
                kept = {"returned": 0, "total": total, "scroll_id": request["scroll_id"]}
                return {**kept, "variants": {}}
            after = _cast(scroll["from_key_value"]) or None
            size = size or scroll["request"]["batch_size"]
        scroll_request = {
            "batch_size": size or WINDOW,
            "count_total": _given(request, "count_total", False),
            "key": key,
            "metric": {"variants": [], **request["metric"]},
            "model_events": _given(request, "model_events", False),
            "task": request["task"],
        }
        table = self._table(request["task"])
        metrics = _metrics([scroll_request["metric"]])
        if scroll_request["count_total"] and total is None:
            total = len(table.select(SCALAR, metrics))
        rows = _raw_rows(table, metrics, name, min(scroll_request["batch_size"], MAX_RAW), after)
        last = str(table.raw_field(rows[-1], name)) if rows else None
        return {
            "returned": len(rows),
            "total": total,
            "scroll_id": _write_scroll(last, scroll_request, total),
            "variants": _columns(table, rows, name, key),
        }

    def histogram(self, request: Request) -> Answer:
        """events.scalar_metrics_iter_histogram: averages in float32."""
        table = self._table(request["task"])
        samples = _given(request, "samples", 2000)
        metrics = _metrics(request.get("metrics") or [])
        return averaged(table, metrics, samples, _given(request, "key", "iter"))

    def metrics_and_variants(self, request: Request) -> Answer:
        """events.get_scalar_metrics_and_variants."""
        return {"metrics": _catalogue([self._table(request["task"])], SCALAR)}

    def multi_task_metrics(self, request: Request) -> Answer:
        """events.get_multi_task_metrics."""
        tables = [self._table(task) for task in self._several(request["tasks"])]
        metrics = _catalogue(tables, _given(request, "event_type", "*"))
        return {
            "metrics": [{"metric": name, "variants": metrics[name]} for name in sorted(metrics)]
        }

    def task_metrics(self, request: Request) -> Answer:
        """events.get_task_metrics: single values do not count."""
        self.records.existing(request["tasks"])
        metrics = []
        for task in request["tasks"]:
            table = self._table(task)
            rows = _regular(table, table.select(request["event_type"], None))
            names = {table.series[code].metric for code in np.unique(table.code[rows])}
            metrics.append({"task": task, "metrics": sorted(names)[:_BUCKETS]})
        return {"metrics": metrics}

    def single_values(self, request: Request) -> Answer:
        """events.get_task_single_value_metrics: 10,000 at most; tasks without any are left out."""
        metrics = _metrics(request.get("metrics") or [])
        answer, room = [], WINDOW
        for task in self._several(request["tasks"]):
            table = self._table(task)
            rows = table.select(SCALAR, metrics)
            rows = rows[(table.iterations[rows] == SINGLE_VALUE) & ~table.missing[rows]][:room]
            room -= len(rows)
            if len(rows):
                values = [_single(table, row) for row in rows.tolist()]
                name = self.records.database.tasks[task]["name"]
                answer.append({"task": task, "task_name": name, "values": values})
        return {"tasks": answer}

    def _several(self, tasks: Sequence[str]) -> list[str]:
        """Return the ids of existing tasks; beyond 500, the rest is reported as invalid."""
        ids = [str(document["id"]) for document in self.records.existing(list(tasks))]
        if len(ids) > MAX_PAGE_SIZE:
            fail(400, 101, company=self.records.database.company, ids=ids[MAX_PAGE_SIZE:])
        return ids

    def _table(self, task: str) -> Table:
        self.records.existing(task)
        events = self.records.database.events[task]
        self._warm[task] = events
        self._warm.move_to_end(task)
        if len(self._warm) > _WARM_TASKS:
            self._warm.popitem(last=False)[1].forget()
        return events.table()

    def _empty(self) -> Table:
        fail(400, 201, text="Invalid model id")


def _given(request: Request, name: str, default: Any) -> Any:
    value = request.get(name)
    return default if value is None else value


def _metrics(given: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]] | None:
    """Return the variants by metric; the last entry of a metric wins, as on the server."""
    if sum(2 if entry.get("variants") else 1 for entry in given) > _CLAUSES:
        search_failed(f"too_many_clauses: maxClauseCount is set to {_CLAUSES}")
    return {entry["metric"]: frozenset(entry.get("variants") or []) for entry in given} or None


def _iteration_page(
    table: Table,
    event_type: str,
    metrics: Mapping[str, Collection[str]] | None,
    key: str,
    size: int,
    after: int | None,
    *,
    descending: bool = False,
) -> Rows:
    """Return a page of rows, its last key completed, but never beyond 10,000 rows of that key."""
    if size > WINDOW:
        search_failed(_TOO_LARGE.format(size))
    if size < 0:
        search_failed(f"[size] parameter cannot be negative, found [{size}]")
    rows, keys = table.ordered(event_type, metrics, key, descending=descending)
    start = 0
    if after is not None:
        start = int(np.searchsorted(keys, ~after if descending else after, side="right"))
    hits = rows[start : start + size]
    if not len(hits):
        return hits
    last = int(hits[-1])
    try:
        value = table.raw_field(last, key)
    except KeyError as error:
        raise ApiError(500, 0, str(error)) from None
    if isinstance(value, float) and not value.is_integer():
        # A fraction never equals a stored long: nothing to complete.
        return hits
    sort_key = keys[start + len(hits) - 1]
    low, high = np.searchsorted(keys, sort_key, "left"), np.searchsorted(keys, sort_key, "right")
    same = rows[low:high]
    same = same[~table.missing[same]] if key == "iter" else same
    # Arbitrary on the real server; stored order here.
    rest = np.setdiff1d(same[:WINDOW], hits, assume_unique=True)
    return np.concatenate([hits, rest])


def _raw_rows(
    table: Table,
    metrics: Mapping[str, Collection[str]] | None,
    key: str,
    size: int,
    after: int | None,
) -> list[int]:
    rows_read: list[int] = []
    for _ in range(math.ceil(size / WINDOW)):
        rows = _iteration_page(table, SCALAR, metrics, key, min(size, WINDOW), after)
        if not len(rows):
            break
        rows_read.extend(rows.tolist())
        # Within a request even 0 is a position: only scroll ids lose it.
        after = as_long(table.raw_field(rows_read[-1], key))
    return rows_read


def _columns(table: Table, rows: Sequence[int], name: str, key: str) -> dict[str, Any]:
    variants: dict[str, Any] = {}
    try:
        for row in rows:
            columns = variants.setdefault(table.series[table.code[row]].variant, {"y": [], key: []})
            columns["y"].append(table.raw_field(row, "value"))
            columns[key].append(table.raw_field(row, name))
    except KeyError as error:
        raise ApiError(500, 0, str(error)) from None
    return variants


def _catalogue(tables: Sequence[Table], event_type: str) -> dict[str, list[str]]:
    """Return metric -> variants, cut to 8,000 / number of metrics as the server cuts them."""
    variants_of: dict[str, set[str]] = {}
    for table in tables:
        for code in np.unique(table.code[table.select(event_type, None)]):
            series = table.series[code]
            variants_of.setdefault(series.metric, set()).add(series.variant)
    if not variants_of:
        return {}
    room = _BUCKETS // len(variants_of)
    if not room:
        search_failed("[size] must be greater than 0. Found [0] in [variants]")
    return {name: sorted(variants_of[name])[:room] for name in sorted(variants_of)}


def _regular(table: Table, rows: Rows) -> Rows:
    return rows[(table.iterations[rows] > SINGLE_VALUE) & ~table.missing[rows]]


def _single(table: Table, row: int) -> dict[str, Any]:
    series = table.series[table.code[row]]
    values: dict[str, Any] = {"metric": series.metric, "variant": series.variant}
    for name in ("value", "timestamp"):
        try:
            values[name] = table.raw_field(row, name)
        except KeyError:
            values[name] = None
    return values


def _page(events: list[str], total: int | None, scroll_id: str) -> Encoded:
    head = {"returned": len(events), "total": total, "scroll_id": scroll_id}
    return Encoded(json.dumps(head)[:-1] + ',"events":[' + ",".join(events) + "]}")


def _read_scroll(scroll_id: str) -> dict[str, Any]:
    try:
        return dict(jwt.decode(scroll_id, _SCROLL_KEY, algorithms=["HS256"]))
    except jwt.PyJWTError:
        fail(400, 1104, scroll_id=scroll_id)


def _cast(value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise ApiError(500, 0, str(error)) from None


def _write_scroll(last: str | None, request: dict[str, Any], total: int | None) -> str:
    payload = {"from_key_value": last, "request": request, "total": total}
    kept = {key: value for key, value in payload.items() if value is not None}
    return jwt.encode(kept, _SCROLL_KEY, algorithm="HS256")
