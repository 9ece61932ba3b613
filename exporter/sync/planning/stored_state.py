"""Reads from the dataset what an export needs before it contacts the server."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.errors import OtherServerError
from clearml_snapshot.exporter.selection.metric_filter import MONITOR_PREFIX
from clearml_snapshot.exporter.selection.selection import Remembered
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.engine.engine import query_stored
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.parts.reading import paths_with, read_batches
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.sync.planning.plan import KnownTask

_REPEATED: Final = ("state", "metric_filter", "server_id", "project_id")
"""Columns whose texts many tasks share."""


def read_stored_tasks(snapshot: Snapshot | None) -> dict[str, KnownTask]:
    """Read the stored tasks, by id."""
    if snapshot is None:
        return {}
    columns = ["task_id", *(field.name for field in fields(KnownTask))]
    tasks = {}
    for row in rows(snapshot, "tasks", columns, repeated=_REPEATED):
        task_id = row.pop("task_id")
        tasks[task_id] = KnownTask(**row)
    return tasks


def stored_reports(snapshot: Snapshot | None, task_ids: Collection[str]) -> dict[str, int]:
    """Sum the reports that the server had counted for each task's stored series.

    A task with a series that the server had not counted is left out.
    """
    if snapshot is None or not task_ids:
        return {}
    sums = _of_series(snapshot, "stored_reports.sql", task_ids)
    return {task_id: int(reports) for task_id, reports in sums}


def stored_series(snapshot: Snapshot | None, task_ids: Collection[str]) -> dict[str, set[str]]:
    """List the stored metrics and variants of some tasks."""
    if snapshot is None or not task_ids:
        return {}
    series: dict[str, set[str]] = {}
    for metric, variant in _of_series(snapshot, "stored_series.sql", task_ids):
        series.setdefault(metric, set()).add(variant)
    return series


def remembered_selections(snapshot: Snapshot | None, host: str) -> list[Remembered]:
    """Read the remembered selections, and check that the dataset is of this server.

    Raises:
        OtherServerError: the dataset was exported from another server.
    """
    if snapshot is None:
        return []
    stored = snapshot.server.get("host")
    if stored is not None and not same_address(stored, host):
        raise OtherServerError(
            f"this dataset was exported from {stored}, but the configured server is {host}; if "
            f"that is its new address use {setting('server_moved', True)}, else choose another "
            f"folder with {setting('data')}"
        )
    return [Remembered.from_json(written) for written in snapshot.selections or ()]


def monitor_points(snapshot: Snapshot) -> int:
    """Count the points of ``:monitor:*`` metrics."""
    points = 0
    for source in snapshot.sources("series"):
        for batch in read_batches(source, "series", columns=("metric", "n")):
            metrics = batch.column("metric").cast(pa.string())
            here = batch.filter(pc.starts_with(metrics, MONITOR_PREFIX))
            points += pc.sum(here.column("n")).as_py() or 0
    return points


def _of_series(
    snapshot: Snapshot, question: str, task_ids: Collection[str]
) -> list[tuple[Any, ...]]:
    """Run one of the SQL files of this folder on the series of some tasks."""
    paths = paths_with(snapshot, "series", task_ids)
    if not paths:
        return []
    sql = read_sql(__package__, question)
    return query_stored(snapshot.root, sql, files=literals(paths), ids=sorted(task_ids))
