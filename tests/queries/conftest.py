"""Datasets of a few tasks, written through the store."""

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, TaskPoints
from clearml_snapshot.exporter.store.writing.dataset import writing

START = datetime(2026, 1, 1, tzinfo=UTC)

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> MakeDataset:
    """Write tasks once per session: hundreds of tests query the same few datasets."""
    home = tmp_path_factory.mktemp("written")
    known: dict[str, Path] = {}

    def make(tasks: Sequence[Mapping[str, Any]]) -> Path:
        key = repr(tasks)
        if key not in known:
            folder = home / str(len(known))
            write(folder, tasks)
            known[key] = folder
        return known[key]

    return make


@pytest.fixture
def make_dataset(written: MakeDataset, tmp_path: Path) -> MakeDataset:
    """Write tasks given as dicts: columns of ``tasks``, ``points`` and ``params``.

    A point is (metric, variant, iteration, value) or has its seconds since 2026 as a fifth item.
    Each dataset is the test's own, to be damaged at will.
    """
    numbers = itertools.count(1)

    def make(tasks: Sequence[Mapping[str, Any]]) -> Path:
        folder = tmp_path / f"data{next(numbers)}"
        shutil.copytree(written(tasks), folder, symlinks=True)
        return folder

    return make


def write(folder: Path, tasks: Sequence[Mapping[str, Any]], *, keep: str | None = None) -> None:
    with writing(folder) as dataset:
        stage = dataset.new_stage()
        for task in tasks:
            columns = {k: v for k, v in task.items() if k not in {"points", "params"}}
            buffer = PointBuffer(stage, task.get("project_id"))
            row = {
                "name": f"task {task['task_id']}",
                "server_id": "http://server",
                "state": "complete",
                "status": "completed",
                "archived": False,
                "fetched_at": START,
                "fingerprint": "f",
                **columns,
            }
            stage.add(row, task.get("params", ()), _points(buffer, task))
        dataset.commit(
            stage,
            server={"host": "http://server"},
            selections=[],
            export_row={"export_id": "e1", "started": START, "result": "complete", "user": "Ada"},
            keep=None if keep is None else Retention.parse(keep),
        )


def _points(buffer: PointBuffer, task: Mapping[str, Any]) -> TaskPoints | None:
    points = [(*point, at)[:5] for at, point in enumerate(task.get("points", ()))]
    if not points:
        return None
    metrics, variants, iterations, values, seconds = zip(*points, strict=True)
    times = [None if s is None else START + timedelta(seconds=s) for s in seconds]
    buffer.add(
        pa.table(
            {
                "task_id": [task["task_id"]] * len(points),
                "metric": metrics,
                "variant": variants,
                "iteration": pa.array(iterations, pa.int64()),
                "timestamp": pa.array(times, pa.timestamp("ms", "UTC")),
                "value": pa.array(values, pa.float64()),
                "worker": ["w"] * len(points),
            }
        )
    )
    return buffer.finish()
