"""A remembered selection outlives the names in it; one that is lost does not stop the others."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.support.changes import curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def add(database: Database, name: str, project: str = "team/project", **fields: Any) -> str:
    fresh = database.add_task(name, project, **fields)
    database.set_status(fresh, "in_progress")
    curve(database, fresh, "loss", 0, 5, 0.0)
    return fresh


def test_an_excluded_metric_that_a_new_task_does_not_have(
    take_home: TakeHome, database: Database, task: str
) -> None:
    curve(database, task, ":monitor:gpu", 0, 5, 0.0)
    home = take_home(database)
    home.export(Selection(exclude_metrics=(":monitor:*",)))
    fresh = add(database, "fresh")
    report = home.export(all_tasks=False)
    assert (report.exit_code, report.warnings) == (0, ())
    home.check(fresh)
    curve(database, fresh, ":monitor:gpu", 0, 5, 0.0)
    home.export(all_tasks=False)
    home.check(only=lambda metric, _: not metric.startswith(":monitor:"))


def test_one_of_several_metrics_goes(take_home: TakeHome, database: Database, task: str) -> None:
    curve(database, task, "lr", 0, 5, 0.0)
    home = take_home(database)
    home.export(Selection(metrics=("loss", "lr")))
    database.delete_task(task)
    fresh = add(database, "fresh")
    assert home.export(all_tasks=False).exit_code == 0
    home.check(fresh)


def test_a_metric_that_no_task_has_now(take_home: TakeHome, database: Database, task: str) -> None:
    curve(database, task, "lr", 0, 5, 0.0)
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=("one", "later")), metrics=("lr",)))
    database.delete_task(task)
    fresh = add(database, "later")
    home.export(all_tasks=False)
    assert home.tasks()[fresh]["points_stored"] == 0
    curve(database, fresh, "lr", 0, 7, 0.0)
    home.export(all_tasks=False)
    assert home.tasks()[fresh]["points_stored"] == 7


GOES: dict[str, tuple[TaskFilter, str]] = {
    "a project": (TaskFilter(projects=("team", "audio")), "no project 'audio'"),
    "a tag of several": (TaskFilter(any_tags=("kept", "old")), "no tag 'old'"),
    "an excluded tag": (TaskFilter(exclude_tags=("old",)), ""),
}


@pytest.mark.parametrize("name", GOES)
def test_one_of_several_names_goes(name: str, take_home: TakeHome, database: Database) -> None:
    selection, alarm = GOES[name]
    other = database.add_task("other", "audio", tags=["old"])
    home = take_home(database)
    home.export(Selection(selection))
    database.rename_project(database.tasks[other]["project"], "sound")
    database.edit(other, tags=[])
    fresh = add(database, "fresh", tags=["kept"])
    report = home.export(all_tasks=False)
    assert [alarm in text for text in report.warnings] == ([True] if alarm else [])
    assert home.tasks()[fresh]["selected"]
    with pytest.raises(NoSuchNameError):
        home.export(Selection(TaskFilter(projects=("team", "audio"), limit=5)))


def test_a_metric_that_became_ambiguous_stops_only_its_selection(
    take_home: TakeHome, database: Database, task: str
) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=("one",)), metrics=("LOSS",)))
    home.export(Selection(TaskFilter(task_names=("two",))))
    curve(database, task, "Loss", 0, 5, 0.0)
    fresh = add(database, "two")
    report = home.export(all_tasks=False)
    assert report.exit_code == 3
    assert "is no longer valid: metric 'LOSS' could be" in report.warnings[0]
    home.check(fresh)
    assert home.tasks()[task]["selected"]


@pytest.mark.usefixtures("hurried")
def test_metrics_that_cannot_be_listed_are_found_in_the_points(
    take_home: TakeHome, database: Database, task: str
) -> None:
    def when(body: dict[str, Any]) -> bool:
        return task in body.get("tasks", ())

    fault = Fault("status", "events.get_multi_task_metrics", status=500, when=when)
    home = take_home(database, faults=[fault])
    report = home.export(Selection(metrics=("loss",)))
    assert report.problems == ()
    home.check(only=lambda metric, _: metric == "loss")
