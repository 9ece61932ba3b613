"""What a snapshot holds already, read back for the next commit."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.replace import holding, read_batches
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writer import PointBuffer, Stage, TaskPoints, staged_path

_MEMORY: Final = "48MB"
"""DuckDB spills to disk beyond this; the whole export has 400 MB."""

_BATCH: Final = 16_384


def rows(snapshot: Snapshot, table: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read some columns of a small table; one that an older format lacks is None.

    Times are aware datetimes.
    """
    for path in snapshot.paths(table):
        for batch in read_batches(path, table):
            yield from batch.select(list(columns)).to_pylist()


def task_rows(snapshot: Snapshot, task_ids: Collection[str]) -> list[dict[str, Any]]:
    """Read the whole rows of ``tasks`` of some tasks, times as aware datetimes.

    They can go back through ``Stage.refresh``; a task that the snapshot lacks is left out.
    """
    wanted = pa.array(sorted(task_ids), pa.string())
    found: list[dict[str, Any]] = []
    for path in snapshot.paths("tasks"):
        for batch in read_batches(path, "tasks"):
            here = pc.is_in(batch.column("task_id").cast(pa.string()), wanted)
            found += batch.filter(here).to_pylist()
    return found


def with_stored(
    stage: Stage,
    fetched: TaskPoints | None,
    snapshot: Snapshot,
    task_id: str,
    stored_project_id: str | None,
    project_id: str | None,
) -> TaskPoints:
    """Join what was fetched of a task with what is stored of it, for a server that lost points.

    A fetched point replaces the stored one of the same metric, variant and iteration (NULL is a
    key like any other). Memory is bounded, however large the task.

    Args:
        stage: into which the points go; ``fetched`` is used up.
        fetched: what ``PointBuffer.finish`` gave; None is nothing.
        snapshot: what is stored.
        task_id: the task.
        stored_project_id: its project in the snapshot.
        project_id: its project from now on.
    """
    buffer = PointBuffer(stage, project_id)
    stored = holding(snapshot, "scalars", [task_id], {task_id: stored_project_id})
    if stored:
        paths = [str(snapshot.root / path) for path in sorted(stored)]
        for batch in _not_fetched(stage.directory, fetched, paths, task_id):
            buffer.add(pa.Table.from_batches([batch]))
    if fetched is None:
        return buffer.finish()
    buffer.add(fetched.rest)
    joined = buffer.finish()
    fetched_files = fetched.files
    return replace(
        joined,
        rows=joined.rows + sum(entry.rows for entry in fetched_files),
        files=(*fetched_files, *joined.files),
    )


def _not_fetched(
    directory: Path, fetched: TaskPoints | None, stored: Sequence[str], task_id: str
) -> Iterator[pa.RecordBatch]:
    """Stream the stored points of a task whose keys are not among the fetched ones."""
    rest = staged_path(directory)
    keys = [str(rest)]
    if fetched is not None:
        keys += [entry.path for entry in fetched.files]
    rest.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(_keys(fetched), rest)
    sql = files(__package__).joinpath("stored.sql").read_text(encoding="utf-8")
    parameters = {"stored": list(stored), "fetched": keys, "task_id": task_id}
    with duckdb.connect(config={"threads": 1, "memory_limit": _MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = $spill", {"spill": str(directory)})
        connection.execute("SET preserve_insertion_order = false")  # the points are sorted anyway
        yield from connection.sql(sql, params=parameters).to_arrow_reader(_BATCH)
    rest.unlink()


def _keys(fetched: TaskPoints | None) -> pa.Table:
    kinds = (("metric", pa.string()), ("variant", pa.string()), ("iteration", pa.int64()))
    schema = pa.schema([pa.field(name, kind) for name, kind in kinds])
    if fetched is None:
        return schema.empty_table()
    return fetched.rest.select(schema.names).cast(schema)
