"""Holds the points of many tasks by partition, and writes them as sorted part files."""

import itertools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.layout import part
from clearml_snapshot.exporter.store.parts.parquet import write_sorted

_one_sort: Final = threading.Lock()
"""Sorting takes as much memory again as its rows: one thread at a time."""

_sequence: Final = itertools.count()


class Partition(NamedTuple):
    """Where a task's rows belong: tasks of two partitions share no part file of points."""

    project_id: str | None
    settled: bool
    """See ``schema.is_settled``."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """An uncommitted part file: ``entry.path`` is absolute until the commit moves it."""

    entry: FileEntry
    partition: Partition


class PartitionBuffer:
    """Points of many tasks by partition, until they are written as sorted part files."""

    def __init__(self, directory: Path, flush_rows: int) -> None:
        self._directory, self._flush_rows = directory, flush_rows
        self._tables: dict[Partition, list[pa.Table]] = {}
        self._held = 0
        self._files: list[StagedFile] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._flushing: tuple[Future[None], dict[Partition, list[pa.Table]]] | None = None

    def add(self, partition: Partition, points: pa.Table) -> None:
        """Add points that are conform already, and write what is held when it is large."""
        self.hold(partition, points)
        self.flush_if_large()

    def hold(self, partition: Partition, points: pa.Table) -> None:
        """Hold points that are conform already in memory."""
        if points.num_rows:
            self._tables.setdefault(partition, []).append(points)
            self._held += points.num_rows

    def flush_if_large(self) -> None:
        """Begin to write what is held when it is large.

        Raises:
            OSError: what was held before could not be written; it is held again.
        """
        if self._held >= self._flush_rows:
            self._flush()

    def _flush(self) -> None:
        """Write what is held in memory, one part file per partition, while the caller continues."""
        self._finish_flush()
        held, self._tables, self._held = self._tables, {}, 0
        writing = self._writer.submit(_spill_each, self._directory, held, self._files)
        self._flushing = writing, held

    def _finish_flush(self) -> None:
        """Wait until nothing is being written; at most one flush holds its rows in memory."""
        if self._flushing is None:
            return
        (writing, held), self._flushing = self._flushing, None
        try:
            writing.result()
        except OSError:  # the disk is full: once there is room, it is written after all
            for partition, tables in held.items():
                self._tables.setdefault(partition, []).extend(tables)
                self._held += sum(table.num_rows for table in tables)
            raise

    def finish(self) -> list[StagedFile]:
        """Write everything still held; returns all files."""
        self._flush()
        self._finish_flush()
        self.close()
        return self._files

    def close(self) -> None:
        """Wait until nothing is being written, so that the folder can be removed."""
        self._writer.shutdown(cancel_futures=True)


def staged_path(directory: Path) -> Path:
    """Return a new path in the staging folder."""
    return directory / f"run-{next(_sequence):06d}.parquet"


def _spill_each(
    directory: Path, held: dict[Partition, list[pa.Table]], files: list[StagedFile]
) -> None:
    """Write one part file per partition; only what is written is released from memory."""
    while held:
        partition = next(reversed(held))
        files.append(StagedFile(spill(directory, pa.concat_tables(held[partition])), partition))
        del held[partition]
    pa.default_memory_pool().release_unused()


def spill(directory: Path, rows: pa.Table) -> FileEntry:
    """Write points of any order as one sorted part file; one thread sorts at a time."""
    with _one_sort:
        entry = write_sorted(staged_path(directory), "scalars", rows)
        del rows
        pa.default_memory_pool().release_unused()  # or it keeps twice of what is needed
    return entry


def moved(entry: FileEntry, snapshot: Path, project_id: str | None, name: str) -> FileEntry:
    """Move a staged file to its place in a snapshot folder."""
    path = part(entry.table, project_id, name)
    target = snapshot / path
    target.parent.mkdir(parents=True, exist_ok=True)
    Path(entry.path).rename(target)
    return replace(entry, path=path)
