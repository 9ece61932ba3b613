"""Writes the curves of a chart as bytes that a browser decodes with typed arrays.

A block is gzip of: six numbers of 32 bits (curves, points, bytes of an x, bytes of a value, the
unit of times in ms, 0), four arrays of 32 bits with one number per curve (its task, the points
included, the points stored, 1 if it has times), two of doubles (the first x, the first time in ms),
then the steps of x, the steps of the times and the values. These are in planes, all first bytes,
then all second bytes and so on, which makes gzip a third smaller. Everything is little-endian.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

_LARGEST_STEP: Final = 2**31 - 1
_LONG: Final = 600_000
"""A run of more than so many ms has times in seconds: nobody sees less on its axis."""
_UNSEEN: Final = 1e-5
"""A change of values by this share of a chart's range is invisible, and so is the rounding."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one series that are included."""

    task: int
    n_stored: int
    x: Array
    """Iterations, as 64-bit integers in ascending order."""
    value: Array
    """Doubles; NULL is NaN."""
    time: Array
    """ms since 1970; NULL is NaN."""


def encode(curves: Sequence[Curve]) -> bytes:
    """Write the curves of a chart."""
    has_times = [bool(len(curve.x)) and not np.isnan(curve.time).any() for curve in curves]
    spans = [
        curve.time.max() - curve.time.min()
        for curve, has in zip(curves, has_times, strict=True)
        if has
    ]
    unit = _unit(max(spans, default=0.0))
    x_steps = np.concatenate([_steps(curve.x) for curve in curves])
    time_steps = np.concatenate(
        [
            _steps(np.round((curve.time - curve.time[0]) / unit).astype(np.int64))
            if has
            else np.zeros(len(curve.x), np.int64)
            for curve, has in zip(curves, has_times, strict=True)
        ]
    )
    is_wide = len(x_steps) > 0 and int(x_steps.max()) > _LARGEST_STEP
    values = _narrowed(np.concatenate([curve.value for curve in curves]))
    x_width = 8 if is_wide else 4
    head = [len(curves), len(values), x_width, values.itemsize, unit, 0]
    counts = [
        [curve.task for curve in curves],
        [len(curve.x) for curve in curves],
        [curve.n_stored for curve in curves],
        has_times,
    ]
    firsts = [
        [float(curve.x[0]) if len(curve.x) else 0.0 for curve in curves],
        [curve.time[0] if has else 0.0 for curve, has in zip(curves, has_times, strict=True)],
    ]
    parts = [
        np.array(head, "<u4").tobytes(),
        *(np.array(column, "<u4").tobytes() for column in counts),
        *(np.array(column, "<f8").tobytes() for column in firsts),
        _planes(x_steps.astype("<f8" if is_wide else "<u4")),
        _planes(time_steps.astype("<i4")),
        _planes(values),
    ]
    return _gzip(b"".join(parts))


def _unit(span: float) -> int:
    """Choose the unit of times, in ms, in which every step fits 32 bits."""
    unit = 1000 if span > _LONG else 1
    while span / unit > _LARGEST_STEP:
        unit *= 10
    return unit


def _steps(numbers: Array) -> Array:
    return np.diff(numbers, prepend=numbers[:1])


def _narrowed(values: Array) -> Array:
    """Round values to 32 bits if nobody can see that: they are drawn, and read in 5 digits."""
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype("<f4")
        rounded = finite.astype("<f4").astype("<f8")
    if len(finite):
        spread = float(finite.max() / 2 - finite.min() / 2) * 2
        is_seen = np.abs(rounded - finite) > max(0.0, spread) * _UNSEEN
        is_lost = (rounded == 0) != (finite == 0)
        if (
            not np.isfinite(rounded).all()
            or bool(is_lost.any())
            or (spread > 0 and bool(is_seen.any()))
        ):
            return values.astype("<f8")
    return narrow


def _planes(numbers: Array) -> bytes:
    raw = np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), numbers.itemsize)
    return np.ascontiguousarray(raw.T).tobytes()


def _gzip(raw: bytes) -> bytes:
    """Compress without a time, so that the same curves give the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(raw) + packer.flush()
