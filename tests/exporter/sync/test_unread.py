"""Tasks that a selection matched and that were not read: counted everywhere, read next time."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.errors import ServerError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.sync import export as run
from tests.exporter.conftest import Home

TASKS = 30


@pytest.fixture
def database() -> Database:
    return grid_history(TASKS, 1, 5)


def states(home: Home) -> Counter[str]:
    return Counter(row["state"] for row in home.tasks().values())


def test_what_a_limit_leaves_has_a_row(take_home: Callable[..., Home], database: Database) -> None:
    home = take_home(database)
    report = home.export(limits=RequestLimits(max_requests=20))
    assert report.result == "ceiling"
    counts = states(home)
    assert counts["unread"] > 0 < counts["complete"]
    assert counts.total() == TASKS
    assert report.tasks_unread == counts["unread"]
    (row,) = home.rows("exports")
    assert row["tasks_unread"] == counts["unread"]
    unread = [task for task in home.tasks().values() if task["state"] == "unread"]
    for task in unread:
        assert task["name"] == database.tasks[task["task_id"]]["name"]
        assert (task["points_stored"], task["points_expected"]) == (0, None)
        assert task["reason"] == "not read yet"
        assert task["selected"]
    report = home.export(all_tasks=False)
    assert (report.tasks_new, report.tasks_unread) == (len(unread), 0)
    assert home.rows("exports")[-1]["tasks_unread"] == 0
    home.check()


@pytest.mark.usefixtures("clock")
def test_what_a_dead_server_leaves_has_a_row(
    take_home: Callable[..., Home], database: Database
) -> None:
    fault = Fault("drop", skip=20)
    home = take_home(database, faults=[fault])
    with pytest.raises(ServerError):
        home.export()
    assert states(home).total() == TASKS
    assert states(home)["unread"] > 0
    (row,) = home.rows("exports")
    assert (row["result"], row["tasks_unread"]) == ("server lost", states(home)["unread"])
    home.server.faults.clear()
    assert home.export(all_tasks=False).result == "complete"
    home.check()


def test_a_checkpoint_marks_what_is_not_read_yet(
    take_home: Callable[..., Home], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_CHECKPOINT_TASKS", 10)
    monkeypatch.setattr(run, "_COMMIT_SHARE", 0)
    home = take_home(database)
    seen: list[Counter[str]] = []
    checkpoint = run._checkpoint

    def look(running: Any) -> None:
        checkpoint(running)
        seen.append(states(home))

    monkeypatch.setattr(run, "_checkpoint", look)
    assert home.export().result == "complete"
    assert len(seen) >= 2
    for at, counts in enumerate(seen, 1):
        assert counts.total() == TASKS
        assert counts["complete"] >= 10 * at
        assert counts["unread"] == TASKS - counts["complete"]
    home.check()


def test_stored_tasks_that_were_not_read_again_are_counted(
    take_home: Callable[..., Home], database: Database
) -> None:
    home = take_home(database)
    home.export()
    for task_id in database.tasks:
        database.continue_task(task_id)
        database.report(task_id, [{"metric": "m", "variant": "v", "iter": 99, "value": 1.0}])
        database.set_status(task_id, "completed")
    report = home.export(limits=RequestLimits(max_requests=20))
    assert report.result == "ceiling"
    left = TASKS - report.tasks_changed
    assert (report.tasks_unread, report.tasks_outdated) == (left, left)
    assert states(home) == {"complete": TASKS}
    home.export()
    home.check()


def test_only_failed_reads_what_is_not_read_yet(
    take_home: Callable[..., Home], database: Database
) -> None:
    home = take_home(database)
    home.export(limits=RequestLimits(max_requests=20))
    home.export(all_tasks=False, only_failed=True)
    home.check()


def test_an_unread_task_that_is_deleted_is_gone(
    take_home: Callable[..., Home], database: Database
) -> None:
    home = take_home(database)
    home.export(limits=RequestLimits(max_requests=20))
    (task_id, *_) = [k for k, row in home.tasks().items() if row["state"] == "unread"]
    database.delete_task(task_id)
    home.export(Selection())
    row = home.tasks()[task_id]
    assert row["state"] == "gone"
    assert row["reason"].endswith("; was unread: not read yet")


def test_a_killed_first_export_is_marked(
    take_home: Callable[..., Home],
) -> None:
    """After SIGKILL the last checkpoint names every task of the selection."""
    home = take_home(
        grid_history(60, 1, 5), faults=[Fault("stall", "events.get_task_events", skip=40)]
    )
    code = (
        "from clearml_snapshot.exporter import Selection\n"
        "from clearml_snapshot.exporter.sync import export\n"
        "export._CHECKPOINT_TASKS, export._COMMIT_SHARE = 10, 0\n"
        f"export.export({str(home.folder)!r}, Selection())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not list(home.folder.glob("current/tasks/*.parquet")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    counts = states(home)
    assert counts.total() == 60
    assert counts["unread"] > 0
