"""Which tasks' scalars are all here: each doubt, and nothing listed that is not certain."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.client.client import READING_ENDPOINTS
from clearml_snapshot.exporter.deletable import find as saved
from clearml_snapshot.exporter.deletable.find import (
    CountedAgain,
    StoredTask,
    count_again,
    verify_files,
)
from clearml_snapshot.exporter.errors import DatasetError, LoginError, ServerError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def history(tasks: int = 4) -> Database:
    """Tasks that have ended, with three points of a series and a single value each."""
    database = Database()
    for number in range(tasks):
        created = datetime.now(UTC) - timedelta(hours=tasks - number)
        task = database.add_task(f"task {number}", "p", created=created)
        database.set_status(task, "in_progress")
        database.report_series(task, "loss", "train", [0, 1, 2], [3.0, 2.0, 1.0], [1, 2, 3])
        database.report_single(task, "best", 1.0)
        database.set_status(task, "completed")
    return database


@pytest.fixture
def home(take_home: TakeHome) -> "Home":
    """Four tasks, exported completely."""
    home = take_home(history())
    assert home.export().result == "complete"
    home.server.requests.clear()
    return home


def stored(home: "Home") -> list[StoredTask]:
    """The candidates, as the command reads them out of the dataset."""
    names = StoredTask.__dataclass_fields__
    rows = sorted(home.rows("tasks"), key=lambda row: str(row["created"]))
    return [StoredTask(**{name: row[name] for name in names}) for row in rows]


def again(home: "Home", **options: Any) -> CountedAgain:
    return count_again(open_snapshot(home.folder), stored(home), **options)


def ids(home: "Home") -> list[str]:
    return list(home.database.tasks)


def test_what_has_ended_and_is_complete_is_listed(home: "Home") -> None:
    report = again(home)
    assert (list(report.task_ids), report.left_out) == (ids(home), {})
    counted = [body["task"] for body in home.sent(EVENTS)]
    assert sorted(counted) == sorted(ids(home)), "each was counted just now"
    assert all(body["count_total"] for body in home.sent(EVENTS))
    assert {name for name, _ in home.server.requests} <= READING_ENDPOINTS | {"auth.login"}


@pytest.mark.parametrize("status", ["stopped", "failed", "published", "closed"])
def test_every_way_to_end_is_an_end(take_home: TakeHome, status: str) -> None:
    database = history(1)
    home = take_home(database)
    database.set_status(ids(home)[0], status)
    home.export()
    assert list(again(home).task_ids) == ids(home)


def test_labels_may_change(home: "Home") -> None:
    first, second, third, _ = ids(home)
    home.database.rename(first, "renamed")
    home.database.archive(second)
    home.database.move(third, "elsewhere")
    home.database.rename_project(home.database.add_project("p"), "q")
    assert list(again(home).task_ids) == ids(home)


def test_a_hidden_task_is_not_gone(take_home: TakeHome) -> None:
    home = take_home(history(1))
    home.export()
    home.database.edit(ids(home)[0], system_tags=["hidden"])
    assert list(again(home).task_ids) == ids(home)


@pytest.mark.parametrize("status", ["in_progress", "queued", "created", "publishing"])
def test_what_has_not_ended_is_left_out(take_home: TakeHome, status: str) -> None:
    """As it was exported: nothing has changed since."""
    home = take_home(history())
    task = ids(home)[1]
    home.database.set_status(task, status)
    assert home.export().result == "complete"
    report = again(home)
    assert report.left_out == {task: "running"}
    assert task not in {body["task"] for body in home.sent(EVENTS)[-3:]}


def test_what_has_changed_is_left_out(home: "Home") -> None:
    late, pinged, rerun, _ = ids(home)
    point = {"metric": "loss", "variant": "train", "iter": 1, "value": 7.0}
    home.database.report(late, [point])  # it overwrites: the count stays as it is
    home.database.ping(pinged)
    home.database.continue_task(rerun)
    home.database.set_status(rerun, "completed")
    assert again(home).left_out == dict.fromkeys((late, pinged, rerun), "changed")


def test_each_field_that_shows_it_counts(home: "Home") -> None:
    first, second, third, _ = ids(home)
    home.database.edit(first, last_iteration=3)
    home.database.edit(second, started=datetime.now(UTC))
    home.database.edit(third, last_update=datetime.now(UTC))
    assert again(home).left_out == dict.fromkeys((first, second, third), "changed")


def test_what_changes_while_it_is_counted_is_left_out(home: "Home") -> None:
    task = ids(home)[2]

    def ping(body: dict[str, Any]) -> bool:
        if body["task"] == task:
            home.database.ping(task)
        return False

    home.server.faults.add(Fault("drop", EVENTS, ping))
    assert again(home).left_out == {task: "changed"}


def test_points_that_the_server_has_lost_or_gained_are_found(home: "Home") -> None:
    """No field of the task shows either."""
    less, more, none, _ = ids(home)
    home.database.lose(less, keep=lambda metric, variant, iteration: iteration != 1)
    home.database.put_raw(
        more,
        f'{{"type": "training_stats_scalar", "task": "{more}", "metric": "loss", '
        '"variant": "train", "iter": 99, "value": 1.0, "timestamp": 1}',
    )
    home.database.lose(none)
    report = again(home)
    assert report.left_out == dict.fromkeys((less, more, none), "count differs")
    assert report.count("count differs") == 3


def test_what_is_gone_is_left_out(home: "Home") -> None:
    before, meanwhile, *_ = ids(home)
    home.database.delete_task(before)

    def delete(body: dict[str, Any]) -> bool:
        if body["task"] == meanwhile and meanwhile in home.database.tasks:
            home.database.delete_task(meanwhile)
        return False

    home.server.faults.add(Fault("drop", EVENTS, delete))
    assert again(home).left_out == dict.fromkeys((before, meanwhile), "gone")


def test_what_is_not_complete_here_is_left_out(take_home: TakeHome) -> None:
    home = take_home(history())
    task = ids(home)[0]
    home.server.faults.add(Fault("status", EVENTS, lambda b: b["task"] == task, status=400))
    assert home.export().result == "partial"
    home.server.faults.clear()
    assert again(home).left_out == {task: "not complete"}


def test_a_metric_filter_leaves_a_task_out(take_home: TakeHome) -> None:
    home = take_home(history())
    home.export(Selection(metrics=("loss",)), once=True)
    assert again(home).left_out == dict.fromkeys(ids(home), "metric filter")


def test_another_servers_tasks_are_left_out(
    home: "Home", start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = start_standin(home.database)
    for name, value in other.environment().items():
        monkeypatch.setenv(name, value)
    assert again(home).left_out == dict.fromkeys(ids(home), "another server's")
    assert [name for name, _ in other.requests] == ["auth.login"]


def test_older_than_uses_the_last_update_on_the_server(take_home: TakeHome) -> None:
    home = take_home(history(3))
    now = datetime.now(UTC)
    old, edge, young = ids(home)
    home.database.edit(old, last_update=now - timedelta(days=40))
    home.database.edit(edge, last_update=now - timedelta(days=31))
    home.database.edit(young, last_update=now - timedelta(days=29))
    home.export()
    report = again(home, older_than=now - timedelta(days=30))
    assert (list(report.task_ids), report.left_out) == ([old, edge], {young: "too young"})


@pytest.mark.usefixtures("hurried")
def test_what_cannot_be_counted_is_left_out(home: "Home") -> None:
    task = ids(home)[3]
    fault = Fault("status", EVENTS, lambda b: b["task"] == task, status=500, subcode=100)
    home.server.faults.add(fault)
    report = again(home)
    assert report.left_out == {task: "not counted"}
    assert len(report.task_ids) == 3


def test_groups_of_tasks_are_requested_together(
    home: "Home", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "_GROUP", 3)
    home.database.lose(ids(home)[3])
    report = again(home, workers=2)
    assert list(report.task_ids) == ids(home)[:3]
    assert [len(body["id"]) for body in home.sent("tasks.get_all_ex")] == [3, 3, 1, 1]


def test_without_tasks_nothing_is_requested(home: "Home") -> None:
    assert count_again(open_snapshot(home.folder), []).task_ids == ()
    for task in ids(home):
        home.database.continue_task(task)
    assert again(home).count("running") == 4
    assert len(home.sent("tasks.get_all_ex")) == 1, "no ids would mean every task"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("endpoint", ["tasks.*", "events.*", "*"])
def test_a_server_that_dies_lists_nothing(home: "Home", endpoint: str) -> None:
    home.server.faults.add(Fault("drop", "server.info"))
    home.server.faults.add(Fault("drop", endpoint, skip=1))
    with pytest.raises(ServerError):
        again(home, workers=1)


def test_wrong_keys_are_reported(home: "Home", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_API_SECRET_KEY", "wrong")
    with pytest.raises(LoginError):
        again(home)


@pytest.mark.parametrize("value", [2**60 + 1, None, "text"])
def test_values_that_are_not_the_servers_leave_a_task_out(take_home: TakeHome, value: Any) -> None:
    """The count is right, and yet a deleted task takes something with it."""
    home = take_home(history())
    task = ids(home)[2]
    home.database.report(task, [{"metric": "odd", "variant": "v", "iter": 0, "value": value}])
    assert home.export().result == "complete"
    assert home.tasks()[task]["points_bad"] == 1
    assert again(home).left_out == {task: "values differ"}


def damage(path: Path) -> None:
    """Change a byte and not the size: opening a snapshot looks at sizes."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("table", ["tasks", "scalars"])
def test_a_changed_file_of_a_listed_task_is_found(home: "Home", table: str) -> None:
    notices: list[str] = []
    listed, snapshot = stored(home), open_snapshot(home.folder)
    verify_files(snapshot, listed, notices.append)
    assert notices[0].startswith("hashing 2 files, ")
    changed = next((snapshot.root / table).rglob("*.parquet"))
    damage(changed)
    with pytest.raises(
        DatasetError, match=r"content changed .*; run clearml-snapshot verify$"
    ) as e:
        verify_files(snapshot, listed)
    assert changed.relative_to(snapshot.root).as_posix() in str(e.value)
    verify_files(snapshot, [])


def test_only_the_folders_of_listed_tasks_are_hashed(take_home: TakeHome) -> None:
    home = take_home(history(1))
    elsewhere = home.database.add_task("elsewhere", "other/project")
    home.database.report_series(elsewhere, "loss", "train", [0], [1.0], [1])
    home.export()
    snapshot, tasks = open_snapshot(home.folder), stored(home)
    of = {task.task_id: task for task in tasks}
    folder = f"project_id={of[elsewhere].project_id}"
    damage(next((snapshot.root / "scalars" / folder).glob("*.parquet")))
    verify_files(snapshot, [of[ids(home)[0]]])
    with pytest.raises(DatasetError, match="content changed"):
        verify_files(snapshot, tasks)


# -- more than the count ---------------------------------------------------------------------------


def report_over(home: "Home", task: str, at: int, value: float) -> None:
    """Store a point as a partly refused batch does: the summary and the dates stay."""
    point = {"metric": "loss", "variant": "train", "timestamp": 9}
    points = [{**point, "iter": at, "value": value}, {**point, "iter": 77, "value": math.nan}]
    home.database.report_partly(task, points)


def test_an_overwritten_point_is_found_by_reading_alone(home: "Home") -> None:
    task = ids(home)[1]
    report_over(home, task, 1, 2.5)
    assert list(again(home).task_ids) == ids(home)
    notices: list[str] = []
    assert again(home, reread=True, notice=notices.append).left_out == {task: "points differ"}
    assert notices == ["reading the points of 4 tasks takes about 4 requests"]


def test_stored_points_that_the_summary_contradicts_are_not_listed(home: "Home") -> None:
    """As they were stored after a batch that was refused in part; the count agrees."""
    low, more, gone, _ = ids(home)
    report_over(home, low, 1, -5.0)  # below the lowest value that was ever reported
    report_over(home, more, 9, 2.0)
    home.database.tasks[gone]["last_metrics"]["f" * 32] = {
        "e" * 32: {"metric": "lost", "variant": "v", "count": 3}
    }
    assert again(home).left_out == {more: "count differs", gone: "summary differs"}
    home.export(again="points")
    assert again(home).left_out == {
        **dict.fromkeys((low, more), "summary differs"),
        gone: "not complete",
    }
    assert again(home, reread=True).left_out == {gone: "not complete"}


def test_an_overwritten_extreme_is_not_a_contradiction(take_home: TakeHome) -> None:
    """The summary keeps the lowest value, whose iteration has another value since."""
    home = take_home(history(1))
    (task,) = ids(home)
    home.database.report(task, [{"metric": "loss", "variant": "train", "iter": 2, "value": 2.5}])
    home.export()
    assert list(again(home).task_ids) == [task]


def test_a_loss_that_left_the_count_as_it_was_is_found(home: "Home") -> None:
    """The server lost a point, and another one came that moved no date."""
    task = ids(home)[0]
    home.database.lose(task, lambda metric, _, at: metric != "loss" or at != 1)
    report_over(home, task, 5, 1.5)
    assert again(home, reread=True).left_out == {task: "points differ"}


def test_a_task_without_points_and_summary_that_counts_iterations_is_not_listed(
    take_home: TakeHome,
) -> None:
    home = take_home(history(2))
    odd, plain = ids(home)
    for task, iteration in ((odd, 100), (plain, 0)):
        home.database.lose(task)
        home.database.edit(task, last_metrics={}, last_iteration=iteration)
    home.export()
    assert again(home).left_out == {odd: "summary differs"}


def test_what_has_no_summary_is_reported(take_home: TakeHome) -> None:
    home = take_home(history(2))
    home.database.edit(ids(home)[0], last_metrics={})
    home.export()
    report = again(home)
    assert (len(report.task_ids), report.without_summary) == (2, 1)
