"""What no date shows: points that changed in silence, and tasks that were deleted on purpose."""

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import nan
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.cli.text.export import alerts, summary
from clearml_snapshot.exporter import export, forecast
from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.sync.planning.plan import Again
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from tests.support.changes import Clock, again, curve, many

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


class Notes(Progress):
    """Keeps the notes that a user would read."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def point(at: int, value: float) -> dict[str, Any]:
    return {"metric": "loss", "variant": "v", "iter": at, "value": value, "timestamp": 7}


def add_in_part(database: Database, task: str) -> None:
    """Of a refused batch one new point is stored."""
    database.report_partly(task, [point(500, 1.0), point(501, nan)])


def overwrite_in_part(database: Database, task: str) -> None:
    """Of a refused batch one point is stored that takes the place of another one."""
    database.report_partly(task, [point(3, 99.0), point(4, nan)])


@pytest.mark.parametrize(
    ("change", "how"),
    [(add_in_part, "counts"), (add_in_part, "points"), (overwrite_in_part, "points")],
)
def test_points_that_changed_in_silence_are_found(
    change: Callable[[Database, str], None],
    how: Again,
    home: "Home",
    database: Database,
    task: str,
) -> None:
    change(database, task)
    plain, _ = again(home)
    assert (plain.tasks_unchanged, plain.tasks_changed_silently) == (3, 0), "no date moved"
    report, _ = again(home, again=how)
    counts = (report.tasks_changed, report.tasks_unchanged, report.tasks_changed_silently)
    assert (counts, report.exit_code) == ((1, 2, 1), 0)
    home.check()
    assert verify(home.folder).problems == ()
    report, _ = again(home, again=how)
    assert (report.tasks_unchanged, report.tasks_changed_silently) == (3, 0)


def test_a_recount_does_not_see_an_overwritten_point(
    home: "Home", database: Database, task: str
) -> None:
    overwrite_in_part(database, task)
    report, requests = again(home, again="counts")
    assert (report.tasks_unchanged, report.tasks_changed_silently) == (3, 0)
    assert [body["batch_size"] for body in requests] == [0, 0, 0], "counts, and no points"


def test_points_that_were_lost_in_silence_stay_here(
    home: "Home", database: Database, task: str
) -> None:
    before = home.points()
    database.lose(task, lambda metric, _, at: metric == "acc" or at < 20)
    report, _ = again(home, again="counts")
    assert (report.tasks_shrunk, report.tasks_changed_silently) == (1, 1)
    assert home.points() == before
    assert again(home, again="counts")[0].tasks_unchanged == 3


def test_a_recount_requests_the_summary_of_tasks_stored_before_it_counted(
    home: "Home", database: Database, task: str
) -> None:
    """As an older version stored them: complete, although the server had lost a series before."""
    summary = database.tasks[task]["last_metrics"]
    (variants,) = [v for v in summary.values() if next(iter(v.values()))["metric"] == "acc"]
    summary["f" * 32] = {"e" * 32: {**next(iter(variants.values())), "metric": "gone"}}
    assert again(home)[0].tasks_unchanged == 3
    report, _ = again(home, again="counts")
    assert (report.exit_code, report.tasks_lost, report.tasks_changed_silently) == (3, 1, 0)
    assert home.tasks()[task]["state"] == "lost"
    assert again(home, again="counts")[0].exit_code == 0


def test_a_server_that_counts_no_reports_is_believed_its_points(
    home: "Home", database: Database, task: str
) -> None:
    for key in database.tasks:
        for variants in database.tasks[key]["last_metrics"].values():
            for series in variants.values():
                del series["count"]
    report, requests = again(home, again="counts")
    assert (report.tasks_unchanged, len(requests)) == (3, 3)
    add_in_part(database, task)
    assert again(home, again="counts")[0].tasks_changed_silently == 1


@pytest.mark.parametrize(
    ("how", "what"), [("counts", "compare the counts"), ("points", "read all")]
)
def test_the_cost_is_reported_before_it_begins(how: Again, what: str, home: "Home") -> None:
    notes, options = Notes(), ExportOptions(again=how)
    would = forecast(home.folder, Selection(), options=options, progress=notes)
    (note,) = [text for text in notes.told if "dates did not change" in text]
    assert note.startswith(f"to {what}")
    assert note.endswith("of 3 stored tasks whose dates did not change takes about 4 requests")
    assert (would.tasks_unchanged, would.tasks_changed) == ((3, 0) if how == "counts" else (0, 3))
    before = len(home.server.requests)
    home.export(again=how)
    assert len(home.server.requests) - before == would.requests


class Presser(Progress):
    """Presses Ctrl-C once, when the first task is done."""

    def __init__(self) -> None:
        self.is_pressed = False

    def task_done(self, points: int, requests: int) -> None:
        if not self.is_pressed:
            self.is_pressed = True
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("how", ["counts", "points"])
@pytest.mark.parametrize("by", ["ceiling", "interrupted"])
def test_what_was_not_compared_is_reported(how: Again, by: str, home: "Home") -> None:
    options = ExportOptions(again=how, workers=1)
    progress = Progress() if by == "ceiling" else Presser()
    if by == "ceiling":
        cost = forecast(home.folder, None, options=options).requests
        options = replace(options, limits=RequestLimits(max_requests=cost - 1))
    report = export(home.folder, None, options=options, progress=progress)
    assert (report.result, report.tasks_unread) == (by, 0)
    (warning,) = report.warnings
    left = 3 - report.tasks_unchanged
    assert left >= 1
    assert warning.startswith(f"`again={how!r}`: {left} of 3 stored tasks ")
    last = max(home.rows("exports"), key=lambda row: row["started"])
    assert (last["warnings"], last["tasks_unread"]) == ([warning], 0)
    assert f"warning: {warning}" in [*summary(report)]
    assert f"warning: {warning}" in [*alerts(report)]
    assert export(home.folder, None, options=ExportOptions(again=how)).warnings == ()


# -- deleted on purpose ----------------------------------------------------------------------------


def list_as_safe(home: "Home", task_ids: list[str]) -> None:
    from clearml_snapshot.exporter.deletable.record import record

    fetched = {key: row["fetched_at"] for key, row in home.tasks().items() if key in task_ids}
    record(home.folder, fetched, datetime.now(UTC))


@pytest.fixture
def large(take_home: TakeHome) -> tuple["Home", list[str]]:
    database = Database(now=Clock())
    extra = many(database, 60)
    home = take_home(database)
    home.export()
    return home, extra


def test_tasks_that_were_listed_as_safe_to_delete_are_expected_to_go(
    large: tuple["Home", list[str]],
) -> None:
    home, extra = large
    list_as_safe(home, extra[:40])
    home.database.archive(extra[0])
    home.export()
    for gone in extra[:40]:
        home.database.delete_task(gone)
    report, _ = again(home)
    assert (report.exit_code, report.tasks_gone, report.tasks_gone_expected) == (0, 40, 40)
    row = home.tasks()[extra[0]]
    assert (row["state"], row["safe_to_delete_at"] is not None) == ("gone", True)
    assert ", listed as safe to delete on 20" in row["reason"]
    assert verify(home.folder).problems == ()


def test_a_task_that_is_read_again_is_no_longer_listed(
    home: "Home", database: Database, task: str
) -> None:
    list_as_safe(home, [task])
    curve(database, task, "loss", 50, 60, 0.0)
    again(home)
    assert home.tasks()[task]["safe_to_delete_at"] is None


def test_some_tasks_are_accepted_as_gone_and_others_are_not(
    large: tuple["Home", list[str]],
) -> None:
    home, extra = large
    for gone in extra[:50]:
        home.database.delete_task(gone)
    report, _ = again(home, accept_gone=tuple(task_id[:12] for task_id in extra[:20]))
    assert (report.exit_code, report.tasks_gone, report.tasks_gone_expected) == (3, 20, 20)
    assert report.warnings[0].startswith("30 of 60 stored tasks vanished")
    report, _ = again(home, accept_gone=tuple(extra[20:50]))
    assert (report.exit_code, report.tasks_gone) == (0, 30)


def test_an_accepted_task_that_is_not_stored_is_a_mistake(home: "Home") -> None:
    with pytest.raises(NoSuchNameError, match="begins with 'zzz'"):
        home.export(accept_gone=("zzz",))
