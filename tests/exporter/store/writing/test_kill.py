"""A writer killed at any moment leaves exactly the last committed state."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing

START = """
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from clearml_snapshot.exporter.store.parts import compaction
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer

NOW = datetime.now(UTC)


def points(task_id, value):
    rows = [(task_id, "loss", "train", i, NOW, value, "w") for i in range(300)]
    return pa.Table.from_pylist([dict(zip(SCALARS.names, row)) for row in rows], SCALARS)


def task_row(task_id):
    return {"task_id": task_id, "project_id": task_id[-1], "server_id": "s", "state": "complete",
            "status": "completed", "fetched_at": NOW, "fingerprint": "f"}


def work_for_ever(commit):
    for folder in sys.stdin:
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            with writing(Path(folder.removesuffix("\\n"))) as dataset:
                while True:
                    print(commit(dataset), flush=True)
        os.wait()
        print("ended", flush=True)
"""
"""What both have in common; for each folder on stdin a process that has all its imports already."""

WRITER = (
    START
    + """
def commit(dataset):
    number = 1 if dataset.snapshot is None else dataset.snapshot.number + 1
    stage = dataset.new_stage()
    for task_id in (f"task{n}" for n in range(6)):
        buffer = PointBuffer(stage, task_id[-1])
        buffer.add(points(task_id, float(number)))
        stage.add(task_row(task_id), [], buffer.finish())
    row = {"export_id": str(number), "started": NOW, "result": "complete"}
    dataset.commit(stage, server={}, selections={"number": number}, export_row=row)
    return number


work_for_ever(commit)
"""
)
"""Each snapshot N holds 6 tasks of 300 points, all of value N, and N rows of exports."""

COMPACTER = (
    START
    + """
compaction.MOST = 1


def commit(dataset):
    number = 1 if dataset.snapshot is None else dataset.snapshot.totals.tasks + 1
    stage = dataset.new_stage()
    buffer = PointBuffer(stage, "p")
    buffer.add(points(f"{number}p", float(number)))
    stage.add(task_row(f"{number}p"), [], buffer.finish())
    row = {"export_id": str(number), "started": NOW, "result": "complete"}
    dataset.commit(stage, server={}, selections={"number": number}, export_row=row)
    return number


work_for_ever(commit)
"""
)
"""Each commit adds a task of 300 points, and merges two files of nearly every table."""

Killed = Callable[[Path, float], list[int]]


def _killed(script: str) -> Iterator[Killed]:
    """Return ``killed(data, seconds)``: the output of a writer killed that long after it.

    The writers are forks of one process: its imports would be half of the test's time.
    """
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        stdin, stdout = starter.stdin, starter.stdout

        def killed(data: Path, seconds: float) -> list[int]:
            print(data, file=stdin, flush=True)
            process, first = int(stdout.readline()), int(stdout.readline())
            time.sleep(seconds)
            os.kill(process, signal.SIGKILL)
            return [first, *(int(line) for line in iter(stdout.readline, "ended\n"))]

        yield killed
        stdin.close()


@pytest.fixture
def killed_writer() -> Iterator[Killed]:
    yield from _killed(WRITER)


@pytest.fixture
def killed_compacter() -> Iterator[Killed]:
    yield from _killed(COMPACTER)


def _glob(data: Path) -> tuple[Any, ...]:
    """What a bare DuckDB sees through plain globs."""
    with duckdb.connect() as connection:
        sql = (
            f"SELECT count(*), min(value), max(value), (SELECT count(*) FROM '{data}/current/"
            f"exports/*.parquet'), (SELECT count(*) FROM '{data}/current/tasks/*.parquet'), "
            f"(SELECT min(max) FROM '{data}/current/series/*.parquet') "
            f"FROM '{data}/current/scalars/*/*.parquet'"
        )
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row


def test_killed_at_random_moments(
    tmp_path: Path, commit: Callable[..., Any], killed_writer: Killed
) -> None:
    """Four times; ``tests/bench/soak.py`` kills two hundred complete exports."""
    chance = random.Random(0)
    data = tmp_path / "data"
    for _ in range(4):
        before = open_snapshot(data).number if (data / "current").is_symlink() else 0
        reported = killed_writer(data, chance.random() * 0.25)
        assert reported[0] == before + 1
        snapshot = open_snapshot(data)
        # killed after the swap and before it could report it: one more than reported
        assert snapshot.number in (reported[-1], reported[-1] + 1)
        number = float(snapshot.number)
        assert _glob(data) == (1800, number, number, snapshot.number, 6, number)
        manifest = json.loads((data / "current/snapshot.json").read_text())
        assert manifest["selections"] == {"number": number}
    with writing(data) as dataset:
        last = commit(dataset, {})
    assert last.totals.points == 1800
    assert {p.name for p in (data / "snapshots").iterdir()} <= {
        f"{last.number - 1:06d}",
        f"{last.number:06d}",
    }


def test_killed_while_files_are_merged(tmp_path: Path, killed_compacter: Killed) -> None:
    chance = random.Random(1)
    data = tmp_path / "data"
    before = 0
    for _ in range(4):
        reported = killed_compacter(data, chance.random() * 0.25)
        assert reported[0] == before + 1
        before = open_snapshot(data).totals.tasks
        assert before in (reported[-1], reported[-1] + 1)
        triangle = before * (before + 1) / 2
        with duckdb.connect() as connection:
            sql = f"SELECT count(*), sum(value) / 300 FROM '{data}/current/scalars/*/*.parquet'"
            assert connection.execute(sql).fetchone() == (300 * before, triangle)
            sql = f"SELECT count(*), sum(max) FROM '{data}/current/series/*.parquet'"
            assert connection.execute(sql).fetchone() == (before, triangle)
    with writing(data) as dataset:
        assert dataset.snapshot is not None
        assert dataset.snapshot.totals.points == 300 * before
        assert len(dataset.snapshot.paths("scalars")) <= 2
