"""Export again: whatever happened on the server since, what is stored ends exact and cheap."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter import forecast
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from clearml_snapshot.exporter.sync.report import ExportReport

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
EVENTS = "events.get_task_events"
START = datetime.now(UTC) - timedelta(days=3)


class Clock:
    """Days ago, so that no task is too fresh to be trusted; an hour later at each look."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def curve(database: Database, task: str, metric: str, start: int, stop: int, shift: float) -> None:
    """Report one point an iteration, in one batch."""
    points = [
        {"metric": metric, "variant": "v", "iter": at, "value": at / 7 + shift, "timestamp": at + 1}
        for at in range(start, stop)
    ]
    database.report(task, points)


@pytest.fixture
def database() -> Database:
    """Three ended tasks in a project, two metrics each."""
    database = Database(now=Clock())
    for name in ("one", "two", "three"):
        task = database.add_task(name, "team/project", tags=["kept"])
        database.set_status(task, "in_progress")
        curve(database, task, "loss", 0, 50, 0.0)
        curve(database, task, "acc", 0, 40, 1.0)
        database.set_status(task, "completed")
    return database


@pytest.fixture
def home(take_home: TakeHome, database: Database) -> "Home":
    """All of them, taken home once."""
    home = take_home(database)
    assert home.export().exit_code == 0
    return home


@pytest.fixture
def task(database: Database) -> str:
    return next(iter(database.tasks))


def again(home: "Home", **options: Any) -> tuple[ExportReport, list[dict[str, Any]]]:
    """Export everything once more; gives the report and the event requests it took."""
    before = len(home.sent(EVENTS))
    report = home.export(**options)
    return report, home.sent(EVENTS)[before:]


# -- what touches no point is taken without them ---------------------------------------------------


def rename(database: Database, task: str) -> None:
    database.rename(task, "a better name")


def retag(database: Database, task: str) -> None:
    database.edit(task, tags=["kept", "new"])


def publish(database: Database, task: str) -> None:
    database.set_status(task, "published")


def change_parameters(database: Database, task: str) -> None:
    lr = {"section": "Args", "name": "lr", "value": "0.1", "type": "float"}
    database.edit(task, hyperparams={"Args": {"lr": lr}})


def comment(database: Database, task: str) -> None:
    database.edit(task, comment="worth another look")


def archive(database: Database, task: str) -> None:
    database.archive(task)


def move(database: Database, task: str) -> None:
    database.move(task, "another/project")


def rename_project(database: Database, task: str) -> None:
    database.rename_project(database.tasks[task]["project"], "team/renamed")


def ping(database: Database, task: str) -> None:
    database.ping(task)


LABELS = [rename, retag, comment, archive, move, rename_project]
"""They move no ``last_update``, and so cost no event request."""
STATES = [publish, change_parameters, ping]
"""They move it as a report does: the server is asked for one count."""


@pytest.mark.parametrize("change", [*LABELS, *STATES])
def test_metadata_is_refreshed_without_the_points(
    change: Callable[[Database, str], None], home: "Home", database: Database, task: str
) -> None:
    fetched_at = home.tasks()[task]["fetched_at"]
    change(database, task)
    report, requests = again(home)
    assert report.tasks_refreshed >= 1
    assert (report.tasks_changed, report.tasks_new, report.points) == (0, 0, 0)
    if change in LABELS:
        assert requests == []
    assert all(request["batch_size"] == 0 for request in requests)
    home.check()
    row, document = home.tasks()[task], database.tasks[task]
    assert row["fetched_at"] == fetched_at
    assert row["project"] == database.projects[document["project"]]["name"]
    assert (row["name"], row["status"]) == (document["name"], document["status"])
    assert row["tags"] == document["tags"]
    assert row["archived"] == ("archived" in document["system_tags"])
    assert row["comment"] == (document.get("comment") or row["comment"])
    assert [one["value"] for one in home.rows("hyperparams")] == [
        one["value"] for args in document["hyperparams"].values() for one in args.values()
    ]
    assert again(home)[0].tasks_unchanged == 3


def test_a_moved_task_has_its_points_and_series_in_the_new_project(
    home: "Home", database: Database, task: str
) -> None:
    database.move(task, "another/project")
    again(home)
    project_id = database.tasks[task]["project"]
    folders = {path.parent.name for path in (home.folder / "current/scalars").rglob("*.parquet")}
    assert f"project_id={project_id}" in folders
    series = [row for row in home.rows("series") if row["task_id"] == task]
    assert {row["project_id"] for row in series} == {project_id}
    assert {row["server_count"] for row in series} == {50, 40}
    home.check()


def test_unarchived_again(home: "Home", database: Database, task: str) -> None:
    database.archive(task)
    again(home)
    assert home.tasks()[task]["archived"]
    database.unarchive(task)
    again(home)
    assert not home.tasks()[task]["archived"]
    home.check()


def test_a_task_of_more_series_than_the_server_sums_up_is_read_again(
    take_home: TakeHome, database: Database
) -> None:
    wide = database.add_task("wide", "team/project")
    database.set_status(wide, "in_progress")
    names = [f"v{number}" for number in range(2_005)]
    database.report(
        wide, [{"metric": "m", "variant": name, "iter": 0, "value": 1.0} for name in names]
    )
    database.set_status(wide, "completed")
    home = take_home(database)
    home.export()
    database.report(wide, [{"metric": "m", "variant": names[-1], "iter": 0, "value": 2.0}])
    assert again(home)[0].tasks_changed == 1
    home.check()


# -- what touches points ends exact ----------------------------------------------------------------


def late_points(database: Database, task: str) -> None:
    curve(database, task, "late", 3, 9, 5.0)


def overwritten(database: Database, task: str) -> None:
    curve(database, task, "loss", 10, 20, 100.0)


def overwritten_and_published(database: Database, task: str) -> None:
    curve(database, task, "loss", 10, 20, 100.0)
    database.set_status(task, "published")


def resumed(database: Database, task: str) -> None:
    database.set_status(task, "stopped")
    database.continue_task(task)
    curve(database, task, "loss", 50, 60, 0.0)
    database.set_status(task, "completed")


def reset_and_run_again(database: Database, task: str) -> None:
    database.reset(task)
    database.set_status(task, "in_progress")
    curve(database, task, "loss", 0, 10, -3.0)


def a_single_value(database: Database, task: str) -> None:
    database.report_single(task, "final", 0.5)


def without_a_number(database: Database, task: str) -> None:
    database.report(task, [{"metric": "loss", "variant": "v", "iter": 77, "value": 1.5}])
    database.set_status(task, "failed")


@pytest.mark.parametrize(
    "change",
    [
        late_points,
        overwritten,
        overwritten_and_published,
        resumed,
        reset_and_run_again,
        a_single_value,
        without_a_number,
    ],
)
def test_changed_points_end_exact(
    change: Callable[[Database, str], None], home: "Home", database: Database, task: str
) -> None:
    change(database, task)
    report, requests = again(home)
    assert (report.tasks_changed, report.tasks_unchanged) == (1, 2)
    assert {request["task"] for request in requests} == {task}
    home.check()
    assert again(home)[0].tasks_unchanged == 3


def test_a_task_seen_between_its_reset_and_its_new_points(
    home: "Home", database: Database, task: str
) -> None:
    before = {key: point for key, point in home.points().items() if key[0] == task}
    database.now = lambda: datetime.now(UTC)
    database.reset(task)
    assert again(home)[0].tasks_shrunk == 1
    database.set_status(task, "in_progress")
    assert again(home)[0].tasks_shrunk == 1
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("shrunk", 90, 0)
    assert {key: point for key, point in home.points().items() if key[0] == task} == before
    curve(database, task, "loss", 0, 5, 9.0)
    again(home)
    home.check()


# -- nothing is lost here because the server lost it -----------------------------------------------


def test_a_shrunk_task_keeps_what_is_stored(home: "Home", database: Database, task: str) -> None:
    before = home.points()
    curve(database, task, "loss", 0, 5, 100.0)
    database.lose(task, lambda metric, _, iteration: metric == "loss" and iteration < 20)
    report, _ = again(home)
    assert (report.tasks_shrunk, report.exit_code) == (1, 0)
    newer = {(task, "loss", "v", at): at / 7 + 100.0 for at in range(5)}
    after = home.points()
    assert after.keys() == before.keys()
    assert {key: after[key][0] for key in newer} == newer
    assert all(after[key] == before[key] for key in before.keys() - newer.keys())
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("shrunk", 90, 20)
    assert row["reason"] == "the server has 20 of its 90 points"
    home.check_series()
    assert again(home)[0].tasks_unchanged == 3
    database.move(task, "elsewhere")
    again(home)
    assert home.points() == after


def test_the_servers_word_is_taken_on_demand(home: "Home", database: Database, task: str) -> None:
    curve(database, task, "loss", 0, 5, 100.0)
    database.lose(task, lambda metric, _, iteration: metric == "loss" and iteration < 20)
    again(home)
    report, _ = again(home, accept_loss=True)
    assert (report.tasks_changed, report.tasks_shrunk, report.exit_code) == (1, 0, 0)
    assert len(home.points()) == 20 + 90 + 90
    assert home.tasks()[task]["state"] == "lost", "the summary still knows what was accepted"


def test_a_deleted_task_stays_and_is_marked(home: "Home", database: Database, task: str) -> None:
    before, hyperparams = home.points(), home.rows("hyperparams")
    database.delete_task(task)
    report, requests = again(home)
    assert (report.tasks_gone, report.exit_code, requests) == (1, 0, [])
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"]) == ("gone", 90)
    assert row["reason"].startswith("gone from the server")
    assert (home.points(), home.rows("hyperparams")) == (before, hyperparams)
    asked = len(home.sent("tasks.get_all_ex"))
    assert again(home)[0].tasks_gone == 0
    bodies = home.sent("tasks.get_all_ex")[asked:]
    assert not any(task in body.get("id", ()) for body in bodies)


def test_a_task_that_comes_back_is_whole_again(home: "Home", database: Database, task: str) -> None:
    document, events = database.tasks[task], database.events[task]
    database.delete_task(task)
    again(home)
    database.tasks[task], database.events[task] = document, events
    again(home)
    home.check()


def many(database: Database, count: int) -> list[str]:
    return [database.add_task(f"extra {at}", "team/project") for at in range(count)]


@pytest.mark.parametrize(
    ("count", "vanished", "marked"), [(60, 21, 0), (60, 20, 20), (300, 30, 30)]
)
def test_many_at_once_are_no_clean_up(
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


def test_one_selection_of_several_says_nothing_of_the_others(
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


# -- selections ------------------------------------------------------------------------------------


def remembered(home: "Home") -> list[dict[str, Any]]:
    header = json.loads((home.folder / "current/snapshot.json").read_bytes())
    return list(header["selections"])


def test_selections_are_remembered_with_what_they_matched(
    take_home: TakeHome, database: Database, task: str
) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=("one", "two"))))
    home.export(Selection(TaskFilter(task_names=("three",)), metrics=("loss",)))
    home.export(Selection(TaskFilter(task_ids=(task,))))
    home.export(Selection(TaskFilter(tags=("kept",))), once=True)
    assert [one["matched"] for one in remembered(home)] == [2, 1]
    database.rename(task, "three")
    home.export(all_tasks=False)
    assert [one["matched"] for one in remembered(home)] == [1, 2]
    home.check()


@pytest.mark.parametrize(
    "asked",
    [
        TaskFilter(tags=("kept",)),
        TaskFilter(task_names=("one", "two", "three")),
        TaskFilter(projects=("team",)),
    ],
)
def test_a_selection_that_used_to_match_is_missed(
    asked: TaskFilter, take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    home.export(Selection(asked))
    other = database.add_task("other", "elsewhere")
    home.export(Selection(TaskFilter(task_names=("other",))))
    database.rename_project(database.tasks[next(iter(database.tasks))]["project"], "moved")
    for task in list(database.tasks)[:3]:
        database.edit(task, tags=[], name="renamed")
        if asked.projects:
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
    with pytest.raises(UsageError, match="--only-failed"):
        home.export(only_failed=True)


def test_a_task_of_another_server_is_skipped(home: "Home", database: Database, task: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (file,) = (home.folder / "current/tasks").glob("*.parquet")
    table = pq.ParquetFile(file).read()
    names = ["http://elsewhere" if key == task else home.server.url for key in _ids(table)]
    at = table.schema.get_field_index("server_id")
    table = table.set_column(at, table.schema.field(at), pa.array(names))
    pq.write_table(table, file)
    header = home.folder / "current/snapshot.json"
    said = json.loads(header.read_bytes())
    for entry in said["files"]:
        if entry["table"] == "tasks":
            entry["bytes"] = file.stat().st_size
    header.write_text(json.dumps(said))
    before = home.points()
    curve(database, task, "loss", 50, 60, 0.0)
    report, requests = again(home)
    assert [(one.task_id, one.state) for one in report.problems] == [(task, "skipped")]
    assert (report.exit_code, requests) == (3, [])
    assert home.points() == before


def _ids(table: Any) -> list[str]:
    return list(table["task_id"].to_pylist())


# -- how much --------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_says_what_would_be(
    home: "Home", database: Database, task: str
) -> None:
    fresh = database.add_task("fresh", "team/project")
    curve(database, fresh, "loss", 0, 30, 0.0)
    curve(database, task, "loss", 40, 60, 0.0)
    database.rename(list(database.tasks)[1], "renamed")
    stored = _content(home.folder)
    events = len(home.sent(EVENTS))
    sent = len(home.server.requests)
    said = forecast(home.folder, Selection(), options=ExportOptions())
    assert len(home.sent(EVENTS)) == events
    assert said.requests_spent == len(home.server.requests) - sent
    counts = (said.tasks_new, said.tasks_changed, said.tasks_refreshed, said.tasks_unchanged)
    assert counts == (1, 1, 1, 1)
    assert said.points == 30 + 90 + 20
    assert _content(home.folder) == stored
    report = home.export()
    assert report.requests == said.requests
    done = (report.tasks_new, report.tasks_changed, report.tasks_refreshed, report.tasks_unchanged)
    assert done == counts


def test_a_dry_run_before_the_first_export(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    said = forecast(home.folder, Selection())
    assert (said.tasks_new, said.points) == (3, 270)
    assert not home.folder.exists()
    with pytest.raises(UsageError, match="needs a filter"):
        forecast(home.folder)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_a_metric_selection_asks_only_of_what_changed(
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
