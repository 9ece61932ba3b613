"""What a run without a success leaves for the next one, and that no credential is among it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import (
    ServerError,
)
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.sync.failed_run import sentence

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
TOKEN = "ghp_" + "Zk3vQ9xT7bL1mN5cR8dW2fH6jP4sY0aE7uG9"

pytestmark = pytest.mark.usefixtures("clock")


def rows(home: "Home") -> list[dict[str, Any]]:
    return sorted(home.rows("exports"), key=lambda row: row["started"])


def test_a_selection_that_never_found_a_task(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    selection = Selection(TaskFilter(task_names=("later*",)))
    assert home.export(selection).exit_code == 0
    for chosen in (None, selection):
        report = home.export(chosen, all_tasks=False)
        assert report.exit_code == 3
        assert "a remembered selection has never matched a task" in report.warnings[0]
        assert rows(home)[-1]["warnings"] == list(report.warnings)
    fresh = database.add_task("later on", "team/project")
    database.set_status(fresh, "completed")
    assert home.export(all_tasks=False).exit_code == 0
    assert rows(home)[-1]["warnings"] == []


def test_a_run_of_one_selection_leaves_the_others_unknown(
    take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=("later*",))))
    home.export(all_tasks=False)
    home.export(Selection(TaskFilter(task_names=("one",))))
    home.export(all_tasks=False, only_failed=True)
    assert [bool(row["warnings"]) for row in rows(home)] == [False, True, False, False]
    assert [row["warnings"] is None for row in rows(home)] == [False, False, True, True]


def test_a_credential_in_a_warning_is_not_stored(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    home.export(Selection(TaskFilter(task_names=(f"run {TOKEN}",))), once=False)
    report = home.export(all_tasks=False, keep_secrets=True)
    assert TOKEN in report.warnings[0]
    assert TOKEN not in json.dumps(rows(home)[-1]["warnings"])
    assert "<redacted>" in rows(home)[-1]["warnings"][0]


def test_a_credential_in_an_error_is_not_stored() -> None:
    assert sentence(ServerError(f"http://x refused {TOKEN}\nsecond line")) == (
        "http://x refused <redacted>"
    )
    assert sentence(OSError("Arrow says it in words")) == "cannot write: Arrow says it in words"
