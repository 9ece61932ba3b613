"""Series in outline: enough to see whether a copy of them lacks what another one has."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa

from clearml_snapshot.exporter.store.literal import literals
from clearml_snapshot.exporter.store.replace import read_batches
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writer import TaskPoints

_CHUNK: Final = 500
"""Tasks whose series are looked up together: a scan of ``series`` costs the same for all."""

Name = tuple[str, str]
"""Metric and variant."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One series in outline."""

    n: int
    first_iteration: int | None
    last_iteration: int | None
    server_count: int | None = None
    server_min: float | None = None
    server_max: float | None = None

    def lacks(self, other: "Shape") -> bool:
        """Whether the other one has more points, or reaches further on either side."""
        if self.n < other.n:
            return True
        mine, theirs = self._span(), other._span()
        return theirs is not None and (mine is None or mine[0] > theirs[0] or mine[1] < theirs[1])

    def _span(self) -> tuple[int, int] | None:
        if self.first_iteration is None or self.last_iteration is None:
            return None
        return self.first_iteration, self.last_iteration


class StoredShapes:
    """The series of some tasks in a snapshot, read when they are asked for.

    Args:
        snapshot: what is stored; None is nothing.
        task_ids: the tasks that may be asked for, in about this order.
    """

    def __init__(self, snapshot: Snapshot | None, task_ids: Collection[str]) -> None:
        self._snapshot = snapshot
        self._ids = list(task_ids)
        self._chunk = {task_id: at // _CHUNK for at, task_id in enumerate(self._ids)}
        self._read = lru_cache(maxsize=2)(self._read_chunk)

    def of(self, task_id: str) -> Mapping[Name, Shape]:
        """Give the series of one task."""
        return self._read(self._chunk[task_id]).get(task_id, {})

    def _read_chunk(self, chunk: int) -> dict[str, dict[Name, Shape]]:
        import duckdb

        if self._snapshot is None:
            return {}
        ids = self._ids[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        with duckdb.connect(config={"threads": 2, "memory_limit": "96MB"}) as connection:
            rows = connection.execute(
                "SELECT task_id, metric, variant, n, first_iteration, last_iteration, "
                "server_count, server_min, server_max FROM read_parquet($files) "
                "WHERE task_id IN (SELECT unnest($ids::VARCHAR[]))",
                {"files": literals(self._snapshot.paths("series")), "ids": ids},
            ).fetchall()
        found: dict[str, dict[Name, Shape]] = {}
        for task_id, metric, variant, *outline in rows:
            found.setdefault(task_id, {})[metric, variant] = Shape(*outline)
        return found


def shapes(points: TaskPoints | None) -> dict[Name, Shape]:
    """Outline the series of fetched points, a batch at a time."""
    found: dict[Name, Shape] = {}
    for rows in _batches(points):
        groups = rows.group_by(["metric", "variant"]).aggregate(
            [([], "count_all"), ("iteration", "min"), ("iteration", "max")]
        )
        for group in groups.to_pylist():
            name = (group["metric"], group["variant"])
            here = Shape(group["count_all"], group["iteration_min"], group["iteration_max"])
            found[name] = _joined(found[name], here) if name in found else here
    return found


def _batches(points: TaskPoints | None) -> Iterator[pa.Table]:
    if points is None:
        return
    columns = ["metric", "variant", "iteration"]
    yield points.rest.select(columns)
    files = (read_batches(Path(entry.path), "scalars") for entry in points.files)
    for batch in chain.from_iterable(files):
        yield pa.Table.from_batches([batch.select(columns)])


def _joined(one: Shape, other: Shape) -> Shape:
    first = [at for at in (one.first_iteration, other.first_iteration) if at is not None]
    last = [at for at in (one.last_iteration, other.last_iteration) if at is not None]
    return Shape(one.n + other.n, min(first, default=None), max(last, default=None))
