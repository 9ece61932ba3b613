"""A column is requested, read, written and reported in several places: none is forgotten."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.client.answers import Script, TaskEntry
from clearml_snapshot.exporter.deletable.find import StoredTask
from clearml_snapshot.exporter.merge.rules import TaskCopy
from clearml_snapshot.exporter.reader.tasks import HEAVY_FIELDS, LIGHT_FIELDS
from clearml_snapshot.exporter.standin.data.history import demo_history, grid_history
from clearml_snapshot.exporter.store.format.schema import EXPORTS, TABLES, TASKS
from clearml_snapshot.exporter.sync.planning.plan import KnownTask
from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]

OF_OTHER_RUNS = {
    "tasks": {"safe_to_delete_at", "reason", "metric_filter"},
    "exports": {"error"},
}
"""Columns that an ordinary export of the demo leaves empty; each has its own test."""
OF_A_ROW = {"export_id", "started", "finished", "error", "tool_version"}
"""Columns of ``exports`` that a report does not repeat."""
OF_A_FORECAST = {"tasks_uncounted"}
"""Counts that only a forecast has."""


def test_an_export_fills_every_column(take_home: TakeHome) -> None:
    database = demo_history()
    child, parent, *_ = database.tasks
    database.tasks[child]["parent"] = parent
    home = take_home(database)
    home.export()
    for table, schema in TABLES.items():
        rows = home.rows(table)
        assert rows, table
        empty = {name for name in schema.names if all(row.get(name) is None for row in rows)}
        assert empty == OF_OTHER_RUNS.get(table, set()), table


def test_the_row_of_a_run_is_in_its_report(take_home: TakeHome) -> None:
    home = take_home(grid_history(3, 2, 5))
    report = home.export()
    (row,) = home.rows("exports")
    shared = set(EXPORTS.names) - OF_A_ROW
    assert {name for name in shared if not hasattr(report, name)} == set()
    counted: dict[str, Any] = {name: row[name] for name in shared if isinstance(row[name], int)}
    assert len(counted) >= 13
    assert {name: getattr(report, name) for name in counted} == counted


def test_a_forecast_counts_what_an_export_counts() -> None:
    counts = {field.name for field in fields(Forecast) if field.name.startswith("tasks_")}
    assert counts - {field.name for field in fields(ExportReport)} == OF_A_FORECAST


def test_each_field_of_a_task_is_requested_and_read() -> None:
    requested = [*LIGHT_FIELDS, *HEAVY_FIELDS]
    assert {name.split(".")[0] for name in requested} == set(TaskEntry.__struct_fields__)
    of_scripts = {name.split(".")[1] for name in requested if name.startswith("script.")}
    assert of_scripts == set(Script.__struct_fields__)


@pytest.mark.parametrize(
    ("projection", "own"),
    [(KnownTask, set()), (StoredTask, set()), (TaskCopy, {"source", "made", "taken_out"})],
)
def test_what_is_read_of_stored_tasks_are_columns(projection: Any, own: set[str]) -> None:
    assert {field.name for field in fields(projection)} - set(TASKS.names) == own
