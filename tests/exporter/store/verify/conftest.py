"""A small snapshot of each kind of value, to be damaged."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.damage import Call, rows_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, points: Call, task_row: Call) -> Path:
    """Two commits: tasks a and b in a project, c in none, d without points."""
    data = tmp_path_factory.mktemp("made") / "data"
    with writing(data) as dataset:
        for number, ids in enumerate(("ab", "cd")):
            stage = dataset.new_stage()
            for task_id in ids:
                rows = [] if task_id == "d" else rows_of(task_id)
                project = None if task_id == "c" else "1" * 32
                buffer = PointBuffer(stage, project)
                buffer.add(points(rows))
                row = task_row(task_id, project, points_stored=len(rows), points_expected=len(rows))
                parameter = {"section": "Args", "name": "lr", "value": "0.1"}
                stage.add(row, [parameter], buffer.finish())
            started = row["fetched_at"] + timedelta(number)
            dataset.commit(
                stage,
                server={"host": "http://localhost:8008"},
                selections=[],
                export_row={"export_id": str(number), "started": started, "result": "complete"},
            )
    return data


@pytest.fixture
def snapshot(made: Path, tmp_path: Path) -> Path:
    """A copy of the snapshot, to be damaged."""
    return Path(shutil.copytree(made / "current", tmp_path / "copy"))
