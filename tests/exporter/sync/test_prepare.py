"""What an export reads again: by its selections, and no more than has changed."""

from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.support.changes import EVENTS, Clock, TakeHome, curve, many, remembered

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


def test_selections_are_remembered_with_what_they_matched(
    take_home: TakeHome, database: Database, task: str
) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=("one", "two"))))
    home.export(Selection(TaskFilter(task_names=("three",)), metrics=("loss",)))
    home.export(Selection(TaskFilter(task_ids=(task,))))
    home.export(Selection(TaskFilter(tags=("kept",))), once=True)
    assert [row["matched"] for row in remembered(home)] == [2, 1]
    database.rename(task, "three")
    home.export(all_tasks=False)
    assert [row["matched"] for row in remembered(home)] == [1, 2]
    home.check()


@pytest.mark.parametrize(
    "task_filter",
    [
        TaskFilter(tags=("kept",)),
        TaskFilter(task_names=("one", "two", "three")),
        TaskFilter(projects=("team",)),
    ],
)
def test_a_selection_that_used_to_match_is_missed(
    task_filter: TaskFilter, take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    home.export(Selection(task_filter))
    other = database.add_task("other", "elsewhere")
    home.export(Selection(TaskFilter(task_names=("other",))))
    database.rename_project(database.tasks[next(iter(database.tasks))]["project"], "moved")
    for task in list(database.tasks)[:3]:
        database.edit(task, tags=[], name="renamed")
        if task_filter.projects:
            database.move(task, "moved")
    curve(database, other, "loss", 0, 3, 0.0)
    for _ in range(2):
        report = home.export(all_tasks=False)
        assert report.exit_code == 3
        assert "no longer matches any task" in report.warnings[0]
    assert report.tasks_failed == 0
    home.check()
    assert [row["selected"] for row in home.tasks().values()].count(False) == 3


def test_failed_tasks_alone(home: "Home", database: Database, task: str) -> None:
    fresh = database.add_task("fresh", "team/project")
    curve(database, fresh, "loss", 0, 5, 0.0)
    fault = home.server.faults.add(
        Fault("status", EVENTS, status=400, when=lambda body: body.get("task") == fresh)
    )
    assert home.export().exit_code == 3
    curve(database, task, "loss", 50, 51, 0.0)
    home.server.faults.faults.remove(fault)
    report = home.export(all_tasks=False, only_failed=True)
    assert (report.tasks_changed, report.tasks_unchanged, report.exit_code) == (1, 0, 0)
    home.check(fresh)
    assert home.tasks()[task]["points_stored"] == 90
    assert len(remembered(home)) == 1
    with pytest.raises(UsageError, match="`only_failed=True`"):
        home.export(only_failed=True)


def test_thousands_of_unchanged_tasks(take_home: TakeHome) -> None:
    database = Database(now=Clock())
    many(database, 2_500)
    home = take_home(database)
    home.export(Selection(exclude_metrics=("*",)))  # which spares 2,500 event requests
    sent = len(home.server.requests)
    report = home.export(all_tasks=False)
    assert report.tasks_unchanged == 2_500
    requests = [name for name, _ in home.server.requests[sent:]]
    assert not any(name.startswith("events.") for name in requests)
    assert len(requests) <= 10, "five pages of the listing, and a few in all"


def test_a_metric_selection_lists_only_what_changed(
    take_home: TakeHome, database: Database, task: str
) -> None:
    home = take_home(database)
    selection = Selection(metrics=("l*",))
    home.export(selection)
    sent = len(home.server.requests)
    assert home.export(selection).tasks_unchanged == 3
    assert not any(name.startswith("events.") for name, _ in home.server.requests[sent:])
    curve(database, task, "lr", 0, 5, 0.0)
    curve(database, task, "other", 0, 5, 0.0)
    report = home.export(selection)
    assert (report.tasks_changed, report.tasks_unchanged) == (1, 2)
    home.check(only=lambda metric, _: metric in ("loss", "lr"))
    database.rename(list(database.tasks)[1], "renamed")
    report = home.export(selection)
    assert (report.tasks_changed, report.tasks_refreshed) == (1, 0), "it is asked for lr, too"
    report = home.export(selection)
    assert report.tasks_unchanged == 3


def test_archived_first(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    tasks = list(database.tasks)
    database.archive(tasks[1])
    home.export(workers=1, order="archived-first")
    order = [body["task"] for body in home.sent(EVENTS)]
    assert order == [tasks[1], tasks[0], tasks[2]]
    home.folder = home.folder.with_name("limited")
    home.export(Selection(TaskFilter(limit=2, order="archived-first")))
    assert set(home.tasks()) == {tasks[1], tasks[0]}
