"""Tasks that are gone, archived, or no longer selected."""

from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from tests.support.changes import Clock, TakeHome, again, curve, many

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


def test_a_deleted_task_stays_and_is_marked(home: "Home", database: Database, task: str) -> None:
    before, hyperparams = home.points(), home.rows("hyperparams")
    database.delete_task(task)
    report, requests = again(home)
    assert (report.tasks_gone, report.exit_code, requests) == (1, 0, [])
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"]) == ("gone", 90)
    assert row["reason"].startswith("gone from the server")
    assert (home.points(), home.rows("hyperparams")) == (before, hyperparams)
    n_requests = len(home.sent("tasks.get_all_ex"))
    assert again(home)[0].tasks_gone == 0
    bodies = home.sent("tasks.get_all_ex")[n_requests:]
    assert not any(task in body.get("id", ()) for body in bodies)


def test_a_task_that_comes_back_is_complete_again(
    home: "Home", database: Database, task: str
) -> None:
    document, events = database.tasks[task], database.events[task]
    database.delete_task(task)
    again(home)
    database.tasks[task], database.events[task] = document, events
    again(home)
    home.check()


@pytest.mark.parametrize(
    ("count", "vanished", "marked"), [(60, 21, 0), (60, 20, 20), (300, 30, 30)]
)
def test_many_at_once_are_not_a_clean_up(
    count: int, vanished: int, marked: int, take_home: TakeHome
) -> None:
    database = Database(now=Clock())
    extra = many(database, count)
    home = take_home(database)
    home.export()
    for task in extra[:vanished]:
        database.delete_task(task)
    report, _ = again(home)
    assert report.tasks_gone == marked
    assert bool(report.warnings) == (not marked)
    assert report.exit_code == (0 if marked else 3)
    states = [row["state"] for row in home.tasks().values()]
    assert states.count("gone") == marked


def test_archived_is_not_gone(take_home: TakeHome, database: Database, task: str) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(archived="exclude")))
    curve(database, task, "loss", 50, 55, 0.0)
    database.archive(task)
    report = home.export(all_tasks=False)
    assert (report.tasks_gone, report.exit_code) == (0, 0)
    row = home.tasks()[task]
    assert (row["state"], row["archived"], row["selected"]) == ("complete", True, False)
    home.check()
    database.unarchive(task)
    home.export(all_tasks=False)
    assert home.tasks()[task]["selected"]
    home.check()


def test_no_longer_selected_is_read_once_more_and_then_left(
    take_home: TakeHome, database: Database, task: str
) -> None:
    database.continue_task(task)
    home = take_home(database)
    home.export(Selection(TaskFilter(statuses=("in_progress",))))
    curve(database, task, "loss", 50, 60, 0.0)
    database.set_status(task, "completed")
    report = home.export(all_tasks=False)
    assert (report.tasks_changed, report.exit_code) == (1, 3)
    assert "no longer matches any task" in report.warnings[0]
    assert (home.tasks()[task]["selected"], home.tasks()[task]["status"]) == (False, "completed")
    home.check(task)
    curve(database, task, "loss", 60, 61, 0.0)
    assert home.export(all_tasks=False).tasks_changed == 0


def test_one_selection_of_several_changes_nothing_of_the_others(
    home: "Home", database: Database, task: str
) -> None:
    home.export(Selection(TaskFilter(task_names=("two",))), once=True)
    home.export(Selection(TaskFilter(task_ids=(task,))))
    assert {row["selected"] for row in home.tasks().values()} == {True}
    database.delete_task(task)
    home.export(Selection(TaskFilter(task_names=("two",))))
    assert home.tasks()[task]["state"] == "complete"
    home.export(all_tasks=False)
    assert home.tasks()[task]["state"] == "gone"
