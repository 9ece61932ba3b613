"""Computes the answer of ``scalar_metrics_iter_histogram``: averages of float32 values."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from clearml_snapshot.exporter.standin.data.points import SCALAR, SINGLE_VALUE, Ints, Rows, Table
from clearml_snapshot.exporter.standin.errors import search_failed

_BUCKETS = 8_000
_MAX_SERIES = 50
_MAX_SAMPLES = 6_000


@dataclass
class _Curve:
    metric: str
    variant: str
    rows: Rows
    keys: Ints
    interval: int
    size: int


def averaged(
    table: Table, metrics: Mapping[str, Collection[str]] | None, samples: int, key: str
) -> dict[str, Any]:
    """Return {metric: {variant: {name, x, y}}} of at most ``samples`` averages per series."""
    answer: dict[str, Any] = {}
    curves = _curves(table, metrics, samples, key)
    for interval, group in _groups(curves):
        for curve in group:
            x, y = _averages(table, curve, interval)
            entry = {"name": curve.variant, "x": [_shown(value, key) for value in x], "y": y}
            answer.setdefault(curve.metric, {})[curve.variant] = entry
    return answer


def _curves(
    table: Table, metrics: Mapping[str, Collection[str]] | None, samples: int, key: str
) -> list[_Curve]:
    rows = table.select(SCALAR, metrics)
    rows = rows[(table.iterations[rows] > SINGLE_VALUE) & ~table.missing[rows]]
    by_series: dict[str, dict[str, Rows]] = {}
    for code in np.unique(table.code[rows]):
        series = table.series[code]
        by_series.setdefault(series.metric, {})[series.variant] = rows[table.code[rows] == code]
    if not by_series:
        return []
    room = _BUCKETS // len(by_series) // 2
    if not room:
        search_failed("[size] must be greater than 0. Found [0] in [variants]")
    column = table.iterations if key == "iter" else table.timestamps
    return [
        _curve(metric, variant, by_series[metric][variant], column, samples)
        for metric in sorted(by_series)
        for variant in sorted(by_series[metric])[:room]
    ]


def _curve(metric: str, variant: str, rows: Rows, column: Ints, samples: int) -> _Curve:
    keys = column[rows]
    if len(rows) < samples:
        return _Curve(metric, variant, rows, keys, 1, len(rows))
    span = int(keys.max()) - int(keys.min()) + 1
    interval = max(1, math.ceil(span / samples))
    return _Curve(metric, variant, rows, keys, interval, math.ceil(span / interval))


def _groups(curves: list[_Curve]) -> list[tuple[int, list[_Curve]]]:
    """Group series with nearly equal intervals: all of a group get its largest interval."""
    groups: list[tuple[int, list[_Curve]]] = []
    bound = samples = 0
    for curve in sorted(curves, key=lambda curve: curve.interval):
        full = not groups or len(groups[-1][1]) >= _MAX_SERIES
        if full or curve.interval > bound or samples + curve.size > _MAX_SAMPLES:
            groups.append((curve.interval, []))
            bound = curve.interval + int(curve.interval * 0.1)
            samples = 0
        largest, members = groups[-1]
        members.append(curve)
        samples += curve.size
        groups[-1] = (max(largest, curve.interval), members)
    return groups


def _averages(table: Table, curve: _Curve, interval: int) -> tuple[list[int], list[float | None]]:
    buckets, index = np.unique(curve.keys // interval * interval, return_inverse=True)
    values = table.values[curve.rows].astype(np.float32).astype(np.float64)
    is_finite = np.isfinite(values)
    sums = np.bincount(index[is_finite], values[is_finite], len(buckets))
    counts = np.bincount(index[is_finite], minlength=len(buckets))
    pairs = zip(sums.tolist(), counts.tolist(), strict=True)
    return buckets.tolist(), [total / count if count else None for total, count in pairs]


def _shown(value: int, key: str) -> int | str:
    if key != "iso_time":
        return value
    moment = datetime.fromtimestamp(value / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
