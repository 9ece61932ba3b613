"""Series rows against a second computation in plain Python."""

import math
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.store.parts.series import write_series
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, PointBuffer, StageLimits
from clearml_snapshot.exporter.store.writing.dataset import writing

Reading = tuple[int | None, datetime | None, float | None]

_INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0, 1])
_TIME = st.integers(0, 10**12).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, 0, 0, ms)
)
# squares of less than 1e-150 vanish; ties and zeros of both signs are what goes wrong
_FLOAT = st.floats().filter(lambda v: not 0 < abs(v) < 1e-140)
_VALUE = st.none() | st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf]) | _FLOAT
_SERIES = st.lists(
    st.tuples(st.none() | _INT64, st.none() | _TIME, _VALUE),
    min_size=1,
    max_size=12,
    unique_by=lambda reading: reading[0],
)


def _by_hand(readings: list[Reading]) -> dict[str, Any]:
    finite = [r for r in readings if r[2] is not None and math.isfinite(r[2])]
    values = [r[2] for r in finite if r[2] is not None]
    counted = sorted((r for r in readings if r[0] is not None), key=lambda r: r[0] or 0)
    nothing: Reading = (None, None, None)
    low = min(finite, key=lambda r: (r[2], r[0] is None, r[0] or 0), default=nothing)
    high = min(finite, key=lambda r: (-(r[2] or 0.0), r[0] is None, r[0] or 0), default=nothing)
    first = counted[0] if counted else nothing
    last = counted[-1] if counted else readings[0]
    row: dict[str, Any] = {
        "n": len(readings),
        "n_null": sum(r[2] is None for r in readings),
        "mean": statistics.mean(values) if values else None,
        "std": _std(values),
    }
    row["n_nonfinite"] = row["n"] - row["n_null"] - len(finite)
    for name, reading in (("min", low), ("max", high), ("first", first), ("last", last)):
        row[f"{name}_iteration"], row[f"{name}_timestamp"], row[name] = reading
    return row


def _std(values: list[float]) -> float | None:
    try:
        return statistics.stdev(values) if len(values) > 1 else None
    except OverflowError:  # beyond what a double holds
        return None


def _same(name: str, ours: Any, theirs: Any, scale: float) -> bool:
    if not isinstance(ours, float) or not isinstance(theirs, float):
        return bool(ours == theirs)
    if name in ("mean", "std"):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=scale * 1e-14)
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


@settings(max_examples=10)  # of up to 24 series each: to write them is what takes time
@given(all_readings=st.lists(_SERIES, min_size=4, max_size=24))
@example(all_readings=[[(None, None, 3.0)]])
@example(all_readings=[[(None, None, 3.0), (5, None, 3.0), (2, None, 3.0)]])
@example(all_readings=[[(1, None, math.nan), (2, None, None)]])
@example(all_readings=[[(1, None, 1.7e308), (2, None, 1.7e308), (3, None, -1.7e308)]])
@example(all_readings=[[(number, None, number * 3e307) for number in range(-4, 5)]])
@example(all_readings=[[(-(2**63), None, 0.0), (2**63 - 1, None, -0.0)]])
def test_series_agree_with_plain_python(
    all_readings: list[list[Reading]],
    commit: Callable[..., Any],
    ask: Callable[[Path, str], list[tuple[Any, ...]]],
) -> None:
    rows = [
        ("task", "metric", f"v{number:02}", iteration, time, value, None)
        for number, readings in enumerate(all_readings)
        for iteration, time, value in readings
    ]
    with tempfile.TemporaryDirectory() as folder:
        with writing(Path(folder, "data")) as dataset:
            snapshot = commit(dataset, {("task", "p"): rows})
        assert snapshot.totals.series == len(all_readings)
        names = ", ".join(f'"{name}"' for name in _by_hand(all_readings[0]))
        stored = ask(snapshot.root, f"SELECT {names} FROM series ORDER BY variant")
        for readings, ours_of_it in zip(all_readings, stored, strict=True):
            expected = _by_hand(readings)
            scale = max((abs(r[2]) for r in readings if r[2] and math.isfinite(r[2])), default=0.0)
            for (name, value), ours in zip(expected.items(), ours_of_it, strict=True):
                assert _same(name, ours, value, scale), (name, ours, value)


def test_the_servers_claims_are_beside_what_was_computed(
    tmp_path: Path,
    points: Callable[..., pa.Table],
    line: Callable[..., Any],
    task_row: Callable[..., Any],
    export_row: Callable[..., Any],
    ask: Callable[[Path, str], list[tuple[Any, ...]]],
) -> None:
    with writing(tmp_path / "data") as dataset:
        stage = dataset.new_stage()
        for task_id in ("a", "b"):
            buffer = PointBuffer(stage, "p")
            buffer.add(points(line(task_id, [1.0, 2.0])))
            claims = SERVER_VALUES.empty_table()
            if task_id == "a":
                row = ["a", "loss", "train", 2.5, 0.5, 9.0, 17, -1, 8]
                claims = pa.Table.from_pylist(
                    [dict(zip(SERVER_VALUES.names, row, strict=True))], SERVER_VALUES
                )
            stage.add(task_row(task_id, "p"), (), buffer.finish(), claims)
        snapshot = dataset.commit(stage, server={}, selections={}, export_row=export_row("e"))
    sql = (
        "SELECT task_id, last, server_last, server_min, server_max, server_count, "
        "server_min_iteration, server_max_iteration FROM series"
    )
    assert ask(snapshot.root, sql + " ORDER BY 1") == [
        ("a", 2.0, 2.5, 0.5, 9.0, 17, -1, 8),
        ("b", 2.0, None, None, None, None, None, None),
    ]


@pytest.mark.parametrize("rows", [1, 300])
def test_series_see_a_task_in_several_files(
    tmp_path: Path,
    rows: int,
    task_row: Callable[..., Any],
    export_row: Callable[..., Any],
    ask: Callable[[Path, str], list[tuple[Any, ...]]],
) -> None:
    """The second page comes with smaller iterations, in a file of its own when it is large."""
    with writing(tmp_path / "data", limits=StageLimits(spill_rows=400)) as dataset:
        stage = dataset.new_stage()
        buffer = PointBuffer(stage, "p")
        for start in (2 * rows, 0, rows):
            buffer.add(_page(start, rows))
        stage.add(task_row("t", "p"), (), buffer.finish())
        snapshot = dataset.commit(stage, server={}, selections={}, export_row=export_row("e"))
    assert len(snapshot.paths("scalars")) == (1 if rows == 1 else 2)
    (row,) = ask(snapshot.root, 'SELECT n, "first", "last", min, max, mean FROM series')
    assert row == (3 * rows, 0.0, 3 * rows - 1, 0.0, 3 * rows - 1, (3 * rows - 1) / 2)


def _page(start: int, rows: int) -> pa.Table:
    """Points whose value is their iteration."""
    iterations = pa.array(range(start, start + rows), pa.int64())
    row = {"task_id": "t", "metric": "loss", "variant": "train", "worker": None}
    columns: dict[str, Any] = {
        name: pa.repeat(pa.scalar(text, pa.string()), rows) for name, text in row.items()
    }
    columns["iteration"] = iterations
    columns["timestamp"] = iterations.cast(pa.timestamp("ms", tz="UTC"))
    columns["value"] = iterations.cast(pa.float64())
    return pa.table(columns)


def test_more_series_than_are_computed_at_once(
    tmp_path: Path,
    commit: Callable[..., Any],
    line: Callable[..., Any],
) -> None:
    """Each series exactly once, with its own server values, though they are computed in shares."""
    snapshot = _with_series(tmp_path, commit, line, "m", 1_500)
    files = _computed_again(tmp_path, snapshot, at_once=600)
    assert len(files) == 3
    assert _right_rows(files) == [(1_500, 1_500)]


def test_series_that_do_not_fit_into_memory_together(
    tmp_path: Path,
    commit: Callable[..., Any],
    line: Callable[..., Any],
) -> None:
    """Long names take more memory than was expected: smaller shares are computed instead."""
    snapshot = _with_series(tmp_path, commit, line, "m" * 3_000, 1_500)
    files = _computed_again(tmp_path, snapshot, threads=1, memory_limit="48MB")
    assert len(files) > 1
    assert _right_rows(files) == [(1_500, 1_500)]


def test_memory_for_no_series_at_all_is_an_error(
    tmp_path: Path,
    commit: Callable[..., Any],
    line: Callable[..., Any],
) -> None:
    snapshot = _with_series(tmp_path, commit, line, "m", 2)
    with pytest.raises(duckdb.OutOfMemoryException):
        _computed_again(tmp_path, snapshot, threads=1, memory_limit="2MB")


def _with_series(
    tmp_path: Path,
    commit: Callable[..., Any],
    line: Callable[..., Any],
    prefix: str,
    rows: int,
) -> Any:
    """Commit series of one point each, and write the server's values of them."""
    points = [
        (*row[:1], f"{prefix}{at}", *row[2:])
        for at, row in enumerate(line("t", map(float, range(rows))))
    ]
    with writing(tmp_path / "data") as dataset:
        snapshot = commit(dataset, {("t", "p"): points})
    values = pa.table(
        {
            "task_id": ["t"] * rows,
            "metric": [f"{prefix}{at}" for at in range(rows)],
            "variant": ["train"] * rows,
            **{name: range(rows) for name in SERVER_VALUES.names[3:]},
        }
    ).cast(SERVER_VALUES)
    pq.write_table(values, tmp_path / "values.parquet")
    return snapshot


def _computed_again(tmp_path: Path, snapshot: Any, **limits: Any) -> list[str]:
    numbers = count()
    scalars = [Path(path) for path in snapshot.paths("scalars")]
    written = write_series(
        scalars,
        [tmp_path / "values.parquet"],
        lambda: tmp_path / f"part{next(numbers)}.parquet",
        spill=tmp_path,
        **limits,
    )
    return [entry.path for entry in written]


def _right_rows(files: list[str]) -> list[tuple[Any, ...]]:
    """Count the metrics, and the rows whose values are those of their metric."""
    sql = "SELECT count(DISTINCT metric), count(*) FILTER (ltrim(metric, 'm') = max::BIGINT::TEXT"
    sql += " AND server_last = max AND server_count = n - 1 + max) FROM read_parquet($files)"
    with duckdb.connect() as connection:
        return connection.execute(sql, {"files": files}).fetchall()
