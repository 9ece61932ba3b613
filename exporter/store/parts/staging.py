"""Writes what an export fetched as part files, before any snapshot lists them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import SERIES, in_memory, is_settled
from clearml_snapshot.exporter.store.parts.parquet import LOCAL, conform
from clearml_snapshot.exporter.store.parts.partition_buffer import (
    Partition,
    PartitionBuffer,
    StagedFile,
    spill,
    staged_path,
)
from clearml_snapshot.exporter.store.parts.row_buffer import RowBuffer


@dataclass(frozen=True, slots=True)
class StageLimits:
    """How much a stage holds in memory before it goes to disk."""

    spill_rows: int = 400_000
    """Points of one task: memory is workers × this, never the task's size."""
    flush_rows: int = 400_000
    """Points of small tasks before they are sorted; as many again may be being written."""
    server_value_rows: int = 50_000
    """Server values."""
    server_value_tables: int = 1_000
    """Tasks that have server values."""


SERVER_VALUES: Final = pa.schema(
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
"""The server's own values of its series; joined to those computed from the points."""


@dataclass(frozen=True, slots=True)
class TaskPoints:
    """The points of one task: part files already written, and the rest in memory."""

    project_id: str | None
    rows: int
    rest: pa.Table
    files: tuple[FileEntry, ...]


class Stage:
    """Collects tasks for one commit; used by one thread, except for its ``PointBuffer``s.

    A ``PointBuffer`` may outlive its stage's commit: the task then goes into the next stage.
    """

    def __init__(self, directory: Path, limits: StageLimits | None = None) -> None:
        self.directory = directory
        self.limits = limits or StageLimits()
        self.task_ids: set[str] = set()
        self.points = 0
        self.files: list[StagedFile] = []
        self.refreshed: dict[str, Partition] = {}
        """Tasks whose points stay, each with the partition where they are from now on."""
        self.params_kept: set[str] = set()
        """The part of these whose hyperparameters are kept too."""
        self._points = PartitionBuffer(directory, self.limits.flush_rows)
        self._rows = {
            (table, settled): RowBuffer(directory, table, settled, self.files)
            for table in ("tasks", "hyperparams")
            for settled in (True, False)
        }
        self._server_values: list[pa.Table] = []
        self._server_value_files: list[Path] = []

    def add(
        self,
        task_row: Mapping[str, Any],
        hyperparams: Iterable[Mapping[str, Any]] = (),
        points: TaskPoints | None = None,
        server_values: pa.Table | None = None,
    ) -> None:
        """Add a complete task; its old rows in every table are removed by the commit of the stage.

        Args:
            task_row: the columns of ``tasks``; a missing one is NULL; times as aware datetimes.
            hyperparams: rows of ``hyperparams``; ``task_id`` is filled in.
            points: what ``PointBuffer.finish`` gave; None for a task without scalars.
            server_values: the server's own values of the task's series, see ``SERVER_VALUES``.

        Raises:
            ValueError: the task is in this stage already.
        """
        settled = self._take_rows(task_row, hyperparams)
        if server_values is not None and server_values.num_rows:
            self._server_values.append(
                server_values.select(SERVER_VALUES.names).cast(SERVER_VALUES)
            )
        if points is not None:
            self._take_points(points, settled)
        self._write_if_large()

    def refresh(
        self, task_row: Mapping[str, Any], hyperparams: Iterable[Mapping[str, Any]] | None
    ) -> None:
        """Add new metadata of a stored task; its points and series stay as they are.

        When its project has changed, they move there with the commit.

        Args:
            task_row: the columns of ``tasks``; a missing one is NULL; times as aware datetimes.
            hyperparams: rows of ``hyperparams`` in place of the stored ones; None keeps those.

        Raises:
            ValueError: the task is in this stage already.
        """
        settled = self._take_rows(task_row, hyperparams or ())
        task_id = str(task_row["task_id"])
        self.refreshed[task_id] = Partition(task_row.get("project_id"), settled)
        if hyperparams is None:
            self.params_kept.add(task_id)
        self._write_if_large()

    def _take_rows(
        self, task_row: Mapping[str, Any], hyperparams: Iterable[Mapping[str, Any]]
    ) -> bool:
        """Stage a task's own rows and return whether it is settled."""
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
        """Write large buffers; a task is held completely, so a full disk does not split it."""
        self._points.flush_if_large()
        for rows in self._rows.values():
            rows.write_if_large()
        held_rows = sum(held.num_rows for held in self._server_values)
        most_rows, most_tables = self.limits.server_value_rows, self.limits.server_value_tables
        if held_rows >= most_rows or len(self._server_values) >= most_tables:
            self._write_server_values()

    def _take_points(self, points: TaskPoints, settled: bool) -> None:
        partition = Partition(points.project_id, settled)
        self.files += [StagedFile(entry, partition) for entry in points.files]
        self.points += points.rows
        self._points.hold(partition, points.rest)

    def seal(self) -> list[Path]:
        """Write everything still held; returns Parquet files with the server's values."""
        self.files += self._points.finish()
        for rows in self._rows.values():
            rows.write()
        self._write_server_values()
        return self._server_value_files

    def _write_server_values(self) -> None:
        path = staged_path(self.directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = pa.concat_tables([SERVER_VALUES.empty_table(), *self._server_values])
        with named(path):
            pq.write_table(rows, str(path), filesystem=LOCAL)
        self._server_values.clear()
        self._server_value_files.append(path)


class PointBuffer:
    """Collects the points of ONE task in one thread and spills sorted runs to disk."""

    def __init__(self, stage: Stage, project_id: str | None) -> None:
        self._directory, self._spill_rows = stage.directory, stage.limits.spill_rows
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
        """Add a page of points with the columns of ``SCALARS``; text may be dictionary-encoded."""
        self._tables.append(conform(table, "scalars"))
        self._held += table.num_rows
        self._rows += table.num_rows
        if self._held >= self._spill_rows:
            self._spill()

    def _spill(self) -> None:
        rows = pa.concat_tables(self._tables)
        self._tables.clear()
        self._held = 0
        self._files.append(spill(self._directory, rows))

    def finish(self) -> TaskPoints:
        """Return everything; the buffer is empty afterwards."""
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
    """Delete the part files of finished points that were added to no stage."""
    for entry in points.files:
        Path(entry.path).unlink(missing_ok=True)
