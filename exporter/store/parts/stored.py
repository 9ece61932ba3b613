"""Reads stored rows that the next commit must keep."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.shared_texts import shared
from clearml_snapshot.exporter.store.engine.reading_errors import readable
from clearml_snapshot.exporter.store.format.schema import in_memory
from clearml_snapshot.exporter.store.parts.parquet import write_sorted
from clearml_snapshot.exporter.store.parts.partition_buffer import staged_path
from clearml_snapshot.exporter.store.parts.reading import holding, read_batches
from clearml_snapshot.exporter.store.parts.sorted_merge import not_fetched
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, Stage, TaskPoints
from clearml_snapshot.exporter.store.snapshots import Snapshot

_ROWS_AT_ONCE: Final = 4_096
"""Rows held as Python objects."""


def rows(
    snapshot: Snapshot, table: str, columns: Sequence[str], *, repeated: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Read some columns of a small table; one that an older format does not have is None.

    Times are aware datetimes.

    Args:
        snapshot: what is stored.
        table: the table's name.
        columns: which columns.
        repeated: those of them whose texts many rows share: one copy of each text is kept.
    """
    for path in snapshot.paths(table):
        for batch in read_batches(path, table, _ROWS_AT_ONCE, columns):
            with readable(path):
                dicts = batch.select(list(columns)).to_pylist()
            for row in dicts:
                for name in repeated:
                    row[name] = shared(row[name])
                yield row


def task_rows(snapshot: Snapshot, task_ids: Collection[str]) -> list[dict[str, Any]]:
    """Read the complete rows of some tasks in ``tasks``, times as aware datetimes.

    They can be stored again with ``Stage.refresh``; tasks that are not in the snapshot are skipped.
    """
    ids = pa.array(sorted(task_ids), pa.string())
    rows_found: list[dict[str, Any]] = []
    for path in snapshot.paths("tasks"):
        for batch in read_batches(path, "tasks"):
            with readable(path):
                here = pc.is_in(batch.column("task_id").cast(pa.string()), ids)
                rows_found += batch.filter(here).to_pylist()
    return rows_found


def with_stored(
    stage: Stage,
    fetched: TaskPoints | None,
    snapshot: Snapshot,
    task_id: str,
    stored_project_id: str | None,
    project_id: str | None,
) -> TaskPoints:
    """Merge the fetched points of a task with its stored ones, for a server that lost points.

    A fetched point replaces the stored one of the same metric, variant and iteration (NULL is a
    key like any other). Memory is bounded, however large the task.

    Args:
        stage: receives the points; ``fetched`` is consumed.
        fetched: what ``PointBuffer.finish`` gave; None is nothing.
        snapshot: what is stored.
        task_id: the task.
        stored_project_id: its project in the snapshot.
        project_id: its project from now on.
    """
    buffer = PointBuffer(stage, project_id)
    stored = holding(snapshot, "scalars", [task_id], {task_id: stored_project_id})
    if stored:
        rest = _rest_sorted(stage.directory, fetched)
        files = [] if fetched is None else [Path(entry.path) for entry in fetched.files]
        for rows_kept in not_fetched([snapshot.file(p) for p in stored], [*files, rest], task_id):
            buffer.add(rows_kept)
        rest.unlink()
    if fetched is None:
        return buffer.finish()
    buffer.add(fetched.rest)
    stored_points = buffer.finish()
    fetched_files = fetched.files
    return replace(
        stored_points,
        rows=stored_points.rows + sum(entry.rows for entry in fetched_files),
        files=(*fetched_files, *stored_points.files),
    )


def _rest_sorted(directory: Path, fetched: TaskPoints | None) -> Path:
    """Write what is in memory of fetched points as a file for the time of a comparison."""
    path = staged_path(directory)
    rest = in_memory("scalars").empty_table() if fetched is None else fetched.rest
    write_sorted(path, "scalars", rest)
    return path
