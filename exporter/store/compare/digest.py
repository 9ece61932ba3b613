"""Computes digests of a task's points in any order: equal digests mean equal points."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from clearml_snapshot.exporter.store.engine.engine import engine, query_stored
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.format.layout import partition
from clearml_snapshot.exporter.store.parts.reading import read_batches
from clearml_snapshot.exporter.store.parts.staging import TaskPoints
from clearml_snapshot.exporter.store.snapshots import Snapshot

_CHUNK: Final = 2_000
"""Tasks whose points are looked up together: a scan of a partition costs the same for all."""
_SUMS: Final = (
    "count(*), coalesce(sum(hash(metric::VARCHAR, variant::VARCHAR, iteration, "
    "epoch_ms(timestamp), value, worker::VARCHAR)), 0)"
)
"""A sum of 64-bit hashes: no point is contained twice, so nothing cancels out."""

Digest = tuple[int, int]
"""The number of points, and the sum of their hashes."""

NO_POINTS: Final[Digest] = (0, 0)


class DigestSink:
    """Takes points page by page and keeps only their digest, as a ``PointSink`` of the reader."""

    def __init__(self) -> None:
        self.digest: Digest = NO_POINTS

    def add(self, points: pa.Table) -> None:
        """Take a page of points with the columns of ``SCALARS``."""
        self.digest = _sum(self.digest, _digest(points))

    def discard(self) -> None:
        """Forget what was added."""
        self.digest = NO_POINTS


def digest_of(points: TaskPoints | None) -> Digest:
    """Sum up fetched points, those on disk too."""
    if points is None:
        return NO_POINTS
    total = _digest(points.rest)
    for entry in points.files:
        for batch in read_batches(Path(entry.path), "scalars"):
            total = _sum(total, _digest(pa.Table.from_batches([batch])))
    return total


class StoredDigests:
    """The points of some tasks in a snapshot, summed up on demand.

    Args:
        snapshot: what is stored; None is nothing.
        projects: the project of each task that may be requested, in about this order.
    """

    def __init__(self, snapshot: Snapshot | None, projects: Mapping[str, str | None]) -> None:
        self._snapshot, self._projects = snapshot, projects
        self._ids = list(projects)
        self._chunk = {task_id: at // _CHUNK for at, task_id in enumerate(self._ids)}
        self._read = lru_cache(maxsize=2)(self._read_chunk)

    def of(self, task_id: str) -> Digest:
        """Return the digest of one task's stored points."""
        return self._read(self._chunk[task_id]).get(task_id, NO_POINTS)

    def _read_chunk(self, chunk: int) -> dict[str, Digest]:
        if self._snapshot is None:
            return {}
        ids = self._ids[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        files = files_of(self._snapshot, {self._projects[task_id] for task_id in ids})
        if not files:
            return {}
        rows = query_stored(
            self._snapshot.location,
            f"SELECT task_id, {_SUMS} FROM read_parquet($files, hive_partitioning = false) "
            "WHERE task_id IN (SELECT unnest($ids::VARCHAR[])) GROUP BY task_id",
            files=files,
            ids=ids,
        )
        return {task_id: (int(count), int(total)) for task_id, count, total in rows}


def files_of(snapshot: Snapshot, project_ids: Collection[str | None]) -> list[str]:
    """List the files with the points of some projects, as DuckDB reads them."""
    folders = {partition(project_id) for project_id in project_ids}
    return literals(_paths(snapshot, folders))


def _paths(snapshot: Snapshot, folders: Collection[str]) -> Iterable[Path]:
    for entry in snapshot.files:
        if entry.table == "scalars" and entry.path.split("/")[1] in folders:
            yield snapshot.file(entry.path)


def _digest(points: pa.Table) -> Digest:
    if not points.num_rows:
        return NO_POINTS
    with engine(threads=1) as connection:
        connection.register("points", points)
        ((count, total),) = connection.execute(f"SELECT {_SUMS} FROM points").fetchall()
    return int(count), int(total)


def _sum(first: Digest, second: Digest) -> Digest:
    return first[0] + second[0], first[1] + second[1]
