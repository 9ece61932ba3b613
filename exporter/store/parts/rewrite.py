"""Writes part files of a snapshot again as they are after a commit."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.parts.parquet import row_groups, write_part
from clearml_snapshot.exporter.store.parts.partition_buffer import Partition
from clearml_snapshot.exporter.store.parts.reading import belongs, of_series, read_batches


@dataclass(frozen=True, slots=True)
class RowChange:
    """What a commit does to the rows that are already in a table."""

    drop: Set[str] = frozenset()
    """Tasks whose rows are removed."""
    move: Mapping[str, Partition] = field(default_factory=dict)
    """Tasks whose rows stay, in another project: by task its new partition."""
    only: Mapping[str, Set[tuple[str, str]]] = field(default_factory=dict)
    """Tasks of which only some series stay: by task their metrics and variants."""

    @property
    def task_ids(self) -> list[str]:
        """Every task whose rows do not stay as they are, sorted."""
        return sorted({*self.drop, *self.move, *self.only})


def rewrite(
    source: Path,
    target: Path,
    table: str,
    change: RowChange,
    take: Callable[[pa.RecordBatch], None],
) -> FileEntry | None:
    """Write a part file again as it is after a change, in its order; None when no row is left.

    Args:
        source: the file.
        target: the new one.
        table: whose it is.
        change: rows of ``scalars`` that move leave the file, others get their new project.
        take: is given the points that move.
    """
    drop, move = (pa.array(sorted(ids), pa.string()) for ids in (change.drop, change.move))
    batches = read_batches(source, table)
    if change.only:
        batches = _with_series(batches, change.only)
    if table == "scalars" and len(move):
        batches = _without_moving(batches, move, take)
    kept = _others(batches, drop) if len(drop) else batches
    if table == "series" and len(move):
        kept = (_in_new_projects(batch, change.move) for batch in kept)
    return write_rows(target, table, kept)


def write_rows(target: Path, table: str, batches: Iterable[pa.RecordBatch]) -> FileEntry | None:
    """Write batches that are in the table's order as a part file; no rows give None and no file."""
    entry = write_part(target, table, row_groups(batches, table))
    if entry.rows:
        return entry
    target.unlink()
    with suppress(OSError):  # no folder for a project without points; others may be in it
        target.parent.rmdir()
    return None


def _others(batches: Iterable[pa.RecordBatch], ids: "pa.Array[Any]") -> Iterator[pa.RecordBatch]:
    for batch in batches:
        kept = batch.filter(pc.invert(belongs(batch, ids)))
        if kept.num_rows:
            yield kept


def _with_series(
    batches: Iterable[pa.RecordBatch], only: Mapping[str, Set[tuple[str, str]]]
) -> Iterator[pa.RecordBatch]:
    def stays(task_id: str, metric: str, variant: str) -> bool:
        return task_id not in only or (metric, variant) in only[task_id]

    ids = pa.array(sorted(only), pa.string())
    for batch in batches:
        narrowed = pc.any(belongs(batch, ids)).as_py()
        kept = batch.filter(of_series(batch, stays)) if narrowed else batch
        if kept.num_rows:
            yield kept


def _without_moving(
    batches: Iterable[pa.RecordBatch],
    moving: "pa.Array[Any]",
    take: Callable[[pa.RecordBatch], None],
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        moves = belongs(batch, moving)
        leaving = batch.filter(moves)
        if not leaving.num_rows:
            yield batch
            continue
        take(leaving)
        if leaving.num_rows < batch.num_rows:
            yield batch.filter(pc.invert(moves))


def _in_new_projects(batch: pa.RecordBatch, move: Mapping[str, Partition]) -> pa.RecordBatch:
    at = batch.schema.get_field_index("project_id")
    task_ids = cast("list[str]", batch.column("task_id").to_pylist())
    after = [
        move[task_id].project_id if task_id in move else before
        for task_id, before in zip(task_ids, batch.column(at).to_pylist(), strict=True)
    ]
    projects = pa.array(after, pa.string())
    return batch.set_column(at, "project_id", projects.dictionary_encode())


def by_partition(
    batch: pa.RecordBatch, move: Mapping[str, Partition]
) -> Iterator[tuple[Partition, pa.RecordBatch]]:
    """Split points by the partition to which their tasks move; all of them do."""
    task_ids = cast("pa.DictionaryArray[Any, Any]", batch.column("task_id"))
    texts = cast("list[str]", task_ids.dictionary.to_pylist())
    numbers = {partition: number for number, partition in enumerate(dict.fromkeys(move.values()))}
    codes = pa.array([numbers[move[t]] if t in move else None for t in texts], pa.int32())
    each = pc.take(codes, task_ids.indices)
    present = set(pc.unique(each).to_pylist())
    for partition, number in numbers.items():
        if number in present:
            yield partition, batch.filter(pc.equal(each, pa.scalar(number, pa.int32())))
