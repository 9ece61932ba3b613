"""What the server reports for a task's series: one claim per series, and what cannot be counted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter import forecast
from clearml_snapshot.exporter.reader.last_metrics import (
    MOST_SERIES,
    ServerSummary,
    read_last_metrics,
)
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.verify.verify import verify

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def summary_of(metric: str, variant: str, count: object, value: float = 1.0) -> dict[str, Any]:
    series_summary = {"metric": metric, "variant": variant, "value": value, "min_value": value}
    return series_summary if count is None else {**series_summary, "count": count}


def claims(*summaries: dict[str, Any]) -> ServerSummary:
    """File each under a key of its own, as names that only look alike would be."""
    return read_last_metrics("t", {str(at): {"v": entry} for at, entry in enumerate(summaries)})


def test_each_series_has_a_row() -> None:
    rows_read = claims(summary_of("loss", "train", 3), summary_of("loss", "val", 2))
    assert [(row["variant"], row["server_count"]) for row in rows_read.rows] == [
        ("train", 3),
        ("val", 2),
    ]
    assert (rows_read.reports(None), rows_read.points(None)) == (5, 5)
    assert rows_read.reports([MetricChoice("loss", frozenset({"val"}))]) == 2


@pytest.mark.parametrize("form", [None, [], "text", {"x": None}, {"x": {"y": {"metric": "m"}}}])
def test_other_forms_are_passed_over(form: object) -> None:
    assert read_last_metrics("t", form) == ServerSummary()


@pytest.mark.parametrize("counts", [(2, 7), (7, 2), (None, 7), (7, None)])
def test_of_two_claims_the_one_that_saw_more_stays(counts: tuple[int | None, ...]) -> None:
    rows_read = claims(*(summary_of("n", "v", count, value=count or 0) for count in counts))
    ((row,), is_ambiguous) = rows_read.rows, rows_read.is_ambiguous
    assert (row["server_count"], row["server_last"], is_ambiguous) == (7, 7.0, True)
    assert rows_read.table().num_rows == 1


def test_two_claims_prove_nothing() -> None:
    """The higher count stays the same while the other series grows."""
    rows_read = claims(summary_of("n\ud800", "v", 7), summary_of("n\ud801", "v", 2))
    assert rows_read.reports(None) is None
    wide = [summary_of("m", f"v{number}", 1) for number in range(MOST_SERIES - 1)]
    assert claims(*wide, summary_of("m", "v0", 1)).reports(None) is None


def test_what_is_not_counted_is_not_zero() -> None:
    rows_read = claims(summary_of("loss", "v", None), summary_of("acc", "v", 4))
    assert (rows_read.reports(None), rows_read.points(None)) == (None, None)
    assert rows_read.points([MetricChoice("acc")]) == 4
    assert claims(summary_of("loss", "v", True)).points(None) is None
    assert claims().points(None) == 0


def history() -> Database:
    """Two ended tasks of thirty points each, too old to be in doubt."""
    moment = datetime.now(UTC) - timedelta(days=3)
    database = Database(now=lambda: moment)
    for name in ("one", "two"):
        task = database.add_task(name, "p")
        database.set_status(task, "in_progress")
        database.report_series(task, "loss", "v", range(30), [1.0] * 30, range(1, 31))
        database.set_status(task, "completed")
    return database


def forget_counts(database: Database, *tasks: str) -> None:
    """Sum up as older servers do."""
    for task in tasks:
        for variants in database.tasks[task]["last_metrics"].values():
            for entry in variants.values():
                del entry["count"]


def test_names_that_are_one_here_are_one_series(take_home: TakeHome) -> None:
    database = history()
    task = next(iter(database.tasks))
    for at, name in enumerate(("n\ud800", "n\ud801", "n\ud801")):
        database.report(task, [{"metric": name, "variant": "v", "iter": at, "value": float(at)}])
    home = take_home(database)
    assert home.export().exit_code == 0
    assert verify(home.folder).problems == ()
    (row,) = [row for row in home.rows("series") if row["metric"].startswith("n")]
    assert (row["n"], row["server_count"], row["server_last"]) == (3, 2, 2.0)


def test_a_forecast_reports_what_it_does_not_know(take_home: TakeHome) -> None:
    database = history()
    home = take_home(database)
    first, second = database.tasks
    forget_counts(database, first)
    some = forecast(home.folder, Selection())
    assert (some.tasks_new, some.points, some.tasks_uncounted) == (2, 30, 1)
    forget_counts(database, second)
    none = forecast(home.folder, Selection())
    assert (none.tasks_new, none.points, none.tasks_uncounted) == (2, None, 2)
    assert none.as_dict()["points"] is None
    assert none.requests == some.requests
    home.export()
    again = forecast(home.folder)
    assert (again.tasks_unchanged, again.points, again.tasks_uncounted) == (2, 0, 0)
