"""Two runs of one task: never mixed, and what is given up is reported."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.pointer import numbers
from clearml_snapshot.queries import open_dataset

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
SINGLE = -(2**31)


class Clock:
    """Some days ago, a second later at each look."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC) - timedelta(days=3)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def run(
    database: Database, task: str, iterations: Sequence[int], value: float, **fields: Any
) -> None:
    """Report points one by one, each at its own wall time."""
    for at in iterations:
        point = {"metric": "loss", "variant": "v", "iter": at, "value": value + at / 1000}
        database.report(task, [{**point, **fields}])


def start(database: Database, iterations: Sequence[int], **fields: Any) -> str:
    task = database.add_task("train", "p")
    database.set_status(task, "in_progress")
    run(database, task, iterations, 1.0, **fields)
    database.set_status(task, "completed")
    return task


def run_again(database: Database, task: str, iterations: Sequence[int], **fields: Any) -> None:
    database.reset(task)
    database.set_status(task, "in_progress")
    run(database, task, iterations, 2.0, **fields)
    database.set_status(task, "completed")


@pytest.fixture
def database() -> Database:
    return Database(now=Clock())


def test_a_second_run_with_as_many_reports_and_a_wider_range(
    take_home: TakeHome, database: Database
) -> None:
    task = start(database, range(0, 200, 10))
    home = take_home(database)
    home.export()
    database.reset(task)
    database.set_status(task, "in_progress")
    run(database, task, range(75), 3.0)
    run(database, task, range(75, 150), -3.0)
    report = home.export()
    home.check()
    assert (report.tasks_rerun, report.points_replaced, report.snapshot_before) == (1, 20, 1)
    assert (report.tasks_shrunk, report.warnings, report.exit_code) == (0, (), 0)
    with open_dataset(home.folder) as dataset:
        (row,) = dataset.query("last", metric="loss").fetchall()
    assert 149 in row


def test_the_snapshot_that_has_the_earlier_run_outlives_the_export(
    take_home: TakeHome, database: Database
) -> None:
    from clearml_snapshot.exporter.store.format.retention import Retention

    task = start(database, range(20))
    home = take_home(database)
    home.export()
    run_again(database, task, range(5))
    keep = Retention.parse("1")
    report = home.export(keep=keep)
    assert report.snapshot_before == 1
    assert 1 in numbers(home.folder)
    run(database, task, [6], 2.0)
    home.export(keep=keep)
    assert 1 not in numbers(home.folder)


@pytest.mark.parametrize("lost", [range(3), range(10, 12), range(19, 20)])
@pytest.mark.parametrize("is_continued", [False, True])
def test_lost_points_stay_although_as_many_came(
    take_home: TakeHome, database: Database, lost: range, is_continued: bool
) -> None:
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    before = home.points()
    database.lose(task, lambda _metric, _variant, at: at not in lost)
    if is_continued:
        database.continue_task(task)
    run(database, task, range(15, 19), 1.5)  # from its checkpoint on, once more
    run(database, task, range(20, 60), 1.0)
    report = home.export()
    assert not before.keys() - home.points().keys()
    assert (report.tasks_shrunk, report.tasks_rerun, report.warnings) == (1, 0, ())
    assert home.tasks()[task]["points_stored"] == 60


def test_without_a_common_point_the_runs_are_not_mixed_and_it_is_reported(
    take_home: TakeHome, database: Database
) -> None:
    """An index that was lost, and a task that goes on: the same to us as a run with offset."""
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    database.lose(task)
    database.continue_task(task)
    run(database, task, range(20, 30), 1.0)
    report = home.export()
    assert {key[3] for key in home.points()} == set(range(20, 30))
    (warning,) = report.warnings
    assert warning.startswith(f"task {task} (train): the server did not return 20 of the stored")
    assert warning.endswith("snapshot 1 still has them")
    assert (report.exit_code, report.tasks_rerun) == (3, 0)


@pytest.mark.parametrize("stamp", [10**16, 0, 1_700_000_000_000])
@pytest.mark.parametrize("value", [2.0, 1.0])
def test_points_without_a_wall_time_of_their_own_prove_nothing(
    take_home: TakeHome, database: Database, stamp: int, value: float
) -> None:
    """The first is beyond year 9999; equal values at equal times are those of a schedule, too."""
    task = start(database, range(20), timestamp=stamp)
    home = take_home(database)
    home.export()
    database.reset(task)
    database.set_status(task, "in_progress")
    run(database, task, range(10), value, timestamp=stamp)
    home.export()
    assert {key[3] for key in home.points()} == set(range(10))


def test_only_the_overwritten_single_value_is_left_of_a_continued_task(
    take_home: TakeHome, database: Database
) -> None:
    task = start(database, [*range(20), SINGLE])
    home = take_home(database)
    home.export()
    database.lose(task, lambda _metric, _variant, at: at == SINGLE)
    database.continue_task(task)
    run(database, task, [SINGLE], 3.0)
    report = home.export()
    assert len(home.points()) == 1
    assert len(report.warnings) == 1


def test_a_run_again_that_reports_as_much_is_read_again(
    take_home: TakeHome, database: Database
) -> None:
    """Its count of points and of reports is what it was; ``started`` is not."""
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    run_again(database, task, range(20))
    report = home.export()
    assert (report.tasks_changed, report.tasks_refreshed, report.tasks_rerun) == (1, 0, 1)
    home.check()


def test_a_deleted_task_that_comes_back_as_another_run(
    take_home: TakeHome, database: Database
) -> None:
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    document, events = database.tasks[task], database.events[task]
    database.delete_task(task)
    home.export()
    assert home.tasks()[task]["state"] == "gone"
    database.tasks[task], database.events[task] = document, events
    run_again(database, task, range(30, 90))
    home.export()
    home.check()


def test_a_task_that_moves_while_it_is_continued_after_a_loss(
    take_home: TakeHome, database: Database
) -> None:
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    database.lose(task, lambda _metric, _variant, at: at > 4)
    database.move(task, "elsewhere")
    database.continue_task(task)
    run(database, task, range(20, 30), 1.0)
    home.export()
    assert {key[3] for key in home.points()} == set(range(30))
    home.check_series()


def test_a_loss_that_is_accepted(take_home: TakeHome, database: Database) -> None:
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    database.lose(task, lambda _metric, _variant, at: at > 4)
    run(database, task, [20], 1.0)
    report = home.export(accept_loss=True)
    assert {key[3] for key in home.points()} == set(range(5, 21))
    assert (report.tasks_shrunk, report.tasks_rerun) == (0, 0)


@pytest.mark.parametrize("request_of", ["tasks.get_all_ex", "events.get_task_events"])
def test_a_run_that_begins_after_the_listing_is_not_taken_for_the_stored_one(
    request_of: str, take_home: TakeHome, database: Database
) -> None:
    """It has the start of the run before it, and no point in common with that."""
    task = start(database, range(20))
    home = take_home(database)
    home.export()
    run(database, task, [20], 1.0)
    seen: list[str] = []

    def meanwhile(endpoint: str, body: dict[str, Any]) -> None:
        is_listing = "last_metrics" not in body.get("only_fields", [])
        if endpoint == request_of and not (endpoint == "tasks.get_all_ex" and is_listing):
            if not seen:
                run_again(database, task, range(30, 60))
                run(database, task, range(60, 65), -9.0)
            seen.append(endpoint)

    home.server.meanwhile = meanwhile
    report = home.export()
    assert {key[3] for key in home.points()} == set(range(30, 65))
    assert (report.exit_code, len(report.warnings), report.tasks_rerun) == (3, 1, 0)
    home.export()
    home.check()


def test_lost_points_of_a_run_that_goes_on_stay_without_a_common_point(
    take_home: TakeHome, database: Database
) -> None:
    """Its start is queried again after the points were read."""
    task = database.add_task("train", "p")
    database.set_status(task, "in_progress")
    run(database, task, range(20), 1.0)
    home = take_home(database)
    home.export()
    database.lose(task)
    run(database, task, range(20, 30), 1.0)
    report = home.export()
    assert {key[3] for key in home.points()} == set(range(30))
    assert (report.exit_code, report.tasks_shrunk) == (0, 1)


def test_points_that_came_without_a_report_do_not_make_it_another_run(
    take_home: TakeHome, database: Database
) -> None:
    """What the server stores of a refused chunk is in no sum of reports.

    See docs/clearml-server.md, "Values". The server loses all points of a task, which goes on
    from a checkpoint: no point is as it was.
    """
    task = start(database, range(12))
    home = take_home(database)
    home.export()
    database.lose(task)
    database.continue_task(task)
    run(database, task, range(5, 12), 1.0)
    point = {"metric": "loss", "variant": "v", "iter": 12, "value": 0.5, "timestamp": 1}
    whole = {"type": "training_stats_scalar", "task": task, "worker": "w", **point}
    database.put_raw(task, json.dumps(whole))
    report = home.export()
    assert {key[3] for key in home.points()} == set(range(5, 13))
    assert (report.exit_code, report.tasks_rerun, len(report.warnings)) == (3, 0, 1)
    assert "5 " in report.warnings[0]
