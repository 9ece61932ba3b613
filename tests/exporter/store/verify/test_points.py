"""Series computed from runs of points are those that an export computes, whatever the points."""

import random
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.parquet import conform, write_part
from clearml_snapshot.exporter.store.parts.series import write_series
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES
from clearml_snapshot.exporter.store.verify import rows as verify_rows
from clearml_snapshot.exporter.store.verify.files import Points
from clearml_snapshot.exporter.store.verify.points import PointsOfFile
from clearml_snapshot.exporter.store.verify.rows import slabs
from tests.exporter.store.conftest import NOW

Row = tuple[Any, ...]

_INFINITE = float("inf")
_VALUES = [0.0, -0.0, 1.5, -3.0, float("nan"), None, _INFINITE, -_INFINITE]
_SMALL = [5e-324, -5e-324, 1e-310, 0.0, 2e-308]
_LARGE = [1e308, -1.7e308, 1.7e308, 1e200, 3.0]


def _points(chance: random.Random, *, repeats: bool) -> list[Row]:
    """Make up points of a few series, with iterations that repeat or not."""
    rows: list[Row] = []
    for task in ("t1", "t2"):
        for metric, values in (("loss", _VALUES), ("small", _SMALL), ("large", _LARGE)):
            for variant in ("a", "b"):
                iterations: list[int | None] = [*range(-40, 60)]
                if repeats:
                    iterations = [chance.choice([None, *range(-9, 9)]) for _ in range(30)]
                elif chance.random() < 0.5:
                    iterations = [None, *iterations]
                steady = chance.choice([*values, None])
                for number, at in enumerate(iterations):
                    value = chance.choice(values) if chance.random() < 0.9 else steady
                    if chance.random() < 0.3 and values is _VALUES:
                        value = chance.gauss(1e6, 1e-3)
                    moment = None if chance.random() < 0.1 else NOW + timedelta(seconds=number)
                    rows.append((task, metric, variant, at, moment, value, "w"))
    return rows


def _written(path: Path, rows: list[Row], size: int) -> Path:
    columns = zip(*rows, strict=True)
    schema = TABLES["scalars"]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    table = conform(pa.Table.from_arrays(arrays, schema=schema), "scalars")
    write_part(path, "scalars", (table.slice(at, size) for at in range(0, len(rows), size)))
    return path


def _summarised(files: list[Path], scratch: Path) -> Points:
    points = Points(scratch)
    for number, path in enumerate(files):
        target = scratch / f"runs-{number}.parquet"
        opened = pq.ParquetFile(path, read_dictionary=["task_id", "metric", "variant", "worker"])
        with PointsOfFile(path, target) as summariser, opened as file:
            for group in range(file.num_row_groups):
                summariser.add(file.read_row_group(group).column)
        points.files.append(str(target))
    return points


@pytest.fixture(params=["sorted", "interleaved", "repeated"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Two files of the same series, in row groups that divide them."""
    kind = request.param
    chance = random.Random(7)
    parts = [_points(chance, repeats=kind == "repeated") for _ in range(2)]
    if kind == "sorted":  # the second file continues the series of the first
        parts[1] = _moved(parts[1], 1, 1_000)
    if kind == "interleaved":
        parts = [_moved(part, 2, odd) for odd, part in enumerate(parts)]
        for part in parts:
            chance.shuffle(part)
    folder = tmp_path / "scalars" / "project_id=p%20q"
    return [_written(folder / f"{n}.parquet", part, 77) for n, part in enumerate(parts)]


def _moved(rows: list[Row], factor: int, by: int) -> list[Row]:
    finite = (row for row in rows if row[3] is not None)
    return [(*row[:3], row[3] * factor + by, *row[4:]) for row in finite]


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Name the files that there are."""
    return str(request.node.callspec.params["files"])


def _connected(connection: duckdb.DuckDBPyConnection, files: list[Path], scratch: Path) -> Points:
    """Compute the series of some files as verify does, and as an export does."""
    points = _summarised(files, scratch)
    connection.read_parquet(points.files, hive_partitioning=False).create_view("runs")
    paths = [str(path) for path in files]
    connection.read_parquet(paths, hive_partitioning=False).create_view("scalars")
    verify_rows._compute(connection, points)
    server_values = scratch / "server_values.parquet"
    pq.write_table(SERVER_VALUES.empty_table(), server_values)
    written = write_series(
        files, [server_values], lambda: scratch / "series.parquet", spill=scratch
    )
    stored = [entry.path for entry in written]
    connection.read_parquet(stored, hive_partitioning=False).create_view("series")
    return points


@pytest.mark.parametrize("files", ["sorted", "interleaved"], indirect=True)
@pytest.mark.parametrize("at_once", [1_000_000, 20])
def test_series_are_as_an_export_computes_them(
    files: list[Path], tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_rows, "_AT_ONCE", at_once)
    with engine() as connection:
        _connected(connection, files, tmp_path)
        assert connection.execute("SELECT count(*) FROM computed").fetchone() == (12,)
        different = read_sql("clearml_snapshot.exporter.store.verify", "series.sql")
        assert connection.execute(different).fetchall() == []
        projects = connection.execute("SELECT DISTINCT project_id FROM computed").fetchall()
        assert projects == [("p q",)]


def test_means_and_deviations_are_exact_enough(files: list[Path], tmp_path: Path) -> None:
    """A thousand times closer than what is accepted, so that the check is as sharp as it was."""
    with engine() as connection:
        _connected(connection, files, tmp_path)
        rows = connection.execute(
            "SELECT s.metric, s.mean, c.mean, s.std, c.std, greatest(abs(s.min), abs(s.max)) "
            "FROM series AS s JOIN computed AS c USING (task_id, metric, variant)"
        ).fetchall()
    for metric, *pairs, size in rows:
        for stored, computed in (pairs[:2], pairs[2:]):
            assert (stored is None) == (computed is None), metric
            if stored is not None:
                close = pytest.approx(stored, rel=1e-12, abs=max(size * 1e-15, 1e-322))
                assert computed == close, metric


def test_points_stored_twice_are_all_found(files: list[Path], tmp_path: Path, kind: str) -> None:
    with engine() as connection:
        _connected(connection, files, tmp_path)
        keys = connection.execute(
            "SELECT task_id, metric, variant, iteration FROM scalars"
        ).fetchall()
        reported: list[str] = []
        for slab in slabs(verify_rows._metrics(connection, "overlapping_metrics")):
            sql = read_sql("clearml_snapshot.exporter.store.verify", "unique.sql")
            reported += [text for _, text in connection.execute(sql, asdict(slab)).fetchall()]
        overlapping = connection.execute("SELECT count(*) FROM overlapping").fetchone()
    repeated = {key: n for key, n in Counter(keys).items() if n > 1}
    assert sorted(reported) == sorted(
        f"{n} times task {task}, {metric}/{variant}, "
        + ("single value" if at is None else f"iteration {at}")
        for (task, metric, variant, at), n in repeated.items()
    )
    assert bool(repeated) == (kind == "repeated")
    assert overlapping == ((0,) if kind == "sorted" else (12,))


def test_a_single_value_that_is_stored_twice_in_two_files(tmp_path: Path) -> None:
    row = ("t", "m", "v", None, NOW, 1.0, "w")
    folder = tmp_path / "scalars" / "project_id=p"
    files = [_written(folder / f"{n}.parquet", [row], 9) for n in range(2)]
    with engine() as connection:
        _connected(connection, files, tmp_path)
        assert connection.execute("FROM overlapping").fetchall() == [("t", "m", "v")]


def test_times_and_texts_that_are_invalid(tmp_path: Path) -> None:
    path = _written(tmp_path / "x.parquet", [("t", "m", "v", 1, NOW, 1.0, "w")] * 3, 9)
    moments = pa.array([-62_135_596_800_001, 253_402_300_800_000, -62_135_596_800_000])
    rows = pq.read_table(path, read_dictionary=["task_id", "metric", "variant", "worker"])
    times = pa.chunked_array([moments.cast(pa.timestamp("ms", "UTC"))])
    with PointsOfFile(path, tmp_path / "runs.parquet") as summariser:
        summariser.add(lambda name: times if name == "timestamp" else rows.column(name))
        assert summariser.bad_times == 2
        raw = pa.array([b"\xff"] * 3).dictionary_encode()
        worker = pa.chunked_array(
            [pa.DictionaryArray.from_arrays(raw.indices, raw.dictionary.view(pa.string()))]
        )
        with pytest.raises(pa.ArrowInvalid, match="UTF8"):
            summariser.add(lambda name: worker if name == "worker" else rows.column(name))
    (problem,) = Points(tmp_path, [], 2).problems()
    assert problem == "scalars: timestamp of 2 rows is not in the years 1 to 9999"


def test_a_full_disk_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = _written(tmp_path / "x.parquet", [("t", "m", "v", 1, NOW, 1.0, "w")], 9)
    rows = pq.read_table(path, read_dictionary=["task_id", "metric", "variant", "worker"])
    with PointsOfFile(path, tmp_path / "runs.parquet") as summariser:
        monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(SnapshotError, match="the disk is full at"):
            summariser.add(rows.column)
