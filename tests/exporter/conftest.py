"""Export from a stand-in, read the dataset back with plain readers, compare it with the truth."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.client.budget import RequestBudget
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.parts.staging import StageLimits
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from clearml_snapshot.exporter.sync.report import ExportReport

SINGLE_VALUE = -(2**31)

Key = tuple[str, str, str, int | None]
"""Task, metric, variant, iteration."""
Point = tuple[float | None, int | None, str | None]
"""Value, milliseconds since 1970, worker."""


@dataclass
class Home:
    """A stand-in, and the dataset that is exported from it."""

    server: StandIn
    folder: Path

    @property
    def database(self) -> Database:
        return self.server.database

    def export(
        self, selection: Selection | None = None, *, all_tasks: bool = True, **options: Any
    ) -> ExportReport:
        """Export; everything unless a selection is given (or ``all_tasks`` is False: the known)."""
        chosen = Selection() if selection is None and all_tasks else selection
        return export(self.folder, chosen, options=ExportOptions(**options))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Read a table with pyarrow, file by file."""
        files = sorted((self.folder / "current" / table).rglob("*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]

    def tasks(self) -> dict[str, dict[str, Any]]:
        return {row["task_id"]: row for row in self.rows("tasks")}

    def points(self) -> dict[Key, Point]:
        """Read all points; a key that is stored twice fails."""
        points: dict[Key, Point] = {}
        rows = 0
        for file in sorted((self.folder / "current" / "scalars").rglob("*.parquet")):
            table = pq.ParquetFile(file).read()
            column = {name: table[name] for name in table.column_names}
            column["timestamp"] = column["timestamp"].cast(pa.int64())  # milliseconds
            names = ("task_id", "metric", "variant", "iteration")
            keys = zip(*(column[name].to_pylist() for name in names), strict=True)
            values = (column[name].to_pylist() for name in ("value", "timestamp", "worker"))
            points.update(zip(keys, zip(*values, strict=True), strict=True))
            rows += table.num_rows
        assert len(points) == rows, "a key is stored twice"
        return points

    def check(self, *task_ids: str, only: Callable[[str, str], bool] = lambda *_: True) -> None:
        """See that these tasks (all of them by default) are stored completely, point for point.

        Args:
            task_ids: the tasks.
            only: whether a metric and variant were selected.
        """
        chosen = task_ids or tuple(self.database.tasks)
        tasks = self.tasks()
        assert set(chosen) <= set(tasks)
        true = {
            key: point
            for task_id in chosen
            for key, point in truth(self.database, task_id).items()
            if only(key[1], key[2])
        }
        stored = {key: point for key, point in self.points().items() if key[0] in chosen}
        assert len(stored) == len(true)
        assert stored == true
        counts = Counter(key[0] for key in true)
        for task_id in chosen:
            row = tasks[task_id]
            row_numbers = (
                row["state"],
                row["reason"],
                row["points_stored"],
                row["points_expected"],
            )
            assert row_numbers == ("complete", None, counts[task_id], counts[task_id])
        self.check_series()

    def check_series(self) -> None:
        """See with DuckDB that keys are distinct and that ``series`` agrees with the points."""
        snapshot = self.folder / "current"
        if not list(snapshot.glob("scalars/**/*.parquet")):
            return
        keys, points, series = duckdb.execute(
            f"""
            SELECT (SELECT count(*) FROM (SELECT DISTINCT task_id, metric, variant, iteration
                                          FROM '{snapshot}/scalars/**/*.parquet')),
                   (SELECT count(*) FROM '{snapshot}/scalars/**/*.parquet'),
                   (SELECT coalesce(sum(n), 0) FROM '{snapshot}/series/*.parquet')
            """
        ).fetchall()[0]
        assert keys == points == series

    def sent(self, endpoint: str) -> list[dict[str, Any]]:
        """Return the bodies sent to an endpoint, in order."""
        return [body for name, body in self.server.requests if name == endpoint]


def truth(database: Database, task_id: str) -> dict[Key, Point]:
    """Read what a stand-in holds of a task, in the form of the dataset; regular events only."""
    events = database.events[task_id]
    points: dict[Key, Point] = {}
    for block in events.blocks:
        columns = (block.iterations, block.values, block.timestamps)
        for iteration, value, stamp in zip(*(c.tolist() for c in columns), strict=True):
            key = (task_id, block.metric, block.variant, _null_if_single(iteration))
            points[key] = (value, stamp, block.worker)
    for event in events.events.values():
        body: Mapping[str, Any] = json.loads(event.text())
        key = (task_id, body["metric"], body["variant"], _null_if_single(body["iter"]))
        points[key] = (float(body["value"]), body.get("timestamp"), body.get("worker"))
    return points


def _null_if_single(iteration: int) -> int | None:
    return None if iteration == SINGLE_VALUE else iteration


@pytest.fixture
def take_home(
    start_standin: Callable[..., StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Home]:
    """Start a stand-in and lead the exporter to it: ``take_home(database, faults=[…])``."""

    def take(database: Database | None = None, **options: Any) -> Home:
        server = start_standin(database, **options)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        return Home(server, tmp_path / "data")

    return take


@pytest.fixture
def limit_stages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let exports hold less in memory: ``limit_stages(flush_rows=50)``; see ``StageLimits``."""

    def limit(**limits: int) -> None:
        small = functools.partial(writing, limits=StageLimits(**limits))
        monkeypatch.setattr("clearml_snapshot.exporter.store.writing.place.writing", small)

    return limit


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tries take half a minute; counting them, and what comes after, needs no pauses."""
    monkeypatch.setattr(RequestBudget, "sleep", lambda self, _: self.check())
