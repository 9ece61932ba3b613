"""Decides which part of each axis is shown, and says what lies outside."""

from collections.abc import Sequence
from math import isfinite, log10
from typing import Final

import numpy as np

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, harmless
from clearml_snapshot.queries.figures.model import Axis, Curve, Panel

_TITLES: Final = {
    "iteration": "iteration",
    "time": "time (UTC)",
    "relative": "seconds since the first point",
}
_MARGIN: Final = 0.04
"""Of the axis, beyond the outermost points."""
_OUTSIDE: Final = 0.5
"""Percent of the drawn points on each side that may be outliers."""
_FEWEST: Final = 50
"""Points below which none is an outlier."""
_FAR: Final = 3
"""Times the height of all other points: outliers that would be hard on these are left outside."""


def fitted(
    title: str,
    curves: Sequence[Curve],
    x: str | None,
    *,
    log_x: bool = False,
    log_y: bool = False,
    clips: bool = True,
) -> Panel:
    """Make a panel whose axes fit its curves.

    Args:
        title: its title.
        curves: the curves.
        x: iteration, time, relative, or the name of a metric.
        log_x: whether x is logarithmic; points at 0 and below are not shown.
        log_y: the same of values.
        clips: whether a few points far from all others are left outside.
    """
    points = [pair for curve in curves for pair in _pairs(curve)]
    edges = [pair for curve in curves for pair in _edges(curve)]
    xs = np.array([px for px, _ in (*points, *edges) if not log_x or px > 0])
    values = np.array([v for _, v in points if not log_y or v > 0])
    low, high = _range(values, log_y, clips)
    low, high = _with_bands(
        low, high, [v for _, v in edges if not log_y or v > 0], clips and not log_y
    )
    left, right = _ends(xs, log_x)
    y_axis = Axis("", *_padded(low, high, log_y), log_y)
    x_axis = Axis(_x_title(x), left, right, log_x, x == "time")
    above = int((values > y_axis.high).sum())
    below = int((values < y_axis.low).sum())
    return Panel(title, x_axis, y_axis, tuple(curves), above, below)


def _x_title(x: str | None) -> str:
    return _TITLES.get(x or "iteration") or harmless(x or "", LONGEST_TITLE)


def notes_on(panel: Panel) -> list[str]:
    """Say what of the points is not drawn where it belongs."""
    notes = []
    values = [v for curve in panel.curves for _, v in _pairs(curve)]
    if panel.n_above or panel.n_below:
        parts = []
        if panel.n_above:
            parts.append(f"above {panel.y.high:.4g} (up to {max(values):.4g})")
        if panel.n_below:
            parts.append(f"below {panel.y.low:.4g} (down to {min(values):.4g})")
        notes.append(
            f"{panel.title}: points {' and '.join(parts)} are marked at the edge; "
            f"{setting('clips', False)} shows them"
        )
    edges = [v for curve in panel.curves for _, v in _edges(curve)]
    if edges and not panel.y.is_log and (min(edges) < panel.y.low or max(edges) > panel.y.high):
        notes.append(
            f"{panel.title}: the band is cut at the edge, it reaches from {min(edges):.4g} to "
            f"{max(edges):.4g}; {setting('clips', False)} shows all of it"
        )
    lost = sum(len((curve.raw or curve.points).not_finite) > 0 for curve in panel.curves)
    if lost:
        them = "1 curve has" if lost == 1 else f"{lost} curves have"
        notes.append(f"{panel.title}: {them} NaN, infinite or missing values, marked × below")
    if panel.y.is_log and any(v <= 0 for v in values):
        notes.append(f"{panel.title}: values of 0 and below have no place on a logarithmic axis")
    if panel.x.is_log and any(x <= 0 for c in panel.curves for x in c.points.x):
        notes.append(f"{panel.title}: points at 0 and below have no place on a logarithmic axis")
    return notes


def _pairs(curve: Curve) -> list[tuple[float, float]]:
    return [*curve.points.finite, *(curve.raw.finite if curve.raw else ())]


def _edges(curve: Curve) -> list[tuple[float, float]]:
    return [
        pair
        for band in curve.bands
        for edge in (band.low, band.high)
        for pair in zip(band.x, edge, strict=True)
    ]


def _with_bands(
    low: float, high: float, edges: Sequence[float], clips: bool
) -> tuple[float, float]:
    """Make room for bands, unless they are so high that the lines would become flat."""
    if not edges:
        return low, high
    height = high - low
    beyond = height / 2 if clips and height > 0 else 0.0
    return (
        low - beyond if beyond and low - min(edges) > height else min(low, *edges),
        high + beyond if beyond and max(edges) - high > height else max(high, *edges),
    )


def _range(values: np.ndarray, is_log: bool, clips: bool) -> tuple[float, float]:
    """Return the lowest and the highest value, without outliers if they are to be clipped."""
    low, high = _ends(values, is_log)
    if not clips or is_log or len(values) < _FEWEST:
        return low, high
    usual_low, usual_high = np.percentile(
        values, [_OUTSIDE, 100 - _OUTSIDE], method="closest_observation"
    ).tolist()
    height = usual_high - usual_low
    if height <= 0 or not isfinite(height):
        return low, high
    return (
        usual_low if usual_low - low > _FAR * height else low,
        usual_high if high - usual_high > _FAR * height else high,
    )


def _ends(values: np.ndarray, is_log: bool) -> tuple[float, float]:
    if not len(values):
        return (1.0, 10.0) if is_log else (0.0, 1.0)
    return float(values.min()), float(values.max())


def _padded(low: float, high: float, is_log: bool) -> tuple[float, float]:
    if is_log:
        margin = (log10(high) - log10(low)) * _MARGIN or 0.1
        return low / 10**margin, high * 10**margin
    margin = (high / 2 - low / 2) * 2 * _MARGIN or abs(high) * _MARGIN or 0.5
    return (low - margin, high + margin) if isfinite(high + margin - low) else (low, high)
