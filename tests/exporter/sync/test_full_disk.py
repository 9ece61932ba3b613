"""A disk that becomes full while an export reads, or commits; simulated with small file systems."""

import errno
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.disk import reserve
from clearml_snapshot.exporter.store.format.schema import in_memory
from clearml_snapshot.exporter.store.parts import partition_buffer
from clearml_snapshot.exporter.store.parts.partition_buffer import Partition, PartitionBuffer
from clearml_snapshot.exporter.store.writing.dataset import Dataset

TakeHome = Callable[..., Any]


def _world(tasks: int, points: int) -> Database:
    database, random = Database(1), np.random.default_rng(1)
    iterations = np.arange(points, dtype=np.int64)
    for number in range(tasks):
        task = database.add_task(f"task {number}", "p", status="completed")
        values, times = random.random(points), 1_700_000_000_000 + iterations
        database.report_series(task, "m", "v", iterations, values, times, worker="w")
    return database


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of its own with a given size, or change its size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def sized(size: str) -> Path:
        how = f"{'remount,' if folder.is_mount() else ''}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", how, "none", str(folder)]
        if (
            os.geteuid() != 0
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("only root may mount a file system")
        return folder

    yield sized
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def _states(home: Any) -> Counter[str]:
    return Counter(row["state"] for row in home.tasks().values())


def test_what_is_complete_is_committed(
    take_home: TakeHome, disk: Callable[[str], Path], limit_stages: Callable[..., None]
) -> None:
    limit_stages(flush_rows=5_000)
    home = take_home(_world(60, 2_000))
    home.folder = disk("900k") / "data"
    with pytest.raises(OSError, match="No space left"):
        home.export()
    states = _states(home)
    assert states["complete"] > 0
    assert states["unread"] > 0
    assert sum(states.values()) == 60
    assert home.rows("exports")[0]["result"] == "disk full"
    disk("20m")
    assert home.export(all_tasks=False).tasks_new == states["unread"]
    home.check()


def test_names_and_the_selection_stay_where_no_more_fits(
    take_home: TakeHome, disk: Callable[[str], Path]
) -> None:
    home = take_home(_world(3, 40_000))
    home.folder = disk("600k") / "data"
    with pytest.raises(OSError, match="No space left"):
        home.export()
    assert _states(home) == {"unread": 3}
    disk("20m")
    home.export(all_tasks=False)
    home.check()


def test_a_checkpoint_that_fails_leaves_the_one_before(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint finds no room; names fit, as the stage is dropped for them."""
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._CHECKPOINT_POINTS", 200)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._COMMIT_SHARE", 0)
    usual, tried = Dataset.commit, []

    def commit(self: Dataset, stage: Any, **options: Any) -> Any:
        tried.append(options["export_row"]["result"])
        if tried.count("running") == 2 and tried[-1] == "running":
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(self, stage, **options)

    monkeypatch.setattr(Dataset, "commit", commit)
    home = take_home(_world(6, 100))
    with pytest.raises(OSError, match="No space left"):
        home.export()
    assert tried == ["running", "running", "disk full"]
    states = _states(home)
    assert 2 <= states["complete"] < 6
    assert states["complete"] + states["unread"] == 6
    monkeypatch.setattr(Dataset, "commit", usual)
    home.export(all_tasks=False)
    home.check()


def test_points_that_could_not_be_written_are_held_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"task_id": "a", "metric": "m", "variant": "v", "iteration": 1, "value": 1.0}
    points = pa.Table.from_pylist([row], in_memory("scalars"))
    held, usual = PartitionBuffer(tmp_path, 1), partition_buffer.spill

    def full(directory: Path, rows: pa.Table) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(partition_buffer, "spill", full)
    held.add(Partition("p", True), points)
    with pytest.raises(OSError, match="No space left"):
        held.add(Partition("p", True), points)
    monkeypatch.setattr(partition_buffer, "spill", usual)
    assert sum(file.entry.rows for file in held.finish()) == 2


def test_the_reserve_is_given_back(tmp_path: Path) -> None:
    kept = reserve.Reserve(tmp_path / "reserve")
    kept.take()
    kept.take()
    assert (tmp_path / "reserve").stat().st_size > 2**20
    kept.give_back()
    kept.give_back()
    reserve.Reserve(tmp_path / "nowhere" / "reserve").take()
    assert not list(tmp_path.iterdir())
