"""Staging: what an export fetched becomes part files before any snapshot knows of them."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.layout import part
from clearml_snapshot.exporter.store.format.schema import SERIES, TABLES, is_settled
from clearml_snapshot.exporter.store.parts.parquet import (
    LOCAL,
    conform,
    in_memory,
    write_part,
    write_sorted,
)

SPILL_ROWS: Final = 400_000
"""A task's points go to disk from here on: memory is workers × this, never the task's size."""

FLUSH_ROWS: Final = 400_000
"""Points of small tasks held before they are sorted; as many again may be on their way to disk."""

DICT_ROWS: Final = 500
"""Rows of the other tables held as Python objects, ten times the size of Arrow's.

Fewer where their texts are long, so that these come to ``ROWS_BYTES`` at most.
"""

ROWS_BYTES: Final = 16 * 2**20
"""Rows of the other tables held as Arrow, a table."""

CLAIM_ROWS: Final = 50_000
CLAIM_TABLES: Final = 1_000
"""Claims held before they go to disk: rows, and tasks that have some."""

CLAIMS: Final = pa.schema(
    [
        SERIES.field(name)
        for name in (
            "task_id",
            "metric",
            "variant",
            "server_last",
            "server_min",
            "server_max",
            "server_count",
            "server_min_iteration",
            "server_max_iteration",
        )
    ]
)
"""What the server says of its series; joined to what is computed from the points."""

_one_sort: Final = threading.Lock()
"""Sorting takes as much memory again as its rows: one thread at a time."""

_sequence: Final = itertools.count()


class Place(NamedTuple):
    """Where a task's rows belong: tasks of two places share no part file of points."""

    project_id: str | None
    settled: bool
    """See ``schema.is_settled``."""


@dataclass(frozen=True, slots=True)
class TaskPoints:
    """The points of one task: part files already written, and the rest in memory."""

    project_id: str | None
    rows: int
    rest: pa.Table
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A part file on its way: ``entry.path`` is absolute until the commit moves it."""

    entry: FileEntry
    place: Place


class Stage:
    """Collects tasks for one commit; used by one thread, except for its ``PointBuffer``s.

    A ``PointBuffer`` may outlive its stage's commit: the task then goes into the next stage.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.task_ids: set[str] = set()
        self.points = 0
        self.files: list[StagedFile] = []
        self.refreshed: dict[str, Place] = {}
        """Tasks whose points stay, each with the place where they are from now on."""
        self.params_kept: set[str] = set()
        """Of these the ones whose hyperparameters stay too."""
        self._points = HeldPoints(directory, FLUSH_ROWS)
        self._rows = {
            (table, settled): _Rows(self, table, settled)
            for table in ("tasks", "hyperparams")
            for settled in (True, False)
        }
        self._claims: list[pa.Table] = []
        self._claim_files: list[Path] = []

    def add(
        self,
        task_row: Mapping[str, Any],
        hyperparams: Iterable[Mapping[str, Any]] = (),
        points: TaskPoints | None = None,
        claims: pa.Table | None = None,
    ) -> None:
        """Take one whole task; its old rows in every table go when the stage is committed.

        Args:
            task_row: the columns of ``tasks``; a missing one is NULL; times as aware datetimes.
            hyperparams: rows of ``hyperparams``; ``task_id`` is filled in.
            points: what ``PointBuffer.finish`` gave; None for a task without scalars.
            claims: the server's claims about the task's series, see ``CLAIMS``.

        Raises:
            ValueError: the task is in this stage already.
        """
        settled = self._take_rows(task_row, hyperparams)
        if claims is not None and claims.num_rows:
            self._claims.append(claims.select(CLAIMS.names).cast(CLAIMS))
        if points is not None:
            self._take_points(points, settled)
        self._write_if_large()

    def refresh(
        self, task_row: Mapping[str, Any], hyperparams: Iterable[Mapping[str, Any]] | None
    ) -> None:
        """Take new metadata of a stored task; its points and series stay as they are.

        When its project is another one than before, they move there with the commit.

        Args:
            task_row: the columns of ``tasks``; a missing one is NULL; times as aware datetimes.
            hyperparams: rows of ``hyperparams`` in place of the stored ones; None keeps those.

        Raises:
            ValueError: the task is in this stage already.
        """
        settled = self._take_rows(task_row, hyperparams or ())
        task_id = str(task_row["task_id"])
        self.refreshed[task_id] = Place(task_row.get("project_id"), settled)
        if hyperparams is None:
            self.params_kept.add(task_id)
        self._write_if_large()

    def _take_rows(
        self, task_row: Mapping[str, Any], hyperparams: Iterable[Mapping[str, Any]]
    ) -> bool:
        """Stage a task's own rows; tells whether it is settled."""
        task_id = str(task_row["task_id"])
        if task_id in self.task_ids:
            raise ValueError(f"task {task_id} is staged twice")
        self.task_ids.add(task_id)
        settled = is_settled(task_row.get("status"), task_row["state"])
        self._rows["tasks", settled].add(task_row)
        for row in hyperparams:
            self._rows["hyperparams", settled].add({**row, "task_id": task_id})
        return settled

    def _write_if_large(self) -> None:
        """Write what is large by now; all of a task is held, so a full disk does not tear it."""
        self._points.flush_if_large()
        for rows in self._rows.values():
            rows.write_if_large()
        n_claims = sum(held.num_rows for held in self._claims)
        if n_claims >= CLAIM_ROWS or len(self._claims) >= CLAIM_TABLES:
            self._write_claims()

    def _take_points(self, points: TaskPoints, settled: bool) -> None:
        place = Place(points.project_id, settled)
        self.files += [StagedFile(entry, place) for entry in points.files]
        self.points += points.rows
        self._points.hold(place, points.rest)

    def seal(self) -> list[Path]:
        """Write everything still held; returns Parquet files with the server's claims."""
        self.files += self._points.finish()
        for rows in self._rows.values():
            rows.write()
        self._write_claims()
        return self._claim_files

    def _write_claims(self) -> None:
        path = staged_path(self.directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = pa.concat_tables([CLAIMS.empty_table(), *self._claims])
        with named(path):
            pq.write_table(rows, str(path), filesystem=LOCAL)
        self._claims.clear()
        self._claim_files.append(path)


class HeldPoints:
    """Points of many tasks by place, on their way to sorted part files."""

    def __init__(self, directory: Path, flush_rows: int) -> None:
        self._directory, self._flush_rows = directory, flush_rows
        self._tables: dict[Place, list[pa.Table]] = {}
        self._held = 0
        self._files: list[StagedFile] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._flushing: tuple[Future[None], dict[Place, list[pa.Table]]] | None = None

    def add(self, place: Place, points: pa.Table) -> None:
        """Take points that are conform already, and write what is held when that is much."""
        self.hold(place, points)
        self.flush_if_large()

    def hold(self, place: Place, points: pa.Table) -> None:
        """Take points that are conform already, in memory."""
        if points.num_rows:
            self._tables.setdefault(place, []).append(points)
            self._held += points.num_rows

    def flush_if_large(self) -> None:
        """Begin to write what is held when that is much.

        Raises:
            OSError: what was held before could not be written; it is held again.
        """
        if self._held >= self._flush_rows:
            self._flush()

    def _flush(self) -> None:
        """Write what is held in memory, one part file a place, while the caller goes on."""
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
            for place, tables in held.items():
                self._tables.setdefault(place, []).extend(tables)
                self._held += sum(table.num_rows for table in tables)
            raise

    def finish(self) -> list[StagedFile]:
        """Write everything still held; returns all files."""
        self._flush()
        self._finish_flush()
        self.close()
        return self._files

    def close(self) -> None:
        """Wait until nothing is being written, so that the folder can go."""
        self._writer.shutdown(cancel_futures=True)


class _Rows:
    """Rows of a small table: as dicts only for a moment, as Arrow until there are megabytes."""

    def __init__(self, stage: Stage, table: str, settled: bool) -> None:
        self._stage, self._table = stage, table
        self._place = Place(None, settled)
        self._dicts: list[Mapping[str, Any]] = []
        self._characters = 0
        self._tables: list[pa.Table] = []
        self._bytes = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self._dicts.append(row)
        self._characters += sum(len(text) for text in row.values() if isinstance(text, str))
        if len(self._dicts) >= DICT_ROWS or self._characters >= ROWS_BYTES:
            self._to_arrow()

    def write_if_large(self) -> None:
        if self._bytes >= ROWS_BYTES:
            self.write()

    def _to_arrow(self) -> None:
        rows = conform(pa.Table.from_pylist(self._dicts, TABLES[self._table]), self._table)
        self._dicts.clear()
        self._characters = 0
        self._tables.append(rows)
        self._bytes += rows.nbytes

    def write(self) -> None:
        if self._dicts:
            self._to_arrow()
        if self._tables:
            rows = pa.concat_tables(self._tables)
            entry = write_sorted(staged_path(self._stage.directory), self._table, rows)
            self._tables.clear()
            self._bytes = 0
            self._stage.files.append(StagedFile(entry, self._place))


class PointBuffer:
    """Collects the points of ONE task in one thread and spills sorted runs to disk."""

    def __init__(self, stage: Stage, project_id: str | None) -> None:
        self._directory = stage.directory
        self._project_id = project_id
        self._tables: list[pa.Table] = []
        self._held = 0
        self._rows = 0
        self._files: list[FileEntry] = []

    @property
    def rows(self) -> int:
        """Points added so far."""
        return self._rows

    def add(self, table: pa.Table) -> None:
        """Take a page of points with the columns of ``SCALARS``; text may be dictionary-encoded."""
        self._tables.append(conform(table, "scalars"))
        self._held += table.num_rows
        self._rows += table.num_rows
        if self._held >= SPILL_ROWS:
            self._spill()

    def _spill(self) -> None:
        rows = pa.concat_tables(self._tables)
        self._tables.clear()
        self._held = 0
        self._files.append(spill(self._directory, rows))

    def finish(self) -> TaskPoints:
        """Hand over everything; the buffer is empty afterwards."""
        rest = (
            pa.concat_tables(self._tables) if self._tables else in_memory("scalars").empty_table()
        )
        points = TaskPoints(
            self._project_id,
            self._rows,
            # many pages hold the same few texts: one copy of them
            rest.unify_dictionaries().combine_chunks(),
            tuple(self._files),
        )
        self._tables, self._files, self._held, self._rows = [], [], 0, 0
        return points

    def discard(self) -> None:
        """Forget the points, and delete those that are on disk."""
        for entry in self._files:
            Path(entry.path).unlink(missing_ok=True)
        self._tables, self._files, self._held, self._rows = [], [], 0, 0


def discard(points: TaskPoints) -> None:
    """Delete the part files of finished points that no stage took."""
    for entry in points.files:
        Path(entry.path).unlink(missing_ok=True)


def staged_path(directory: Path) -> Path:
    """Return a new path in the staging folder."""
    return directory / f"run-{next(_sequence):06d}.parquet"


def _spill_each(
    directory: Path, held: dict[Place, list[pa.Table]], files: list[StagedFile]
) -> None:
    """Write one part file per place; what is written leaves the memory, and only that."""
    while held:
        place = next(reversed(held))
        files.append(StagedFile(spill(directory, pa.concat_tables(held[place])), place))
        del held[place]
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


__all__ = ["CLAIMS", "PointBuffer", "Stage", "StagedFile", "TaskPoints", "discard", "write_part"]
