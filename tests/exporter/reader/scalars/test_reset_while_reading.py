"""A task that is reset and run again while it is read is never stored as a mixture of both runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter import forecast
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.exporter.store.compare.test_same_run import Clock

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
EVENTS = "events.get_task_events"
START_MS = 1_760_000_000_000
SECOND_MS = START_MS + 10**8
"""Wall times of the first and of the second run."""
Shape = list[tuple[str, str, Any]]
"""Metric, variant and iterations of some series."""
LONG: Shape = [("loss", "train", range(1, 12_001))]


def put(database: Database, task: str, shape: Shape, stamp: int, step: int = 1) -> None:
    """Report series; the first run has values below 0, every other one above."""
    value = -1.0 if stamp == START_MS else 1.0
    for metric, variant, iterations in shape:
        n = len(iterations)
        values = [value * (at + 1) for at in range(n)]
        times = [stamp + step * at for at in range(n)]
        database.report_series(task, metric, variant, iterations, values, times)


def run(
    database: Database, task: str, shape: Shape, stamp: int, *, ends: bool = True, step: int = 1
) -> None:
    database.reset(task)
    database.set_status(task, "in_progress")
    put(database, task, shape, stamp, step)
    if ends:
        database.set_status(task, "completed")


@pytest.fixture
def database() -> Database:
    return Database(now=Clock())


@pytest.fixture
def task(database: Database) -> str:
    return database.add_task("train", "p")


def before_request(
    home: "Home", numbers: set[int], change: Callable[[], None], task: str | None = None
) -> None:
    """Change the records just before these requests (from 1) for points are answered."""
    seen = 0

    def meanwhile(endpoint: str, body: dict[str, Any]) -> None:
        nonlocal seen
        if endpoint != EVENTS or (task is not None and body["task"] != task):
            return
        seen += 1
        if seen in numbers:
            change()

    home.server.meanwhile = meanwhile


def signs(home: "Home", task: str) -> set[bool]:
    """Return the runs to which the stored points of a task belong; their values differ in sign."""
    return {
        point[0] > 0
        for key, point in home.points().items()
        if key[0] == task and point[0] is not None
    }


SECOND: dict[str, tuple[int, Shape]] = {
    "as many, before the last look": (3, LONG),
    "as many, elsewhere": (2, [("loss", "train", range(5_000, 17_000))]),
}


@pytest.mark.parametrize("second", SECOND)
def test_a_second_run_after_the_first_page(
    second: str, take_home: TakeHome, database: Database, task: str
) -> None:
    run(database, task, LONG, START_MS)
    home = take_home(database)
    number, shape = SECOND[second]
    before_request(home, {number}, lambda: run(database, task, shape, SECOND_MS))
    assert home.export().exit_code == 0
    assert signs(home, task) == {True}


def test_points_without_a_wall_time_of_their_own(
    take_home: TakeHome, database: Database, task: str
) -> None:
    """The first point is the same in both runs, and proves nothing; ``started`` does."""
    database.set_status(task, "in_progress")
    values = [1.0] + [-1.0] * 11_999
    database.report_series(task, "loss", "train", range(12_000), values, [0] * 12_000)
    home = take_home(database)

    def again() -> None:
        run(database, task, [("loss", "train", range(12_000))], 0, step=0)

    before_request(home, {2}, again)
    assert home.export().exit_code == 0
    assert signs(home, task) == {True}


def test_a_reset_between_the_parts_of_a_metric_filter(
    take_home: TakeHome, database: Database, task: str
) -> None:
    """The first part is complete in one page, and the counts agree by chance."""
    shape: Shape = [(f"m{at:03d}", "v", range(3)) for at in range(501)]
    run(database, task, shape, START_MS)
    home = take_home(database)
    before_request(home, {2}, lambda: run(database, task, shape, SECOND_MS))
    assert home.export(Selection(metrics=("m*",))).exit_code == 0
    assert signs(home, task) == {True}


def test_a_reset_while_a_task_is_read_metric_by_metric(
    take_home: TakeHome, database: Database, task: str
) -> None:
    """Too many points at one iteration; the metric that is read first does not begin first."""
    shape: Shape = [("b", f"v{at:04d}", [5]) for at in range(9_500)]
    shape += [("c", f"v{at:04d}", [5]) for at in range(600)]
    shape += [("a", "v", [6])]
    run(database, task, shape, START_MS)
    home = take_home(database)
    before_request(home, {3}, lambda: run(database, task, shape, SECOND_MS))
    assert home.export().exit_code == 0
    assert signs(home, task) == {True}


def test_a_task_that_is_run_again_at_each_page(
    take_home: TakeHome, database: Database, task: str
) -> None:
    run(database, task, LONG, START_MS)
    home = take_home(database)
    home.export()
    database.report_series(task, "loss", "train", [12_001], [-1.0], [START_MS + 99_999])
    stamps = iter(range(SECOND_MS, SECOND_MS + 10**9, 10**5))
    twice = set(range(2, 30))
    before_request(home, twice, lambda: run(database, task, LONG, next(stamps)))
    report = home.export()
    row = home.tasks()[task]
    assert (report.exit_code, row["state"]) == (3, "partial")
    assert row["reason"].startswith("it was run again while it was read, 3 times in a row")
    assert signs(home, task) == {False}, "what was stored before"
    home.server.meanwhile = lambda endpoint, body: None
    home.export()
    home.check()


def test_a_running_task_is_read_once(take_home: TakeHome, database: Database, task: str) -> None:
    """It gets more points, and overwrites its first one: a single value is before all others."""
    run(database, task, LONG, START_MS, ends=False)
    database.report_single(task, "best", -1.0)
    home = take_home(database)
    more = iter(range(12_001, 13_000))

    def report() -> None:
        at = next(more)
        database.report_series(task, "loss", "train", [at], [-1.0], [START_MS + at])
        database.report_single(task, "best", -float(at))

    before_request(home, {1, 2}, report)
    assert home.export().exit_code == 0
    assert home.tasks()[task]["state"] == "complete"
    assert len(home.sent(EVENTS)) == 3, "two pages and a look back: nothing is read twice"


def test_a_server_that_refuses_the_last_look(
    take_home: TakeHome, database: Database, task: str
) -> None:
    """Nothing proves that the pages are of one run, so its start is compared."""
    run(database, task, LONG, START_MS)
    fault = Fault("status", EVENTS, when=lambda body: body["batch_size"] < 2, status=403)
    home = take_home(database, faults=[fault])
    before_request(home, {2}, lambda: run(database, task, LONG, SECOND_MS))
    home.export()
    assert len(signs(home, task)) <= 1


def test_many_small_tasks_cost_no_more(take_home: TakeHome, database: Database) -> None:
    for name in "abcdef":
        run(database, database.add_task(name, "p"), [("loss", "v", range(20))], START_MS)
    home = take_home(database)
    would = forecast(home.folder, Selection())
    home.server.requests.clear()
    report = home.export()
    assert (report.requests, len(home.sent(EVENTS))) == (would.requests, 6)
