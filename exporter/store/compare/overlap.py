"""Compares two readings of one task point by point: what both have, and what only one has.

A point that both have with the same wall time and value proves that the later reading is of the
same run; a reset deletes all points, and the next run reports them at other times
(docs/clearml-server.md, "Two runs of one task").
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clearml_snapshot.exporter.store.compare.series_outline import Name
from clearml_snapshot.exporter.store.format.schema import in_memory
from clearml_snapshot.exporter.store.parts.parquet import SORT, conform, sorted_slices
from clearml_snapshot.exporter.store.parts.reading import belongs, holding, read_batches
from clearml_snapshot.exporter.store.parts.sorted_merge import HELD, Block, taken
from clearml_snapshot.exporter.store.parts.staging import TaskPoints
from clearml_snapshot.exporter.store.snapshots import Snapshot

_COLUMNS: Final = (*SORT["scalars"], "timestamp", "value")
_GROUP_ROWS: Final = 250_000
"""Points of small tasks that are looked up together: 36 bytes each."""
_GROUP_TASKS: Final = 500
Batches = Iterator[pa.RecordBatch]
"""Points of one task, in the order of their table."""


@dataclass
class Overlap:
    """How the points of an earlier and a later reading of a task relate."""

    missing: int = 0
    """Points of the earlier reading whose keys are missing from the later one."""
    identical: int = 0
    """Points in both, with the same wall time and value."""
    retimed: int = 0
    """Points in both, with another wall time: they were reported again."""
    altered: int = 0
    """Points in both with the same wall time but another value: these are not wall times."""
    reported: Mapping[Name, int] = field(default_factory=Counter[Name])
    """By series: the points of the later reading that must have been reported in between."""


class StoredPoints:
    """The points of some tasks in a snapshot, read on demand.

    Small tasks are read in groups, because a file with one of them has many.

    Args:
        snapshot: what is stored; None is nothing.
        tasks: the tasks that may be requested, in about this order: each with its project and its
            number of points there.
    """

    def __init__(
        self, snapshot: Snapshot | None, tasks: Mapping[str, tuple[str | None, int]]
    ) -> None:
        self._snapshot = snapshot
        self._projects = {task_id: project_id for task_id, (project_id, _) in tasks.items()}
        self._group_of: dict[str, int] = {}
        self._groups: list[list[str]] = [[]]
        rows = 0
        for task_id, (_, points) in tasks.items():
            if points > _GROUP_ROWS:
                continue
            if rows + points > _GROUP_ROWS or len(self._groups[-1]) >= _GROUP_TASKS:
                self._groups.append([])
                rows = 0
            rows += points
            self._groups[-1].append(task_id)
            self._group_of[task_id] = len(self._groups) - 1
        self._read = lru_cache(maxsize=2)(self._read_group)

    def of(self, task_id: str) -> list[Batches]:
        """Return the points of one task as sorted streams.

        Raises:
            DatasetError: a file is damaged.
        """
        if self._snapshot is None:
            return []
        if task_id not in self._group_of:
            paths = self._files([task_id])
            share = max(HELD["scalars"] // (2 * max(len(paths), 1)), 1)
            return [_of_file(path, [task_id], share) for path in paths]
        rows = self._read(self._group_of[task_id]).get(task_id)
        return [] if rows is None else [_sorted_batches(rows)]

    def _files(self, task_ids: Sequence[str]) -> list[Path]:
        assert self._snapshot is not None
        paths = holding(self._snapshot, "scalars", task_ids, self._projects)
        return [self._snapshot.file(path) for path in sorted(paths)]

    def _read_group(self, group: int) -> dict[str, pa.Table]:
        ids = self._groups[group]
        batches = (
            batch for path in self._files(ids) for batch in _of_file(path, ids, HELD["scalars"])
        )
        tables = [conform(pa.Table.from_batches([batch]), "scalars") for batch in batches]
        return _by_task(pa.concat_tables([in_memory("scalars").empty_table(), *tables]))


def _by_task(rows: pa.Table) -> dict[str, pa.Table]:
    """Split points by task; each row is read once."""
    rows = rows.unify_dictionaries().combine_chunks()
    if not rows.num_rows:
        return {}
    codes, names = _codes(rows, "task_id"), _texts(rows, "task_id").dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    rows, codes = rows.take(order), codes[order]
    starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return {
        str(names[int(codes[start])]): rows.slice(start, end - start)
        for start, end in pairwise(starts)
    }


def _of_file(path: Path, task_ids: Sequence[str], size: int) -> Batches:
    ids = pa.array(sorted(task_ids), pa.string())
    for batch in read_batches(path, "scalars", size, _COLUMNS):
        points = batch.filter(belongs(batch, ids))
        if points.num_rows:
            yield points


def fetched_points(points: TaskPoints | None) -> list[Batches]:
    """Return fetched points of a task as sorted streams."""
    if points is None:
        return []
    share = max(HELD["scalars"] // (2 * (len(points.files) + 1)), 1)
    files = [read_batches(Path(entry.path), "scalars", share, _COLUMNS) for entry in points.files]
    return [*files, _sorted_batches(points.rest)]


def _sorted_batches(rows: pa.Table) -> Batches:
    for piece in sorted_slices(rows, "scalars", HELD["scalars"]):
        yield from piece.combine_chunks().to_batches()


def overlap(earlier: Iterable[Batches], later: Iterable[Batches]) -> Overlap:
    """Compare two readings of one task; memory is bounded, however large it is.

    Keys are metric, variant and iteration; NULL is an iteration like any other.

    Args:
        earlier: sorted streams of the points of the earlier reading.
        later: the same of the later one.
    """
    result, reported = Overlap(), Counter[Name]()
    result.reported = reported
    old = [Block(batches, "scalars") for batches in earlier]
    new = [Block(batches, "scalars") for batches in later]
    while waiting := [block for block in (*old, *new) if block.has_rows]:
        bound = min(block.last for block in waiting)
        _compare(taken(old, bound, "scalars"), taken(new, bound, "scalars"), result, reported)
    return result


def _compare(old: pa.Table, new: pa.Table, result: Overlap, reported: Counter[Name]) -> None:
    """Count the pairs among all points of some range of keys."""
    both = pa.concat_tables([new, old]).unify_dictionaries().combine_chunks()
    if not both.num_rows:
        return
    metric, variant = (_codes(both, name) for name in ("metric", "variant"))
    iteration, time, value = (_numbers(both, n) for n in ("iteration", "timestamp", "value"))
    keys = [metric, variant, *iteration]
    order = np.lexsort(keys)  # stable: the new one of two equal keys is before the old one
    pairs = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    here, there = order[:-1][pairs], order[1:][pairs]
    same_time = _equal(time, here, there)
    same = same_time & _equal(value, here, there)
    dated = ~(time[1][here] & time[1][there])
    result.missing += old.num_rows - len(there)
    result.identical += int((same & dated).sum())
    result.retimed += int((~same_time).sum())
    result.altered += int((same_time & ~same & dated).sum())
    anew = np.ones(both.num_rows, bool)
    anew[new.num_rows :] = False
    anew[here[same | ~dated]] = False
    _count_series(both, metric[anew], variant[anew], reported)


def _count_series(
    rows: pa.Table,
    metric: npt.NDArray[np.int64],
    variant: npt.NDArray[np.int64],
    reported: Counter[Name],
) -> None:
    names = [_texts(rows, name).dictionary for name in ("metric", "variant")]
    codes, counts = np.unique(metric * len(names[1]) + variant, return_counts=True)
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        at = divmod(code, len(names[1]))
        reported[names[0][at[0]].as_py(), names[1][at[1]].as_py()] += count


def _texts(rows: pa.Table, name: str) -> "pa.DictionaryArray[Any, Any]":
    return cast("pa.DictionaryArray[Any, Any]", rows.column(name).combine_chunks())


def _codes(rows: pa.Table, name: str) -> npt.NDArray[np.int64]:
    return _texts(rows, name).indices.to_numpy().astype(np.int64)


def _numbers(rows: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return a column bit for bit as integers, and where it is NULL."""
    column = rows.column(name).combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    filled = column.fill_null(0).to_numpy(zero_copy_only=False)
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(filled).view(np.int64), nulls


def _equal(
    column: tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]],
    here: npt.NDArray[np.intp],
    there: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    values, nulls = column
    equal = (values[here] == values[there]) & (nulls[here] == nulls[there])
    return cast("npt.NDArray[np.bool_]", equal)
