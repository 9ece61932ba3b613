"""The rows of the store's tests, for merges of datasets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.exporter.store.conftest import ask, commit, export_row, line, points, task_row
from tests.support.merging import DAY, HOST, Call, Stored, Write, claims

__all__ = ["ask", "commit", "export_row", "line", "points", "task_row"]


@pytest.fixture
def write(tmp_path: Path, points: Call) -> Write:
    """Write a dataset of some tasks; gives its snapshot."""

    def run(name: str, tasks: Sequence[Stored], **options: Any) -> Snapshot:
        with writing(tmp_path / name) as dataset:
            stage = dataset.new_stage()
            for task in tasks:
                buffer = PointBuffer(stage, task.project_id)
                for (metric, variant), values in task.series.items():
                    line = [
                        (task.task_id, metric, variant, at, DAY, value, name)
                        for at, value in enumerate(values)
                    ]
                    buffer.add(points(line))
                parameter = {"section": "Args", "name": "lr", "value": task.params}
                stage.add(task.row(), [parameter], buffer.finish(), claims(task))
            return dataset.commit(
                stage,
                **{
                    "server": {"host": HOST},
                    "selections": [],
                    "export_row": {"export_id": name, "started": DAY, "result": "complete"},
                    **options,
                },
            )

    return run
