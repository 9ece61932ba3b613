"""The server's own summary against the points that came: losses are found, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clearml_snapshot.exporter.deletable.find import StoredTask, count_again
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.changes import Clock, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def ended(database: Database, name: str = "one", stop: int = 100) -> str:
    """Two series of a hundred points and a single value, of a task that ended days ago."""
    task = database.add_task(name, "p")
    database.set_status(task, "in_progress")
    curve(database, task, "loss", 0, stop, 0.0)
    curve(database, task, "acc", 0, stop, 1.0)
    database.report_single(task, "best", 0.5)
    database.set_status(task, "completed")
    return task


@pytest.fixture
def database() -> Database:
    return Database(now=Clock())


def states(home: "Home") -> dict[str, str]:
    return {task: row["state"] for task, row in home.tasks().items()}


def test_a_first_export_of_an_emptied_index_reports_every_task(
    take_home: TakeHome, database: Database
) -> None:
    tasks = [ended(database, f"task {number}") for number in range(3)]
    draft = database.add_task("draft", "p")
    for task in tasks:
        database.lose(task)
    home = take_home(database)
    report = home.export()
    assert (report.exit_code, report.tasks_lost, report.result) == (3, 3, "partial")
    assert [problem.state for problem in report.problems] == ["lost"] * 3
    assert states(home) == {**dict.fromkeys(tasks, "lost"), draft: "complete"}
    row = home.tasks()[tasks[0]]
    assert row["reason"] == (
        "the server's summary lists 3 series (Summary/best, acc/v, …) of which it has no points: "
        "they were lost or deleted on the server before this export"
    )
    assert (row["points_expected"], row["points_stored"]) == (0, 0)
    assert home.rows("exports")[-1]["tasks_lost"] == 3
    names = StoredTask.__dataclass_fields__
    stored = [StoredTask(**{name: row[name] for name in names}) for row in home.rows("tasks")]
    assert count_again(open_snapshot(home.folder), stored).count("not complete") == 3
    assert verify(home.folder).problems == ()
    again = home.export()
    assert (again.exit_code, again.tasks_unchanged, again.tasks_lost) == (0, 4, 0)


def test_iterations_above_a_point_that_are_gone_are_found(
    take_home: TakeHome, database: Database
) -> None:
    half, whole = ended(database), ended(database, "whole")
    database.lose(half, lambda metric, _, at: metric == "loss" or at < 50)
    home = take_home(database)
    assert home.export().exit_code == 3
    assert states(home) == {half: "lost", whole: "complete"}
    assert "iterations up to 99 of 1 series (acc/v)" in home.tasks()[half]["reason"]
    curve(database, half, "other", 0, 5, 0.0)
    report = home.export()
    assert (report.exit_code, report.tasks_lost) == (0, 1), "changed, and known to be lost"


def test_a_hole_within_a_series_is_found_where_the_summary_names_it(
    take_home: TakeHome, database: Database
) -> None:
    """The highest value is in the middle; the first and the last iteration are there."""
    task = database.add_task("peak", "p")
    values = -np.abs(np.arange(100.0) - 40)
    database.report_series(task, "m", "v", range(100), values, range(1, 101))
    database.lose(task, lambda _metric, _variant, at: at != 40)
    home = take_home(database)
    assert home.export().exit_code == 3
    assert "iterations up to 40 of 1 series (m/v)" in home.tasks()[task]["reason"]


def test_a_single_value_that_is_gone_is_found(take_home: TakeHome, database: Database) -> None:
    task = ended(database)
    database.report(task, [{"metric": "Summary", "variant": "best", "iter": 3, "value": 0.4}])
    database.lose(task, lambda metric, _, at: metric != "Summary" or at == 3)
    home = take_home(database)
    home.export()
    assert home.tasks()[task]["state"] == "lost"


def is_kept(kept: set[int], metric: str, _variant: str, at: int) -> bool:
    return metric == "a" or at in kept


def test_random_halves_are_found_where_an_extreme_is_gone(
    take_home: TakeHome, database: Database
) -> None:
    rng = np.random.default_rng(1)
    lossy = []
    for number in range(20):
        task = database.add_task(f"run {number}", "p")
        for metric in ("a", "b"):
            database.report_series(
                task, metric, "v", range(200), rng.normal(size=200), range(1, 201)
            )
        kept = set(rng.permutation(200)[:100].tolist())
        database.lose(task, partial(is_kept, kept))
        named = database.tasks[task]["last_metrics"]
        of_b = next(v for m in named.values() for v in m.values() if v["metric"] == "b")
        ends = ("min_value_iteration", "max_value_iteration", "first_value_iteration")
        if not {of_b[name] for name in ends} <= kept:
            lossy.append(task)
    home = take_home(database)
    home.export()
    assert {task for task, state in states(home).items() if state == "lost"} == set(lossy)
    assert len(lossy) > 10


def test_points_on_disk_are_looked_at_too(
    take_home: TakeHome, database: Database, limit_stages: Callable[..., None]
) -> None:
    limit_stages(spill_rows=50)
    whole, half = ended(database), ended(database)
    database.lose(half, lambda metric, _, at: metric == "loss" or at > 20)
    home = take_home(database)
    home.export()
    assert states(home) == {whole: "complete", half: "lost"}
    home.check(whole)


# -- no false alarms -------------------------------------------------------------------------------


def overwritten(database: Database, task: str) -> None:
    curve(database, task, "loss", 0, 100, 9.0)


def of_an_older_server(database: Database, task: str) -> None:
    for variants in database.tasks[task]["last_metrics"].values():
        for summary in variants.values():
            for name in ("min", "max", "first"):
                del summary[f"{name}_value_iteration"]


def with_colliding_names(database: Database, task: str) -> None:
    """The second one takes the place of the first one's points, on the server."""
    for at in range(5):
        database.report(task, [{"metric": "a", "variant": "b-c", "iter": at, "value": 1.0}])
        database.report(task, [{"metric": "a-b", "variant": "c", "iter": at, "value": 2.0}])


def with_surrogates(database: Database, task: str) -> None:
    points = [{"metric": "n\ud800", "variant": "v", "iter": at, "value": 1.0} for at in (3, 4)]
    database.report(task, points)


def with_two_names_that_are_one_here(database: Database, task: str) -> None:
    for name, at in (("n\ud800", 1), ("n\ud801", 2), ("n\ud801", 3)):
        database.report(task, [{"metric": name, "variant": "v", "iter": at, "value": 1.0}])


def without_numbers(database: Database, task: str) -> None:
    database.report(task, [{"metric": "odd", "variant": "v", "iter": 1, "value": None}])


def with_negative_iterations(database: Database, task: str) -> None:
    curve(database, task, "negative", -20, -3, 0.0)


def beyond_the_cap(database: Database, task: str) -> None:
    wide = [{"metric": "w", "variant": f"v{n}", "iter": 1, "value": 1.0} for n in range(2_005)]
    database.report(task, wide)


def with_plots_beyond(database: Database, task: str) -> None:
    database.edit(task, last_iteration=10_000)


@pytest.mark.parametrize(
    "change",
    [
        overwritten,
        of_an_older_server,
        with_colliding_names,
        with_surrogates,
        with_two_names_that_are_one_here,
        without_numbers,
        with_negative_iterations,
        beyond_the_cap,
        with_plots_beyond,
    ],
)
def test_what_is_not_a_loss(
    take_home: TakeHome, database: Database, change: Callable[[Database, str], None]
) -> None:
    task = ended(database)
    change(database, task)
    home = take_home(database)
    report = home.export()
    assert (report.exit_code, report.tasks_lost) == (0, 0)
    assert states(home) == {task: "complete"}


def test_an_older_server_names_series_that_are_gone(
    take_home: TakeHome, database: Database
) -> None:
    task = ended(database)
    of_an_older_server(database, task)
    database.lose(task, lambda metric, *_: metric != "acc")
    home = take_home(database)
    home.export()
    assert "1 series (acc/v) of which" in home.tasks()[task]["reason"]


def test_a_metric_filter_compares_its_own_series_only(
    take_home: TakeHome, database: Database
) -> None:
    task = ended(database)
    database.lose(task, lambda metric, *_: metric != "acc")
    home = take_home(database)
    assert home.export(Selection(metrics=("loss",))).exit_code == 0
    assert states(home) == {task: "complete"}
    assert home.export(Selection()).exit_code == 3
    assert states(home) == {task: "lost"}


def test_a_task_that_is_continued_or_run_again_is_not_a_loss(
    take_home: TakeHome, database: Database
) -> None:
    continued, again = ended(database), ended(database, "again")
    home = take_home(database)
    home.export()
    database.continue_task(continued)
    curve(database, continued, "loss", 100, 150, 0.0)
    database.reset(again)
    database.set_status(again, "in_progress")
    curve(database, again, "loss", 0, 20, 5.0)
    assert home.export().exit_code == 0
    home.check()


def test_lost_points_that_are_stored_are_shrunk_and_not_lost(
    take_home: TakeHome, database: Database
) -> None:
    task = ended(database)
    home = take_home(database)
    home.export()
    database.lose(task, lambda metric, *_: metric != "acc")
    curve(database, task, "loss", 100, 101, 0.0)
    report = home.export()
    assert (states(home)[task], report.tasks_shrunk, report.tasks_lost) == ("shrunk", 1, 0)


def test_what_is_lost_of_a_lost_task_keeps_its_reason(
    take_home: TakeHome, database: Database
) -> None:
    task = ended(database)
    database.lose(task, lambda metric, *_: metric != "acc")
    home = take_home(database)
    home.export()
    database.lose(task, lambda metric, *_: metric == "Summary")
    curve(database, task, "new", 0, 2, 0.0)
    home.export()
    row = home.tasks()[task]
    assert row["state"] == "shrunk"
    assert row["reason"].startswith("the server has 3 of its 103 points; the server's summary")


# -- points that are not visible yet ---------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [("completed", 3), ("in_progress", 0)])
def test_points_that_are_not_visible_yet_are_read_by_the_next_export(
    take_home: TakeHome, status: str, code: int
) -> None:
    """The summary is read before all of its points can be searched."""
    database = Database()
    task = ended(database)
    database.set_status(task, "in_progress")
    database.set_status(task, status)
    stored, database.events[task].blocks = database.events[task], []
    late = database.events[task].events.copy()
    database.lose(task, lambda metric, _, at: metric != "loss" or at < 99)
    home = take_home(database)
    report = home.export()
    assert (int(report.exit_code), states(home)[task]) == (code, "partial")
    assert "it was just updated; the next export reads it again" in home.tasks()[task]["reason"]
    assert home.rows("exports")[-1]["tasks_partial"] == report.tasks_partial == 1
    stored.events = late
    stored.forget()
    assert home.export().exit_code == 0
    home.check()


def test_a_task_that_is_reset_between_summary_and_points_is_not_a_loss(
    take_home: TakeHome, database: Database
) -> None:
    task = ended(database)

    def reset(body: dict[str, object]) -> bool:
        if database.tasks[task]["status"] == "completed":
            database.now = lambda: datetime.now(UTC) - timedelta(days=1)
            database.reset(task)
        return False

    home = take_home(database)
    home.server.faults.add(Fault("drop", "events.get_task_events", reset))
    assert home.export().exit_code == 0
    assert states(home) == {task: "complete"}
