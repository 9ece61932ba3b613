"""What the server loses, and what it runs again: the one stays here, the other takes its place."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.changes import EVENTS, Clock, again, curve, many

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def lose_the_loss(database: Database, task: str) -> None:
    database.lose(task, lambda metric, *_: metric != "loss")


@pytest.mark.parametrize("nights", [1, 2])
def test_lost_points_stay_however_many_new_ones_come(
    nights: int, home: "Home", database: Database, task: str
) -> None:
    before = home.points()
    lose_the_loss(database, task)
    if nights == 2:
        curve(database, task, "loss", 0, 1, 0.0)
        again(home)
        assert home.tasks()[task]["state"] == "shrunk"
    curve(database, task, "loss", 50, 250, 0.0)
    again(home)
    row = home.tasks()[task]
    assert not before.keys() - home.points().keys()
    assert (row["state"], row["points_stored"]) == ("shrunk", 290)
    assert verify(home.folder).problems == ()


def test_lost_points_stay_when_more_metrics_are_selected(
    take_home: TakeHome, database: Database, task: str
) -> None:
    home = take_home(database)
    home.export(Selection(metrics=("acc",)))
    before = home.points()
    database.lose(task, lambda metric, _, at: metric == "loss" or at >= 30)
    home.export()
    assert not before.keys() - home.points().keys()
    assert home.tasks()[task]["state"] == "shrunk"


def test_lost_points_stay_when_the_task_is_continued(
    home: "Home", database: Database, task: str
) -> None:
    before = home.points()
    lose_the_loss(database, task)
    database.continue_task(task)
    curve(database, task, "loss", 50, 60, 0.0)
    again(home)
    assert not before.keys() - home.points().keys()


def test_a_shrunk_task_that_has_all_again_is_complete(
    home: "Home", database: Database, task: str
) -> None:
    lose_the_loss(database, task)
    curve(database, task, "loss", 0, 1, 0.0)
    again(home)
    curve(database, task, "loss", 0, 60, 0.0)
    again(home)
    home.check()


@pytest.mark.parametrize("points", [5, 500])
@pytest.mark.parametrize("days", [-3, 3])
def test_a_run_again_is_not_recognised_by_a_clock(
    points: int, days: int, take_home: TakeHome, database: Database, task: str
) -> None:
    """Seen in between, reset and started without a point, on a server with another time."""
    home = take_home(database)
    home.export()
    moment = datetime.now(UTC) + timedelta(days=days)
    database.now = Clock(moment)
    database.reset(task)
    assert again(home)[0].tasks_shrunk == 1
    database.set_status(task, "in_progress")
    again(home)
    assert home.tasks()[task]["points_stored"] == 90
    curve(database, task, "loss", 0, points, 9.0)
    again(home)
    home.check()


def test_a_loss_on_a_server_whose_clock_is_ahead(take_home: TakeHome) -> None:
    database = Database(now=Clock(datetime.now(UTC) + timedelta(days=2)))
    task = database.add_task("one", "p")
    database.set_status(task, "in_progress")
    curve(database, task, "loss", 0, 50, 0.0)
    home = take_home(database)
    home.export()
    before = home.points()
    database.lose(task, lambda _metric, _variant, at: at < 30)
    curve(database, task, "loss", 0, 1, 0.0)
    home.export()
    assert home.points().keys() == before.keys()


def test_a_task_that_was_never_started_is_reset_and_reported_anew(take_home: TakeHome) -> None:
    database = Database(now=Clock())
    task = database.add_task("imported", "p")
    curve(database, task, "loss", 0, 10, 0.0)
    home = take_home(database)
    home.export()
    database.reset(task)
    curve(database, task, "loss", 0, 10, 7.0)
    home.export()
    home.check()


def refuse(home: "Home", task: str) -> Fault:
    def when(body: dict[str, object]) -> bool:
        return body.get("task") == task

    return home.server.faults.add(Fault("status", EVENTS, status=400, when=when))


def test_a_task_that_cannot_be_read_now_is_marked_beside_what_is_stored(
    home: "Home", database: Database, task: str
) -> None:
    before = home.points()
    curve(database, task, "loss", 50, 60, 0.0)
    database.rename(task, "new name")
    fault = refuse(home, task)
    for _ in range(2):
        assert home.export().exit_code == 3
        row = home.tasks()[task]
        assert (row["name"], row["state"], row["points_stored"]) == ("new name", "failed", 90)
        assert row["reason"].endswith("; the stored points are kept")
        assert home.points() == before
        assert verify(home.folder).problems == ()
    home.server.faults.faults.remove(fault)
    assert home.export(all_tasks=False, only_failed=True).tasks_changed == 1
    home.check()


def test_a_clean_up_of_many_can_be_confirmed(take_home: TakeHome) -> None:
    database = Database(now=Clock())
    extra = many(database, 60)
    home = take_home(database)
    home.export()
    for gone in extra[:30]:
        database.delete_task(gone)
    report, _ = again(home)
    assert (report.exit_code, report.tasks_gone) == (3, 0)
    assert "`accept_gone`" in report.warnings[0]
    assert again(home, accept_loss=True)[0].tasks_gone == 0, "that is about points"
    assert again(home, accept_gone=("all",))[0].tasks_gone == 30
    assert again(home)[0].exit_code == 0


def test_a_version_one_dataset_learns_what_is_selected(home: "Home") -> None:
    from clearml_snapshot.exporter.store.parts.stored import task_rows
    from clearml_snapshot.exporter.store.writing.dataset import writing

    with writing(home.folder) as dataset:
        stage, snapshot = dataset.new_stage(), dataset.snapshot
        assert snapshot is not None
        for row in task_rows(snapshot, list(home.database.tasks)):
            stage.refresh({**row, "selected": None}, None)
        dataset.commit(
            stage, server=snapshot.server, selections=snapshot.selections, export_row=None
        )
    home.export(Selection(TaskFilter()))
    assert {row["selected"] for row in home.tasks().values()} == {True}
