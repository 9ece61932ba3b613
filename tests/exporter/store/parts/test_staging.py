"""How part files are sorted and encoded, and when points go to disk."""

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.schema import ROW_GROUP, SCALARS, TABLES
from clearml_snapshot.exporter.store.parts.parquet import write_part, write_sorted
from clearml_snapshot.exporter.store.parts.staging import (
    PointBuffer,
    Stage,
    StageLimits,
    TaskPoints,
    discard,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SMALL = StageLimits(spill_rows=400, flush_rows=400)


def _shuffled(rows: int, task_id: str = "t") -> pa.Table:
    """Points in no particular order: 7 metrics, 3 variants, a NULL iteration each."""
    steps = [(i * 7919) % rows for i in range(rows)]
    columns: dict[str, Any] = {
        "task_id": pa.repeat(task_id, rows),
        "metric": pa.array([f"m{s % 7}" for s in steps]).dictionary_encode(),
        "variant": pa.array([("ü", "a/b", "")[s % 3] for s in steps]),
        "iteration": pa.array([None if s < 21 else s for s in steps], pa.int64()),
        "timestamp": pa.array(
            [s if s % 5 else None for s in steps], SCALARS.field("timestamp").type
        ),
        "value": pa.array([float(s) for s in steps]),
        "worker": pa.array([None if s % 2 else "gpu-1" for s in steps]),
    }
    return pa.table(columns)


def _in_order(path: Path) -> bool:
    rows = pq.read_table(path, partitioning=None).to_pylist()
    keys = [
        (r["metric"].encode(), r["variant"].encode(), r["task_id"], _none_first(r["iteration"]))
        for r in rows
    ]
    return all(a < b for a, b in itertools.pairwise(keys))


def _none_first(iteration: int | None) -> tuple[bool, int]:
    return (iteration is not None, iteration or 0)


def test_a_part_file_is_sorted_and_encoded_as_the_format_requires(tmp_path: Path) -> None:
    rows = ROW_GROUP + 1001
    entry = write_sorted(tmp_path / "part.parquet", "scalars", _conformed(_shuffled(rows)))
    assert _in_order(tmp_path / "part.parquet")
    with pq.ParquetFile(entry.path) as file:
        metadata = file.metadata
        assert file.schema_arrow.equals(SCALARS.remove_metadata())
        assert b"ARROW:schema" not in (metadata.metadata or {})
        groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        assert [group.num_rows for group in groups] == [ROW_GROUP, 1001]
        described: Any = groups[0].to_dict()  # the stubs know no key of it
        columns = {c["path_in_schema"]: c for c in described["columns"]}
    assert {c["compression"] for c in columns.values()} == {"ZSTD"}
    for name in ("task_id", "metric", "variant", "worker"):
        assert columns[name]["has_dictionary_page"], name
        assert "RLE_DICTIONARY" in columns[name]["encodings"], name
    for name in ("iteration", "timestamp"):
        assert "DELTA_BINARY_PACKED" in columns[name]["encodings"], name
    assert "PLAIN" in columns["value"]["encodings"]
    assert not columns["value"]["has_dictionary_page"]
    assert columns["metric"]["statistics"]["min"] == "m0"
    assert entry.rows == rows
    assert entry.bytes == (tmp_path / "part.parquet").stat().st_size


def _conformed(rows: pa.Table) -> pa.Table:
    from clearml_snapshot.exporter.store.parts.parquet import conform

    return conform(rows, "scalars")


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_part_file_has_its_tables_schema(tmp_path: Path, table: str) -> None:
    write_part(tmp_path / "part.parquet", table, [])
    schema = pq.read_schema(tmp_path / "part.parquet")
    assert schema.names == TABLES[table].names
    assert [f.nullable for f in schema] == [f.nullable for f in TABLES[table]]
    assert [str(f.type).replace("element", "item") for f in schema] == [
        str(f.type) for f in TABLES[table]
    ]


def test_statistics_of_a_row_group_know_only_its_own_texts(tmp_path: Path) -> None:
    """Readers skip row groups by them, and a dictionary may hold more than a row group uses."""
    entry = write_sorted(tmp_path / "p.parquet", "scalars", _conformed(_shuffled(2 * ROW_GROUP)))
    metadata = pq.read_metadata(entry.path)
    first, second = (metadata.row_group(n).column(1).statistics for n in (0, 1))
    assert first is not None
    assert second is not None
    assert (first.min, first.max, second.min, second.max) == ("m0", "m3", "m3", "m6")


def test_a_huge_task_spills_sorted_runs(tmp_path: Path) -> None:
    stage = Stage(tmp_path, SMALL)
    buffer = PointBuffer(stage, "p")
    page = _shuffled(200)
    for _ in range(7):
        buffer.add(page)
    points = buffer.finish()
    assert [entry.rows for entry in points.files] == [400, 400, 400]
    assert points.rest.num_rows == 200
    assert points.rows == 1_400
    buffer.add(page)
    assert buffer.rows == 200, "a finished buffer is empty"


def test_a_discarded_task_leaves_no_file(tmp_path: Path) -> None:
    buffer = PointBuffer(Stage(tmp_path, SMALL), None)
    buffer.add(_shuffled(SMALL.spill_rows))
    assert list(tmp_path.iterdir())
    buffer.discard()
    assert not list(tmp_path.iterdir())
    finished = PointBuffer(Stage(tmp_path, SMALL), None)
    finished.add(_shuffled(SMALL.spill_rows))
    discard(finished.finish())
    assert not list(tmp_path.iterdir())


def test_small_tasks_share_a_file_of_their_project(
    tmp_path: Path, task_row: Callable[..., dict[str, Any]]
) -> None:
    stage = Stage(tmp_path, SMALL)
    for number in range(6):
        project = ("p", "q", None)[number % 3]
        buffer = PointBuffer(stage, project)
        buffer.add(_shuffled(SMALL.flush_rows // 5, f"t{number}"))
        stage.add(task_row(f"t{number}", project), (), buffer.finish())
    stage.seal()
    files = [file for file in stage.files if file.entry.table == "scalars"]
    rows = [(str(file.partition.project_id), file.entry.rows) for file in files]
    share = SMALL.flush_rows // 5
    assert rows[-1] == ("None", share), "five tasks fill a flush, the sixth is alone"
    assert sorted(rows[:-1]) == [("None", share), ("p", 2 * share), ("q", 2 * share)]
    assert sum(count for _, count in rows) == stage.points


def test_a_task_cannot_be_staged_twice(
    tmp_path: Path, task_row: Callable[..., dict[str, Any]]
) -> None:
    stage = Stage(tmp_path)
    stage.add(task_row("t"))
    with pytest.raises(ValueError, match="task t is staged twice"):
        stage.add(task_row("t"))


def test_threads_fill_their_own_buffers(tmp_path: Path) -> None:
    stage = Stage(tmp_path, StageLimits(spill_rows=20_000))
    finished: dict[str, TaskPoints] = {}

    def work(task_id: str) -> None:
        buffer = PointBuffer(stage, "p")
        for _ in range(3):
            buffer.add(_shuffled(10_000, task_id))
        finished[task_id] = buffer.finish()

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for task_id, points in finished.items():
        assert points.rows == 30_000
        (entry,) = points.files
        column = pq.read_table(entry.path, columns=["task_id"]).column(0)
        assert column.unique().to_pylist() == [task_id]
