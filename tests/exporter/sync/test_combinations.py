"""States of tasks where two things happen to one task: each ends exact, and none in silence."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter import forecast
from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.errors import LimitReachedError, UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from tests.support.changes import Clock, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
LOSS = Selection(metrics=("loss",))


@pytest.fixture
def database() -> Database:
    """Six ended tasks of two series."""
    database = Database(now=Clock())
    for number in range(6):
        task = database.add_task(f"t{number}", "p")
        database.set_status(task, "in_progress")
        curve(database, task, "loss", 0, 10, 0.0)
        curve(database, task, "acc", 0, 10, 1.0)
        database.set_status(task, "completed")
    return database


def in_state(home: "Home", state: str) -> list[str]:
    return sorted(task for task, row in home.tasks().items() if row["state"] == state)


def limited(home: "Home", selection: Selection | None, requests: int) -> None:
    report = home.export(selection, workers=1, limits=RequestLimits(max_requests=requests))
    assert report.result == "ceiling"
    assert report.tasks_unread > 1


def test_unread_tasks_that_move_or_are_reset_are_read_like_new_ones(
    take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    limited(home, None, 8)
    moved, reset, *rest = in_state(home, "unread")
    database.move(moved, "elsewhere")
    database.reset(reset)
    curve(database, reset, "loss", 0, 5, 3.0)
    report = home.export(all_tasks=False)
    assert (report.tasks_new, report.exit_code) == (2 + len(rest), 0)
    home.check()


@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_task_that_vanishes_before_it_is_read_is_named(
    take_home: TakeHome, database: Database, is_accepted: bool
) -> None:
    home = take_home(database)
    limited(home, None, 8)
    vanished = in_state(home, "unread")[0]
    database.delete_task(vanished)
    report = home.export(all_tasks=False, accept_gone=(vanished,) if is_accepted else ())
    assert report.tasks_gone == 1
    assert (report.exit_code, len(report.warnings)) == ((0, 0) if is_accepted else (3, 1))
    assert all(vanished in text for text in report.warnings)
    assert home.tasks()[vanished]["reason"].endswith("; was unread: not read yet")
    assert home.export(all_tasks=False).exit_code == 0


def test_metrics_that_were_selected_later_and_not_read_make_a_task_partial(
    take_home: TakeHome, database: Database
) -> None:
    """Its row would be marked complete, with a filter that hides what else was selected."""
    home = take_home(database)
    assert home.export(LOSS).exit_code == 0
    limited(home, Selection(), 8)
    left = in_state(home, "partial")
    assert len(left) > 1
    row = home.tasks()[left[0]]
    assert (row["metric_filter"], row["points_stored"], row["points_expected"]) == (None, 10, 10)
    assert row["reason"] == (
        "not read yet: more of its metrics were selected since its points were read"
    )
    report = home.export(all_tasks=False, only_failed=True)
    assert (report.exit_code, report.tasks_changed) == (0, len(left))
    home.check()


def test_a_wider_selection_of_unread_tasks_is_kept(take_home: TakeHome, database: Database) -> None:
    """Or ``--only-failed`` would read the metrics of the first selection, and call it complete."""
    home = take_home(database)
    limited(home, LOSS, 8)
    limited(home, Selection(), 6)
    assert {home.tasks()[task]["metric_filter"] for task in in_state(home, "unread")} == {None}
    home.export(all_tasks=False, only_failed=True)
    home.export(all_tasks=False)
    home.check()


def test_lost_points_are_found_for_the_metrics_that_are_added(
    take_home: TakeHome, database: Database
) -> None:
    first, second, *_ = database.tasks
    database.lose(first, lambda metric, *_: metric != "loss")
    database.lose(second, lambda metric, *_: metric != "acc")
    home = take_home(database)
    assert home.export(LOSS).tasks_lost == 1
    report = home.export(Selection(metrics=("acc",)))
    assert [problem.task_id for problem in report.problems] == [second]
    assert in_state(home, "lost") == sorted([first, second])
    report = home.export(all_tasks=False, again="points")
    assert (report.exit_code, report.tasks_unchanged) == (0, 6)
    database.delete_task(first)
    assert home.export(all_tasks=False).exit_code == 0, "all that the server still had is here"


@pytest.mark.parametrize("again", ["counts", "points"])
def test_a_dry_run_reports_the_requests(
    take_home: TakeHome, database: Database, again: str
) -> None:
    home = take_home(database)
    first = forecast(home.folder, Selection()).requests
    assert home.export().requests == first
    options = ExportOptions(again=again)  # type: ignore[arg-type]
    cost = forecast(home.folder, None, options=options).requests
    assert home.export(all_tasks=False, again=again).requests == cost
    stopped = home.export(all_tasks=False, again=again, limits=RequestLimits(max_requests=cost - 2))
    assert (stopped.result, stopped.exit_code) == ("ceiling", 7)
    home.check()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_limit_inside_the_listing_keeps_what_is_there(
    take_home: TakeHome, database: Database, is_first: bool
) -> None:
    home = take_home(database)
    if not is_first:
        limited(home, None, 8)
    before = in_state(home, "unread")
    with pytest.raises(LimitReachedError, match="before a task was read; use a higher limit"):
        home.export(Selection(), limits=RequestLimits(max_requests=2))
    last = max(home.rows("exports"), key=lambda row: row["started"])
    assert (last["result"], in_state(home, "unread")) == ("ceiling", before)
    assert home.export(all_tasks=False).exit_code == 0, "the selection is remembered"
    home.check()


def test_a_server_moves_while_most_tasks_were_deleted(
    take_home: TakeHome, database: Database
) -> None:
    """Unread tasks prove the address as well; what was deleted is accepted without any point."""
    home = take_home(database)
    limited(home, None, 8)
    kept = in_state(home, "unread")
    deleted = sorted(set(database.tasks) - {*kept[:1]})
    for task in deleted:
        database.delete_task(task)
    moved = take_home(database)
    with pytest.raises(UsageError, match=r"has only 1 of 6 stored tasks .* `accept_gone` with"):
        moved.export(all_tasks=False, server_moved=True)
    report = moved.export(all_tasks=False, server_moved=True, accept_gone=tuple(deleted))
    assert (report.tasks_new, report.tasks_gone, report.tasks_gone_expected) == (1, 5, 5)
    moved.check(kept[0])
