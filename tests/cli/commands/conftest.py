"""A small dataset with a task in trouble, for the commands that describe one."""

from pathlib import Path

import pytest

from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.status import NOW, ODD


@pytest.fixture
def in_trouble(tmp_path: Path) -> Path:
    """A dataset that remembers two selections, with a task in trouble of an odd name."""
    folder = tmp_path / "data"
    with writing(folder) as dataset:
        stage = dataset.new_stage()
        task = {"server_id": "http://x", "fetched_at": NOW, "fingerprint": "f"}
        stage.add({**task, "task_id": "a" * 32, "name": "fine", "state": "complete"})
        reason = "5 points of 9 came, and the server answered 500 to everything after that"
        stage.add({**task, "task_id": "b" * 32, "name": ODD, "state": "partial", "reason": reason})
        dataset.commit(
            stage,
            server={"host": "http://x", "version": "2.3.0"},
            selections=[
                {"filter": {"projects": ["vision"], "tags": ["\x1b[2J"]}, "matched": 1},
                {"filter": {}, "metrics": ["loss"]},
            ],
            export_row={"export_id": "e", "started": NOW, "finished": NOW, "result": "partial"},
        )
    return folder
