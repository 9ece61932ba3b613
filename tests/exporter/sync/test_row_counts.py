"""The row of an export that ended early counts what was committed, not what was read."""

import errno
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.store.writing.dataset import Dataset
from tests.exporter.conftest import Home

TASKS = 12


def _fail(patch: pytest.MonkeyPatch, code: int, results: tuple[str, ...]) -> None:
    """Let each commit of such a result end in an error of the disk, before it writes anything."""
    usual = Dataset.commit

    def commit(self: Dataset, stage: Any, **options: Any) -> Any:
        if options["export_row"]["result"] in results:
            raise OSError(code, "the disk failed")
        return usual(self, stage, **options)

    patch.setattr(Dataset, "commit", commit)


def _report_again(home: Home) -> None:
    for task_id in home.database.tasks:
        home.database.continue_task(task_id)
        event = {"metric": "m", "variant": "v", "iter": 99, "value": 1.0}
        home.database.report(task_id, [event])
        home.database.set_status(task_id, "completed")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_stored_tasks_whose_reading_could_not_be_committed_are_not_counted_as_read(
    take_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    home = take_home(grid_history(TASKS, 1, 5))
    home.export()
    _report_again(home)
    _fail(monkeypatch, code, ("complete",))
    with pytest.raises(OSError, match="the disk failed"):
        home.export()
    row = max(home.rows("exports"), key=lambda export: export["started"])
    assert (row["tasks_new"], row["tasks_changed"], row["points"]) == (0, 0, 0)
    assert row["tasks_unread"] == TASKS


def test_a_first_export_that_could_not_be_committed_counts_nothing_as_new(
    take_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = take_home(grid_history(TASKS, 1, 5))
    _fail(monkeypatch, errno.EIO, ("complete",))
    with pytest.raises(OSError, match="the disk failed"):
        home.export()
    (row,) = home.rows("exports")
    assert (row["tasks_new"], row["points"], row["tasks_unread"]) == (0, 0, TASKS)


def test_what_a_checkpoint_committed_is_counted_once(
    take_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = "clearml_snapshot.exporter.sync.export"
    monkeypatch.setattr(f"{run}._CHECKPOINT_TASKS", 5)
    monkeypatch.setattr(f"{run}._COMMIT_SHARE", 0)
    home = take_home(grid_history(TASKS, 1, 5))
    _fail(monkeypatch, errno.ENOSPC, ("complete",))
    with pytest.raises(OSError, match="the disk failed"):
        home.export()
    states = Counter(row["state"] for row in home.tasks().values())
    (row,) = home.rows("exports")
    assert (row["tasks_new"], row["tasks_unread"]) == (states["complete"], states["unread"])
    assert row["points"] == len(home.points())
