"""Reads the points of a report's curves from DuckDB, some charts at a time, and encodes them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.report.encoding import Array, Curve, encode
from clearml_snapshot.queries.report.model import (
    FEWEST_PARTS,
    POINTS_THAT_FIT,
    Chart,
    ReportOptions,
)
from clearml_snapshot.queries.report.thinning import in_order, kept

PER_PART: Final = 4
"""Points that a part keeps of a curve of finite values: the first, last, lowest and highest."""

_AT_ONCE: Final = 500_000
"""Points that are in memory at once, unless one chart has more."""

_SERIES: Final = "report_series"


def chosen_parts(charts: Sequence[Chart], options: ReportOptions) -> int | None:
    """Choose how many parts of each curve are kept so that all curves fit.

    Returns:
        None if every point fits.
    """
    sizes = [
        series.row["n"] for chart in charts for series in chart.series if _is_curve(series.row)
    ]
    if options.parts is not None:
        return options.parts if max(sizes, default=0) > options.parts * PER_PART else None
    if sum(sizes) <= POINTS_THAT_FIT:
        return None
    low, high = FEWEST_PARTS, max(sizes)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(size, middle * PER_PART) for size in sizes) <= POINTS_THAT_FIT
        low, high = (middle, high) if fits else (low, middle - 1)
    return low if max(sizes) > low * PER_PART else None


def with_curves(
    dataset: Dataset,
    charts: Sequence[Chart],
    parameters: dict[str, Any],
    parts: int | None,
) -> list[Chart]:
    """Add its encoded curves to each chart.

    Args:
        dataset: the dataset, open for the tasks of the report.
        charts: the charts, in the order of their series in ``series.sql``.
        parameters: those of ``series.sql``.
        parts: equal parts of a curve that are kept; None keeps every point.
    """
    with dataset.opened_again() as (inner, _), translating_errors():
        inner.sql(read("report/series.sql"), parameters).create(_SERIES)
        done = []
        for batch in _batches(charts):
            curves = _curves(inner, batch, parts)
            done += [_encoded(chart, curves) for chart in batch]
        return done


def _is_curve(row: dict[str, Any]) -> bool:
    return row["curve"] is not None


def _batches(charts: Sequence[Chart]) -> Iterator[list[Chart]]:
    """Divide the charts into batches that fit into memory."""
    batch: list[Chart] = []
    size = 0
    for chart in charts:
        if batch and size + chart.n_points > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(chart)
        size += chart.n_points
    if batch:
        yield batch


def _curves(
    inner: Dataset, batch: Sequence[Chart], parts: int | None
) -> dict[int, tuple[Array, Array, Array]]:
    """Read the points of the curves of some charts, thinned, by the number of the curve."""
    numbers = [s.row["curve"] for chart in batch for s in chart.series if _is_curve(s.row)]
    if not numbers:
        return {}
    asked = {
        "low": min(numbers),
        "high": max(numbers),
        "metrics": sorted({chart.metric for chart in batch}),
    }
    columns = inner.sql(read("report/points.sql"), asked).fetchnumpy()
    curve, x = (np.ma.getdata(columns[name]) for name in ("curve", "x"))
    value, time = (_with_nan(columns[name]) for name in ("value", "time"))
    is_null = np.ma.getmaskarray(columns["value"])
    order = in_order(curve, x)
    if order is not None:
        curve, x, value, time, is_null = (
            column[order] for column in (curve, x, value, time, is_null)
        )
    if parts is not None:
        chosen = kept(curve, x, value, is_null, parts, most=parts * PER_PART)
        curve, x, value, time = (column[chosen] for column in (curve, x, value, time))
    return _by_curve(curve, x, value, time)


def _by_curve(
    curve: Array, x: Array, value: Array, time: Array
) -> dict[int, tuple[Array, Array, Array]]:
    starts = np.flatnonzero(np.diff(curve, prepend=-1))
    ends = [*starts[1:], len(curve)]
    return {
        int(curve[start]): (x[start:end], value[start:end], time[start:end])
        for start, end in zip(starts, ends, strict=True)
    }


def _with_nan(column: Any) -> Array:
    return np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)


def _encoded(chart: Chart, curves: dict[int, tuple[Array, Array, Array]]) -> Chart:
    included = [
        Curve(series.task, series.row["n"], *curves[series.row["curve"]])
        for series in chart.series
        if series.row["curve"] in curves
    ]
    if not included:
        return chart
    n_included = sum(len(curve.x) for curve in included)
    return replace(chart, block=encode(included), n_included=n_included)
