"""Summarises the points of a snapshot while its files are read, in memory for one row group.

Files are sorted, so a series is a few runs of points with increasing iterations. Each run becomes
one row: its extremes, its first and last point, its mean and deviation. Series are computed again
from these rows (``computed.sql``), and points can only be stored twice where the iterations of two
runs of a series overlap (``overlapping.sql``).
"""

import tempfile
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.format.layout import NO_PROJECT
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import ReadColumn

_Numbers = npt.NDArray[Any]

_KEY: Final = ("task_id", "metric", "variant")
_TEXTS: Final = (*_KEY, "worker")
_FIRST_TIME: Final = -62_135_596_800_000
_LAST_TIME: Final = 253_402_300_799_999
"""Milliseconds of the first and the last moment of the years 1 to 9999."""
_TAMEST, _WILDEST = 1e-100, 1e100
"""Magnitudes whose squares and sums are doubles."""


class PointsOfFile:
    """Writes one row per run of points of a file; a context manager.

    Args:
        path: the file of ``scalars``.
        target: a new file for the runs.

    Attributes:
        bad_times: points whose time is not in the years 1 to 9999.
    """

    def __init__(self, path: Path, target: Path) -> None:
        project = unquote(path.parent.name.removeprefix("project_id="))
        self._project = None if project == NO_PROJECT else project
        self._writer = pq.ParquetWriter(target, RUNS, compression="snappy", write_statistics=False)
        self.bad_times = 0

    def add(self, column: ReadColumn) -> None:
        """Summarise one row group.

        Raises:
            pa.ArrowInvalid: a text is not UTF-8.
            SnapshotError: the disk of temporary files is full.
        """
        for name in _TEXTS:
            _array(column(name)).validate(full=True)
        times = _array(column("timestamp")).cast(pa.int64()).drop_null().to_numpy()
        if len(times) and not _FIRST_TIME <= times.min() <= times.max() <= _LAST_TIME:
            self.bad_times += int(((times < _FIRST_TIME) | (times > _LAST_TIME)).sum())
        summary = runs(column, self._project)
        try:
            self._writer.write_table(summary)
        except OSError as error:
            raise no_room() from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._writer.close()
        except OSError as error:
            raise no_room() from error


def no_room() -> SnapshotError:
    """Return the error that the disk of temporary files is full."""
    return SnapshotError(
        f"the rows cannot be checked: the disk is full at {tempfile.gettempdir()}; free "
        "some space there, or set TMPDIR to a folder on another disk"
    )


def _point(prefix: str, value: str) -> list[tuple[str, pa.DataType]]:
    return [
        (value, pa.float64()),
        (f"{prefix}_iteration", pa.int64()),
        (f"{prefix}_timestamp", pa.timestamp("ms", tz="UTC")),
    ]


RUNS: Final = pa.schema(
    [
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in (*_KEY, "project_id")),
        *((name, pa.int64()) for name in ("n", "n_finite", "n_nonfinite", "n_null")),
        *((name, pa.float64()) for name in ("mean", "rms")),
        *_point("min", "min"),
        *_point("max", "max"),
        *_point("first", "first"),
        *_point("last", "last"),
    ]
)
"""One run: ``rms`` is the root of the mean square of the distances from ``mean``."""


def runs(column: ReadColumn, project_id: str | None) -> pa.Table:
    """Summarise the runs of one row group: points of a series whose iterations increase.

    A point without an iteration is a run of its own.
    """
    iterations = _array(column("iteration"))
    starts = _starts(column, iterations)
    if not len(starts):
        return RUNS.empty_table()
    rows = len(iterations)
    counts = np.diff(starts, append=rows)
    array = _array(column("value"))
    values = array.to_numpy(zero_copy_only=False)  # NULL becomes NaN
    figures = _figures(values, starts, counts)
    n_null = np.add.reduceat(_is_null(array), starts, dtype=np.int64)
    columns: dict[str, Any] = {name: _array(column(name)).take(starts) for name in _KEY}
    columns["project_id"] = pa.array([project_id] * len(starts), RUNS.field("project_id").type)
    columns |= {"n": counts, "n_finite": figures["n_finite"], "n_null": n_null}
    columns["n_nonfinite"] = counts - figures["n_finite"] - n_null
    columns |= {"mean": figures["mean"], "rms": figures["rms"]}
    times = _array(column("timestamp"))
    for name, places in (
        ("min", figures["low"]),
        ("max", figures["high"]),
        ("first", starts),
        ("last", starts + counts - 1),
    ):
        columns[name] = array.take(places)
        columns[f"{name}_iteration"] = iterations.take(places)
        columns[f"{name}_timestamp"] = times.take(places)
    return pa.table([columns[name] for name in RUNS.names], schema=RUNS)


def _array(column: "pa.ChunkedArray[Any]") -> "pa.Array[Any]":
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return cast("pa.Array[Any]", whole)


def _is_null(array: "pa.Array[Any]") -> _Numbers:
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    nulls: _Numbers = array.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _starts(column: ReadColumn, iterations: "pa.Array[Any]") -> _Numbers:
    """Return the row with which each run begins."""
    begins = np.ones(len(iterations), np.bool_)
    numbers = iterations.fill_null(0).to_numpy(zero_copy_only=False)
    np.less_equal(numbers[1:], numbers[:-1], out=begins[1:])
    if iterations.null_count:
        is_null = _is_null(iterations)
        begins |= is_null
        begins[1:] |= is_null[:-1]
    for name in _KEY:
        array = _array(column(name))  # the stubs do not know that it has a dictionary
        codes = array.indices.to_numpy(zero_copy_only=False)  # type: ignore[attr-defined]
        begins[1:] |= codes[1:] != codes[:-1]
    return np.flatnonzero(begins)


def _figures(values: _Numbers, starts: _Numbers, counts: _Numbers) -> dict[str, Any]:
    """Compute the figures of each run; those of no finite value are NULL."""
    finite = np.isfinite(values)
    if finite.all():
        n_finite, lows, highs, used = counts, values, values, values
    else:
        n_finite = np.add.reduceat(finite, starts, dtype=np.int64)
        lows, highs, used = (np.where(finite, values, other) for other in (np.inf, -np.inf, 0.0))
    low, high = np.minimum.reduceat(lows, starts), np.maximum.reduceat(highs, starts)
    none = n_finite == 0
    low[none] = high[none] = 0.0
    mean, rms = _moments(used, finite, (starts, counts), (low, high, n_finite))
    return {
        "n_finite": n_finite,
        "mean": pa.array(mean, mask=none),
        "rms": pa.array(rms, mask=none),
        "low": _first_places(lows == np.repeat(low, counts), starts, none),
        "high": _first_places(highs == np.repeat(high, counts), starts, none),
    }


def _first_places(found: _Numbers, starts: _Numbers, none: _Numbers) -> "pa.Array[Any]":
    """Return the first place of each run at which something was found; NULL where nothing is."""
    places = np.append(np.flatnonzero(found), 0)
    first: pa.Array[Any] = pa.array(places[np.searchsorted(places[:-1], starts)], mask=none)
    return first


def _moments(
    values: _Numbers,
    finite: _Numbers,
    bounds: tuple[_Numbers, _Numbers],
    extremes: tuple[_Numbers, _Numbers, _Numbers],
) -> tuple[_Numbers, _Numbers]:
    """Return the mean and the root of the mean square of the distances from it, of each run.

    Sums within a run are pairwise, and the mean is corrected by the mean distance from it, so that
    the error is far smaller than what ``series.sql`` accepts. Values whose squares are not doubles
    are scaled by a power of two.
    """
    starts, counts = bounds
    low, high, n_finite = extremes
    magnitude = np.maximum(np.abs(low), np.abs(high))
    exponents = None
    if ((magnitude > _WILDEST) | ((magnitude < _TAMEST) & (magnitude > 0))).any():
        exponents = np.frexp(magnitude)[1]
        values = np.ldexp(values, np.repeat(-exponents, counts))
    n = np.maximum(n_finite, 1)
    mean = np.add.reduceat(values, starts) / n
    distances = values - np.repeat(mean, counts)
    distances[~finite] = 0.0
    rest = np.add.reduceat(distances, starts) / n
    np.square(distances, out=distances)
    rms = np.sqrt(np.maximum(np.add.reduceat(distances, starts) / n - rest * rest, 0.0))
    mean += rest
    return (
        (mean, rms) if exponents is None else (np.ldexp(mean, exponents), np.ldexp(rms, exponents))
    )
