"""Which part files of a snapshot hold a task, and the same files without it."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.encode import in_memory, row_groups, write_part
from clearml_snapshot.exporter.store.files import FileEntry
from clearml_snapshot.exporter.store.layout import partition
from clearml_snapshot.exporter.store.snapshots import Snapshot

_BATCH: Final = 65_536


def known_tasks(snapshot: Snapshot, task_ids: Set[str]) -> dict[str, str | None]:
    """Find which of the tasks a snapshot has already, each with its project."""
    known: dict[str, str | None] = {}
    for path in snapshot.paths("tasks"):
        rows = pq.read_table(path, columns=["task_id", "project_id"], partitioning=None)
        known.update(
            (row["task_id"], row["project_id"])
            for row in rows.to_pylist()
            if row["task_id"] in task_ids
        )
    return known


def holding(snapshot: Snapshot, tasks: dict[str, str | None]) -> set[str]:
    """Name the files (``FileEntry.path``) that hold rows of the tasks, whatever the table.

    Only the partitions of the tasks' projects are looked at, there only the files whose
    ``task_id`` range can hold one, and of these only that column.
    """
    if not tasks:
        return set()
    folders = {partition(project) for project in tasks.values()}
    ids = sorted(tasks)
    return {
        entry.path
        for entry in snapshot.files
        if entry.table != "exports"
        and (entry.table != "scalars" or entry.path.split("/")[1] in folders)
        and _holds(snapshot.root / entry.path, ids)
    }


def _holds(path: Path, ids: Sequence[str]) -> bool:
    wanted = pa.array(ids, pa.string())
    with pq.ParquetFile(path, read_dictionary=["task_id"]) as file:
        groups = [
            number
            for number in range(file.metadata.num_row_groups)
            if _may_hold(file.metadata.row_group(number), ids)
        ]
        batches = file.iter_batches(_BATCH, row_groups=groups, columns=["task_id"])
        return any(pc.any(_belongs(batch, wanted)).as_py() for batch in batches)


def _may_hold(group: pq.RowGroupMetaData, ids: Sequence[str]) -> bool:
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    nearest = bisect_left(ids, str(statistics.min))
    return nearest < len(ids) and ids[nearest] <= str(statistics.max)


def _belongs(batch: pa.RecordBatch, wanted: "pa.Array[Any]") -> "pa.Array[Any]":
    """Tell for each row whether its task is wanted; each text is compared once."""
    task_ids = cast("pa.DictionaryArray[Any, Any]", batch.column("task_id"))
    return pc.take(pc.is_in(task_ids.dictionary, wanted), task_ids.indices)


def rewrite_without(
    source: Path, target: Path, table: str, task_ids: Iterable[str]
) -> FileEntry | None:
    """Write a part file again without the tasks, in its order; None when no row is left."""
    wanted = pa.array(sorted(task_ids), pa.string())
    texts = [field.name for field in in_memory(table) if pa.types.is_dictionary(field.type)]
    with pq.ParquetFile(source, read_dictionary=texts) as file:
        batches = file.iter_batches(_BATCH)
        entry = write_part(target, table, row_groups(_others(batches, wanted), table))
    if entry.rows:
        return entry
    target.unlink()
    return None


def _others(batches: Iterable[pa.RecordBatch], wanted: "pa.Array[Any]") -> Iterator[pa.RecordBatch]:
    for batch in batches:
        kept = batch.filter(pc.invert(_belongs(batch, wanted)))
        if kept.num_rows:
            yield kept
