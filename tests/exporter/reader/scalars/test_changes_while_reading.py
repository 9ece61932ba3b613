"""A task that grows, is reset or deleted while its pages are read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.support.series import START_MS, task_with

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]


def before_page(
    number: int, change: Callable[[], None], *, also: Callable[[dict[str, Any]], bool] | None = None
) -> Fault:
    """Change the stand-in's records just before the n-th page (from 1) of events is answered."""
    pages = iter(range(1, 10_000))

    def when(body: dict[str, Any]) -> bool:
        if also is not None and not also(body):
            return False
        if next(pages) == number:
            change()
        return False

    return Fault("slow", "events.get_task_events", when=when)


def growing(task: str, database: Database, begin: int, count: int) -> Callable[[], None]:
    def grow() -> None:
        more = range(begin, begin + count)
        database.report(
            task, [{"metric": "loss", "variant": "train", "iter": at, "value": at} for at in more]
        )

    return grow


@pytest.mark.parametrize("before", [1, 2, 3, 4])
def test_points_that_arrive_behind_the_last_page(before: int, take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 25_001))])
    fault = before_page(before, growing(task, database, 25_001, 500))
    home = take_home(database, faults=[fault])
    assert home.export().exit_code == 0
    home.check()
    # It is followed, not read again: three pages, one look back and at most one page more.
    assert len(home.sent("events.get_task_events")) <= 6


def test_points_that_arrive_where_we_have_been(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 25_001))])
    early = [{"metric": "acc", "variant": "v", "iter": at, "value": 1} for at in range(1, 50)]
    fault = before_page(3, lambda: database.report(task, early))
    home = take_home(database, faults=[fault])
    assert home.export().exit_code == 0
    home.check()


def test_points_that_never_stop_arriving_behind_us(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 15_001))])
    numbers = iter(range(1, 100))

    def when(_: dict[str, Any]) -> bool:
        late = {"metric": "acc", "variant": f"v{next(numbers)}", "iter": -9, "value": 1}
        database.report(task, [late])
        return False

    fault = Fault("slow", "events.get_task_events", when=when)
    home = take_home(database, faults=[fault])
    report = home.export()
    row = home.tasks()[task]
    assert row["points_stored"] == len(home.points()) < row["points_expected"]
    assert (row["state"], report.exit_code) == ("partial", 3)
    missing = row["points_expected"] - row["points_stored"]
    assert row["reason"] == f"{missing} of {row['points_expected']} points were not received"


def test_a_reset_while_reading(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 25_001))])
    home = take_home(database, faults=[before_page(2, lambda: database.reset(task))])
    assert home.export().exit_code == 0
    home.check()
    assert home.tasks()[task]["points_stored"] == 0


def test_a_new_run_of_the_same_length_while_reading(take_home: TakeHome) -> None:
    # The count alone cannot distinguish the halves of two runs from one complete run.
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 15_001))])

    def run_again() -> None:
        database.reset(task)
        stamps = [START_MS + 10**8 + at for at in range(15_000)]
        iterations = range(1, 15_001)
        database.report_series(task, "loss", "train", iterations, [7.0] * 15_000, stamps)

    home = take_home(database, faults=[before_page(2, run_again)])
    assert home.export().exit_code == 0
    home.check()


def test_a_task_deleted_while_reading_fails_alone(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 15_001))])
    other = task_with(database, [("loss", "train", range(10))])
    fault = before_page(
        2, lambda: database.delete_task(task), also=lambda body: body["task"] == task
    )
    home = take_home(database, faults=[fault])
    report = home.export()
    assert [(problem.task_id, problem.state) for problem in report.problems] == [(task, "failed")]
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("failed", 0, None)
    home.check(other)
