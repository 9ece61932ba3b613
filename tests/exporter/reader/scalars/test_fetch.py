"""Every trap of the server's event pages: each task ends exact, or partial with true numbers."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.api import events as standin_events
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.support.series import event, task_with

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
PAGE = 10_000


def wide(metrics: int, variants: int, iterations: Iterable[int]) -> Iterator[Any]:
    """Name metrics × variants series with the same iterations."""
    for number in range(metrics):
        for variant in range(variants):
            yield f"metric {number}", f"variant {variant:05d}", list(iterations)


def scalar(metric: str, iteration: int) -> dict[str, Any]:
    return {"metric": metric, "variant": "v", "iter": iteration, "value": 1.0}


SHAPES: dict[str, list[tuple[str, str, Iterable[int]]]] = {
    "no points": [],
    "one point": [("loss", "train", [0])],
    "several pages": [("loss", "train", range(25_000))],
    "a page that ends exactly at the last iteration": [("loss", "train", range(PAGE))],
    "two pages to the last point": [("loss", "train", range(1, 2 * PAGE + 1))],
    "negative iterations": [("loss", "train", range(-15_000, 15_000))],
    "negative iterations only": [("loss", "train", range(-15_000, -3))],
    "the ends of int64": [
        ("loss", "train", [-(2**63), -(2**63) + 1, -(2**31) - 1, 0, 2**31, 2**63 - 1]),
        ("loss", "many", range(2**63 - 1 - 11_000, 2**63 - 1)),
    ],
    "exactly 10,000 series at iteration 0": list(wide(4, 2_500, [0])),
    "10,000 series at iteration 0, and more after": list(wide(4, 2_500, [0, 1])),
    "11,000 series at iteration 0": list(wide(11, 1_000, [0])),
    "9,999 negative iterations, then 0": [("loss", "train", range(-9_999, 5_000))],
    "9,999 negative iterations, then 0 of many": [
        ("loss", "train", range(-9_999, 3)),
        *wide(1, 50, [0, 1]),
    ],
    "10,000 negative iterations, then 0": [("loss", "train", range(-10_000, 5_000))],
    "12,000 points at iteration 5": list(wide(6, 2_000, [5])),
    "12,000 points at iteration 5, after and before others": [
        *wide(6, 2_000, [5]),
        ("loss", "train", range(2_000)),
    ],
    "12,000 variants of one metric at iteration 0": list(wide(1, 12_000, [0])),
    "names that look alike": [
        ("", "", range(3)),
        ("a", "b-c", range(3)),
        ("a/b", "c", range(3)),
        ("é\n\t\"'", "\U0001f600", range(3)),
        ("NaN", "null", range(3)),
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_point_arrives_once(shape: str, take_home: TakeHome) -> None:
    database = Database()
    task_with(database, SHAPES[shape])
    home = take_home(database)
    report = home.export()
    assert report.exit_code == 0
    home.check()


def test_single_values_have_no_iteration(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(-5, 5))])
    database.report_single(task, "best", 0.1)
    database.report_single(task, "best", 0.25, metric="Other")
    home = take_home(database)
    home.export()
    home.check()
    assert home.points()[task, "Summary", "best", None][0] == 0.1


def test_one_batch_reported_again_overwrites(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(10))])
    again = [{"metric": "loss", "variant": "train", "iter": at, "value": 9.0} for at in range(5)]
    database.report(task, again)
    home = take_home(database)
    home.export()
    home.check()
    assert home.tasks()[task]["points_stored"] == 10


def test_variants_of_one_iteration_and_millisecond_are_all_read(take_home: TakeHome) -> None:
    # The server shows 10,000 of them by iteration and by time; a scroll of its own is not cut.
    database = Database()
    task = database.add_task("wide", "project")
    names = [f"v{number:05d}" for number in range(12_000)]
    database.report(task, [{"metric": "m", "variant": v, "iter": 5, "value": 1} for v in names])
    home = take_home(database)
    assert home.export().exit_code == 0
    home.check()


@pytest.mark.usefixtures("hurried")
def test_metrics_that_no_call_can_name_are_missed_with_true_numbers(take_home: TakeHome) -> None:
    # No call lists more than 8,000 metrics, and of an iteration at most 10,000 points are shown.
    database = Database()
    task = task_with(
        database, [(f"m{at:05d}", "v", [3] if at == 7 else [5]) for at in range(10_300)]
    )
    home = take_home(database)
    report = home.export()
    row = home.tasks()[task]
    stored = row["points_stored"]
    assert (row["state"], row["points_expected"], report.exit_code) == ("partial", 10_300, 3)
    assert stored == len(home.points()) >= PAGE + 1
    assert row["reason"] == (
        f"{10_300 - stored} of 10300 points were not received: the server returns at most 10,000 "
        "points of one iteration, it has more at iteration 5, and it does not list the series of "
        "the others"
    )


@pytest.mark.usefixtures("hurried")
def test_more_metrics_than_the_server_lists_are_all_read(take_home: TakeHome) -> None:
    # Not all of them are at the same iteration, so their points name them.
    database = Database()
    task = database.add_task("wide", "project")
    batch = [scalar(f"m{at:05d}", 5) for at in range(10_300)]
    database.report(task, [*batch, *(scalar(f"m{at:05d}", at) for at in range(9_900, 10_300))])
    home = take_home(database)
    assert home.export().exit_code == 0
    home.check()


def test_more_metrics_than_one_request_takes(take_home: TakeHome) -> None:
    database = Database()
    task = database.add_task("wide", "project")
    database.report(task, [scalar(f"m{at:05d}", it) for at in range(1_200) for it in (0, 1)])
    home = take_home(database)
    assert home.export(Selection(exclude_metrics=("m00007",))).exit_code == 0
    home.check(only=lambda metric, _: metric != "m00007")
    assert [len(body["metrics"]) for body in home.sent("events.get_task_events")] == [
        *([500, 500, 199] * 2)
    ]


@pytest.mark.usefixtures("hurried")
def test_what_came_before_a_refused_page_is_kept(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [("loss", "train", range(1, 25_001))])
    fault = Fault(
        "status",
        "events.get_task_events",
        when=lambda body: body.get("scroll_id") is not None,
        skip=1,
        status=500,
        subcode=100,
    )
    home = take_home(database, faults=[fault])
    report = home.export()
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"]) == ("partial", len(home.points()))
    assert len(home.points()) == 2 * PAGE
    assert row["points_expected"] == 25_000
    assert row["reason"].startswith("5000 of 25000 points were not received: ")
    assert report.exit_code == 3
    home.server.faults.clear()
    assert home.export().exit_code == 0
    home.check()


def test_a_server_whose_pages_are_smaller(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    # events_retrieval.max_raw_scalars_size, in the server's configuration
    monkeypatch.setattr(standin_events, "MAX_RAW", 700)
    database = Database()
    task_with(database, [("loss", "train", range(-2_000, 2_000)), *wide(1, 900, [7])])
    task_with(database, wide(3, 500, [0, 1, 2]))
    home = take_home(database)
    assert home.export().exit_code == 0
    home.check()


@pytest.mark.usefixtures("hurried")
def test_a_server_whose_search_window_is_smaller(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin_events, "WINDOW", 6_000)
    database = Database()
    task_with(database, [("loss", "train", range(9_000))])
    home = take_home(database)
    assert home.export().exit_code == 0
    home.check()


@pytest.mark.usefixtures("hurried")
def test_events_without_an_iteration_are_counted(take_home: TakeHome) -> None:
    odd = 3
    database = Database()
    task = task_with(database, [("loss", "train", range(10_100))])
    nowhere = [{"metric": "loss", "variant": f"x{at}", "value": 1.0} for at in range(odd)]
    database.report(task, nowhere)
    home = take_home(database)
    report = home.export()
    row = home.tasks()[task]
    assert (row["points_stored"], row["points_expected"]) == (10_100, 10_100 + odd)
    assert row["state"] == "partial"
    assert row["reason"] == (
        f"{odd} of {10_100 + odd} points have no usable iteration of their own"
    )
    assert len(home.points()) == 10_100
    assert report.exit_code == 3


@pytest.mark.usefixtures("hurried")
def test_a_task_of_which_no_event_has_an_iteration(take_home: TakeHome) -> None:
    database = Database()
    task = database.add_task("odd", "project")
    database.report(task, [{"metric": "m", "variant": "v", "value": 1.0}])
    home = take_home(database)
    home.export()
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("partial", 0, 1)


def test_fractions_at_the_end_of_a_page(take_home: TakeHome) -> None:
    # A scroll that begins at 7.5, or at 7.0, is an HTTP 500.
    database = Database()
    task = task_with(database, [("loss", "train", range(1, PAGE))])
    for iteration in ("9999.5", "9999.0"):
        database.put_raw(task, event(task, variant=f"at {iteration}", iter=iteration))
    late = [{"metric": "late", "variant": "v", "iter": 10_000 + at, "value": 1} for at in range(9)]
    database.report(task, late)
    home = take_home(database)
    home.export()
    row = home.tasks()[task]
    assert (row["points_stored"], row["points_expected"]) == (PAGE - 1 + 1 + 9, PAGE - 1 + 2 + 9)
    assert row["reason"] == "1 of 10010 points have no usable iteration of their own"


def test_the_same_metric_twice_is_requested_once(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(
        database, [("loss", v, range(10)) for v in ("train", "test", "x")] + [("acc", "a", [1])]
    )
    home = take_home(database)
    home.export(Selection(metrics=("loss/train", "loss/test", "acc")))
    home.check(task, only=lambda metric, variant: (metric, variant) != ("loss", "x"))
    for body in home.sent("events.get_task_events"):
        assert [metric["metric"] for metric in body["metrics"]] == ["acc", "loss"]


def test_a_metric_filter_survives_a_split(take_home: TakeHome) -> None:
    database = Database()
    task = task_with(database, [*wide(3, 4_000, [5]), ("other", "v", range(9_000))])
    home = take_home(database)
    assert home.export(Selection(metrics=("metric *",))).exit_code == 0
    home.check(task, only=lambda metric, _: metric != "other")


@pytest.mark.usefixtures("hurried")
def test_errors_now_and_then_do_not_matter(take_home: TakeHome) -> None:
    database = Database()
    for _ in range(8):
        task_with(database, [("loss", "train", range(-5_000, 6_000))])
    fault = Fault("status", "events.*", status=500, probability=0.3)
    home = take_home(database, faults=[fault])
    assert home.export().exit_code == 0
    home.check()
    assert fault.fired


@pytest.mark.usefixtures("hurried")
def test_a_server_that_is_busy_for_a_while(take_home: TakeHome) -> None:
    database = Database()
    task_with(database, [("loss", "train", range(10))])
    fault = Fault("status", "events.get_task_events", status=503, count=5)
    home = take_home(database, faults=[fault])
    assert home.export().exit_code == 0
    home.check()
    assert fault.fired == 5


def test_a_cut_iteration_is_seen_at_once(take_home: TakeHome) -> None:
    database = Database()
    task_with(database, wide(6, 2_000, [5]))
    home = take_home(database)
    home.export()
    # The page that is cut, one for each metric in its place, and a look back.
    assert len(home.sent("events.get_task_events")) == 8
