"""An older server ignores what it does not know; so the exporter reports it, or requests less."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.errors import ExitCode, RefusedError, ServerError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def small() -> Database:
    database = Database()
    for number in range(12):
        made = NOW - timedelta(days=number)
        tags = ["-odd"] * (number % 2)
        task = database.add_task(f"task {number}", "p", created=made, tags=tags)
        database.report_series(task, "loss", "t", [0, 1], [2.0, 1.0], [1, 2])
        database.report_series(task, "acc", "val", [0, 1], [0.5, 0.75], [1, 2])
    return database


@pytest.mark.parametrize("versions", [("2.13", "1.0.2"), ("2.14", "1.1.1")])
def test_a_server_that_ignores_metrics_is_called_too_old(
    versions: tuple[str, str], take_home: TakeHome
) -> None:
    home = take_home(small(), versions=versions)
    with pytest.raises(ServerError, match=rf"too old: ClearML {versions[1]} \(API {versions[0]}\)"):
        home.export(Selection(metrics=("acc",)))
    assert {name for name, _ in home.server.requests} == {"auth.login"}
    assert not home.rows("scalars")
    assert ServerError.exit_code == ExitCode.SERVER


@pytest.mark.parametrize("versions", [("2.16", "1.2.0"), ("2.23", "1.9.2"), ("2.30", "1.16.2")])
def test_what_an_older_server_ignores_is_checked_here(
    versions: tuple[str, str], take_home: TakeHome
) -> None:
    home = take_home(small(), versions=versions)
    task_filter = TaskFilter(tags=("-odd",), created_after=str(NOW - timedelta(days=6)))
    assert home.export(Selection(task_filter)).exit_code == 0
    names = {row["name"] for row in home.tasks().values()}
    assert names == {"task 1", "task 3", "task 5"}
    home.check(*home.tasks())


def test_a_server_that_cannot_list_metrics_stores_no_others(take_home: TakeHome) -> None:
    home = take_home(small(), versions=("2.27", "1.13.1"))
    with pytest.raises(RefusedError, match=r"too old to list the metrics .* ClearML 1\.14"):
        home.export(Selection(metrics=("acc",)))
    assert not home.rows("scalars")
    assert home.export().exit_code == 0
    home.check()
    home.folder = home.folder.with_name("newer")
    home.server.version = (2, 28)
    home.server.gate.versions = ("2.28", "1.14.1")
    assert home.export(Selection(metrics=("acc",))).exit_code == 0
    home.check(only=lambda metric, _: metric == "acc")
