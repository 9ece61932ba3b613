"""Many small part files become few: the same rows, in order, unsettled tasks apart."""

import math
import random
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts import (
    compaction as compact,
)
from clearml_snapshot.exporter.store.parts import (
    sorted_merge as merge,
)
from clearml_snapshot.exporter.store.parts.compaction import FAN_IN, MOST, pick
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, StageLimits
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing import dataset
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing

Call = Callable[..., Any]
Row = tuple[Any, ...]

FEW = 4
"""Small files that are left in peace in these tests: each file is a commit."""

ODD = (math.nan, -math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, None)
ITERATIONS = (None, -(2**63), 2**63 - 1, -1, 0, 1)


def _rows(snapshot: Snapshot, table: str) -> list[str]:
    """Every row of a table as text, floats by their bits, with its folder."""
    rows = []
    for path in snapshot.paths(table):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            bits = {k: struct.pack("d", v) if isinstance(v, float) else v for k, v in row.items()}
            rows.append(repr((Path(path).parent.name, bits)))
    return sorted(rows)


def _odd_points(task_id: str, seed: int) -> list[Row]:
    """Points of four series with names and values that are hard to sort or to copy."""
    source = random.Random(seed)
    return [
        (task_id, metric, variant, iteration, None, source.choice(ODD), source.choice(["w", None]))
        for metric in ("🙂", "\uffff")  # UTF-16 would order these the other way round
        for variant in ("", "ü")
        for iteration in ITERATIONS
    ]


def _export(
    target: Dataset,
    tasks: dict[str, list[Row]],
    helpers: tuple[Call, Call, Call],
    export_id: str,
    **options: Any,
) -> Snapshot:
    """Commit tasks; those whose id begins with ``run`` are running."""
    points, task_row, export_row = helpers
    stage = target.new_stage()
    for task_id, rows in tasks.items():
        buffer = PointBuffer(stage, "p")
        buffer.add(points(rows))
        status = "in_progress" if task_id.startswith("run") else "completed"
        params = [{"section": "Args", "name": str(n), "value": "1"} for n in range(3)]
        stage.add(task_row(task_id, "p", status=status), params, buffer.finish())
    row = export_row(export_id)
    return target.commit(stage, server={}, selections=None, export_row=row, **options)


@pytest.fixture
def helpers(
    points: Call, task_row: Call, export_row: Call, monkeypatch: pytest.MonkeyPatch
) -> tuple[Call, Call, Call]:
    monkeypatch.setattr(compact, "MOST", FEW)
    return points, task_row, export_row


def _small(snapshot: Snapshot, table: str) -> int:
    return len(snapshot.paths(table))


@pytest.mark.parametrize("block", [3, 14])  # half a series, two of them and more
def test_many_small_files_become_one_with_the_same_rows(
    tmp_path: Path, helpers: tuple[Call, Call, Call], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(merge, "HELD", dict.fromkeys(TABLES, block * (FEW + 1)))
    with writing(tmp_path / "data") as target:
        for number in range(FEW + 1):
            tasks = {f"t{number}": _odd_points(f"t{number}", number)}
            before = _export(target, tasks, helpers, str(number), compact=False)
        expected = {table: _rows(before, table) for table in TABLES if table != "exports"}
        assert _small(before, "scalars") == FEW + 1
        after = _export(target, {}, helpers, "last")
    for table, rows in expected.items():
        assert _rows(after, table) == rows
        assert _small(after, table) == 1
    assert after.totals.points == before.totals.points
    (path,) = after.paths("scalars")
    keys = [_key(row) for row in pq.read_table(path, partitioning=None).to_pylist()]
    assert keys == sorted(keys)


def _key(row: dict[str, Any]) -> Row:
    texts = (row[name].encode() for name in ("metric", "variant", "task_id"))
    return (*texts, row["iteration"] is not None, row["iteration"] or 0)


def _task_ids(path: str) -> set[str]:
    rows = pq.read_table(path, columns=["task_id"], partitioning=None).to_pylist()
    return {str(row["task_id"]) for row in rows}


def test_running_tasks_keep_files_of_their_own(
    tmp_path: Path, line: Call, helpers: tuple[Call, Call, Call]
) -> None:
    with writing(tmp_path / "data") as target:
        for number in range(FEW + 3):
            done, running = f"t{number}", f"run{number}"
            tasks = {task_id: line(task_id, [1.0, 2.0]) for task_id in (done, running)}
            last = _export(target, tasks, helpers, str(number))
    for table in ("scalars", "series", "tasks", "hyperparams"):
        assert _small(last, table) <= 2 * 3, "of each kind a merged one, and two since then"
        for path in last.paths(table):
            assert len({task_id.startswith("run") for task_id in _task_ids(path)}) == 1
    assert last.totals.points == 2 * 2 * (FEW + 3)


def test_nothing_is_committed_again_when_neither_kind_has_too_many_files(
    tmp_path: Path, line: Call, helpers: tuple[Call, Call, Call]
) -> None:
    with writing(tmp_path / "data") as target:
        for number in range(1, FEW):
            tasks = {task_id: line(task_id, [1.0]) for task_id in (f"t{number}", f"run{number}")}
            last = _export(target, tasks, helpers, str(number))
            assert last.number == number
    assert _small(last, "scalars") == 2 * (FEW - 1)


def test_tasks_that_ended_leave_the_files_of_running_ones(
    tmp_path: Path, line: Call, helpers: tuple[Call, Call, Call]
) -> None:
    """Only their metadata was read again, so their points stay where they were."""
    with writing(tmp_path / "data") as target:
        for number in range(FEW + 1):
            tasks = {f"run{number}-{k}": line(f"run{number}-{k}", [1.0]) for k in range(2)}
            before = _export(target, tasks, helpers, str(number), compact=False)
        stage = target.new_stage()
        for number in range(FEW + 1):
            stage.refresh(helpers[1](f"run{number}-0", "p", status="completed"), None)
        last = target.commit(stage, server={}, selections=None, export_row=None)
    assert _rows(last, "scalars") == _rows(before, "scalars")
    task_ids = [_task_ids(path) for path in last.paths("scalars")]
    assert sorted(len(ids) for ids in task_ids) == [FEW + 1, FEW + 1]
    assert {task_id[-2:] for task_id in task_ids[0]} in ({"-0"}, {"-1"})


def test_full_files_are_left_alone(
    tmp_path: Path,
    line: Call,
    helpers: tuple[Call, Call, Call],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compact, "FULL", {**compact.FULL, "scalars": 100})
    tasks = {f"t{number}": line(f"t{number}", [1.0] * 30) for number in range(90)}
    with writing(tmp_path / "data", limits=StageLimits(flush_rows=30)) as target:  # a file per task
        first = _export(target, {"full": line("full", [0.0] * 100)}, helpers, "full")
        last = _export(target, tasks, helpers, "many")
    (full,) = first.paths("scalars")
    assert Path(full).name in {Path(path).name for path in last.paths("scalars")}
    sizes = [entry.rows for entry in last.files if entry.table == "scalars"]
    assert len([rows for rows in sizes if rows < 100]) <= FEW
    assert max(sizes) < 300
    assert sum(sizes) == 100 + 90 * 30


def test_a_compacted_snapshot_takes_the_place_of_the_one_before_it(
    tmp_path: Path, line: Call, helpers: tuple[Call, Call, Call]
) -> None:
    data = tmp_path / "data"
    with writing(data) as target:
        for number in range(FEW + 1):
            tasks = {f"t{number}": line(f"t{number}", [1.0])}
            last = _export(target, tasks, helpers, str(number), checkpoint=True)
        assert _small(last, "scalars") == FEW + 1, "a checkpoint merges nothing"
        last = _export(target, {}, helpers, "last")
        assert _small(last, "scalars") == 1
        assert [folder.name for folder in (data / "snapshots").iterdir()] == [f"{FEW + 3:06d}"]
        following = _export(target, {}, helpers, "following")
    assert open_snapshot(data).number == following.number == FEW + 4
    assert open_snapshot(data, -1).number == last.number
    assert not following.checkpoint
    kept = sorted(folder.name for folder in (data / "snapshots").iterdir())
    assert kept == [f"{number:06d}" for number in (last.number, following.number)]


def test_a_full_disk_leaves_the_commit_as_it_is(
    tmp_path: Path,
    line: Call,
    helpers: tuple[Call, Call, Call],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset, "rebuild", refuse)
    with writing(tmp_path / "data") as target:
        for number in range(FEW + 1):
            last = _export(target, {f"t{number}": line(f"t{number}", [1.0])}, helpers, str(number))
    assert last.number == FEW + 1
    assert open_snapshot(tmp_path / "data").totals.points == FEW + 1


@given(st.lists(st.integers(1, 2_499_999), min_size=MOST + 1, max_size=60))
def test_pick_takes_at_least_two_and_not_too_much(rows: list[int]) -> None:
    rows.sort()
    count = pick(rows, 2_500_000)
    assert 2 <= count <= min(FAN_IN, len(rows))
    assert sum(rows[:count]) < 7_500_000


def _written(nights: int, sizes: Iterable[int] = ()) -> tuple[int, int]:
    """Play nights that leave one file of 100 rows each: rows written again, most files at once."""
    pool, again, most = sorted(sizes), 0, 0
    for _ in range(nights):
        pool = sorted([*pool, 100])
        most = max(most, len(pool))
        while len(pool) > MOST:
            count = pick(pool, 2_500_000)
            again += sum(pool[:count])
            pool = sorted([sum(pool[:count]), *pool[count:]])
    return again, most


def test_a_row_is_written_again_only_a_few_times() -> None:
    again, most = _written(365)
    assert most == MOST + 1
    assert again <= 6 * 365 * 100
    again, _ = _written(365, [1_000_000])
    assert again < 1_000_000, "what is large already is not written every night"
