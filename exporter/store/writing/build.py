"""Builds the folder of the next snapshot from the last one and a stage."""

import errno
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.disk_errors import reading
from clearml_snapshot.exporter.store.disk.files import (
    FileEntry,
    copy_synced,
    link_or_copy,
    write_text,
)
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.engine.reading_errors import is_refused, refused
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.format.datapackage import descriptor
from clearml_snapshot.exporter.store.format.readme import open_sql, readme
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.canonical import written_again
from clearml_snapshot.exporter.store.parts.compaction import compact, crowded
from clearml_snapshot.exporter.store.parts.parquet import conform, write_part, write_sorted
from clearml_snapshot.exporter.store.parts.partition_buffer import (
    PartitionBuffer,
    StagedFile,
    moved,
)
from clearml_snapshot.exporter.store.parts.reading import holding, projects_of, read_batches
from clearml_snapshot.exporter.store.parts.rewrite import (
    RowChange,
    by_partition,
    rewrite,
    write_rows,
)
from clearml_snapshot.exporter.store.parts.series import write_series
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.manifest import Totals

MOVE_ROWS: Final = 300_000
"""Points held while tasks move to another project: 310 MB in all, with twice as many 420."""


Edit = Callable[[pa.RecordBatch], pa.RecordBatch]
"""Edits rows of a table that are copied into another snapshot; it may remove all of them."""


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """What a commit writes about itself into ``snapshot.json``."""

    number: int
    server: Mapping[str, Any]
    selections: Any
    checkpoint: bool
    created_at: datetime | None = None
    """The time of its contents; None is now."""
    keep: str | None = None
    """The retention that later exports repeat; None if none was given."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys, JSON-able."""


class SnapshotBuilder:
    """Builds one snapshot folder, ``.staging/<number>``."""

    def __init__(
        self, root: Path, number: int, last: Snapshot | None, *, copies: bool = False
    ) -> None:
        self._root, self._number, self._last = root, number, last
        self._take_file = copy_synced if copies else link_or_copy
        self._files: list[FileEntry] = []
        self._not_here: dict[str, tuple[Snapshot, FileEntry]] = {}
        """Files that stay where they are, in a bucket, by their paths here."""
        self._sequence = count(1)
        if root.exists():  # an earlier attempt of this commit that failed
            shutil.rmtree(root)
        root.mkdir(parents=True)

    @property
    def new_files(self) -> list[FileEntry]:
        """Its files that are in the folder, some of which an earlier snapshot may have as well."""
        return [entry for entry in self._files if entry.path not in self._not_here]

    def inherit(self, stage: Stage, tables: Iterable[str]) -> None:
        """Link the last snapshot's files; rewrite those that hold a changed task.

        Files of an older format are rewritten as well. The points of tasks that move to another
        project go into new files there.
        """
        if self._last is not None:
            projects = projects_of(self._last, stage.task_ids)
            changes = changes_of(stage, projects)
            self.inherit_from(self._last, projects, changes, stage.directory, tables)

    def inherit_from(
        self,
        source: Snapshot,
        project_of: Mapping[str, str | None],
        changes: Mapping[str, RowChange],
        spill: Path,
        tables: Iterable[str],
    ) -> None:
        """Link the files of a snapshot, and rewrite those that a change touches or that are old.

        Files of another snapshot than the last one get names of their own.

        Args:
            source: the snapshot.
            project_of: the tasks of the changes, each with its project there.
            changes: by table; none for one that stays as it is.
            spill: a folder for points that move.
            tables: which.
        """
        with closing(PartitionBuffer(spill, MOVE_ROWS)) as moving:
            for table in tables:
                change = changes.get(table, RowChange())
                stale = holding(source, table, change.task_ids, project_of)
                self._carry_table(source, table, change, stale, moving)
            self._files += map(self._moved_in, moving.finish())

    def _carry_table(
        self,
        source: Snapshot,
        table: str,
        change: RowChange,
        stale: set[str],
        moving: PartitionBuffer,
    ) -> None:
        is_old = bool(layout.missing_columns(table, source.format_version))
        for entry in (e for e in source.files if e.table == table and e.rows):
            if is_old or entry.path in stale:
                self._rewrite(source, entry, change, moving)
            else:
                self._link(source, entry)

    def _link(self, source: Snapshot, entry: FileEntry) -> None:
        path = entry.path if source is self._last else self._renamed(entry)
        self._files.append(replace(entry, path=path))
        if source.elsewhere is None or entry.table == "tasks":  # whose states are counted
            self._take(source, entry, path)
        else:
            self._not_here[path] = source, entry

    def _take(self, source: Snapshot, entry: FileEntry, path: str) -> None:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._take_file(source.file(entry.path), target)

    def _renamed(self, entry: FileEntry) -> str:
        return f"{entry.path.rpartition('/')[0]}/{self._name()}"

    def inherit_edited(self, entry: FileEntry, edits: Sequence[Edit]) -> None:
        """Link a file of the last snapshot, or rewrite it with its rows edited."""
        assert self._last is not None
        if not edits and not layout.missing_columns(entry.table, self._last.format_version):
            self._link(self._last, entry)
            return
        batches = read_batches(self._last.file(entry.path), entry.table)
        for edit in edits:
            batches = map(edit, batches)
        rows = (batch for batch in batches if batch.num_rows)
        edited = write_rows(self._root / entry.path, entry.table, rows)
        if edited is not None:
            self._files.append(replace(edited, path=entry.path))

    def _rewrite(
        self, source: Snapshot, entry: FileEntry, change: RowChange, moving: PartitionBuffer
    ) -> None:
        def take(batch: pa.RecordBatch) -> None:
            for partition, points in by_partition(batch, change.move):
                moving.add(partition, conform(pa.Table.from_batches([points]), "scalars"))

        path = self._renamed(entry)
        read, target = source.file(entry.path), self._root / path
        rewritten = rewrite(read, target, entry.table, change, take)
        if rewritten is not None:
            self._files.append(replace(rewritten, path=path))

    def add_stage(self, stage: Stage) -> None:
        """Move the staged files into the folder and compute the series of their points."""
        server_values = stage.seal()
        for settled in (True, False):
            fresh = [
                self._moved_in(file) for file in stage.files if file.partition.settled == settled
            ]
            self._files += fresh
            self._add_series(fresh, server_values, stage.directory)

    def _moved_in(self, staged: StagedFile) -> FileEntry:
        return moved(staged.entry, self._root, staged.partition.project_id, self._name())

    def _add_series(self, fresh: list[FileEntry], server_values: list[Path], spill: Path) -> None:
        points = [self._root / entry.path for entry in fresh if entry.table == "scalars"]
        if points:
            (self._root / "series").mkdir(exist_ok=True)
            for entry in _full_disk_errors(
                write_series(points, server_values, self._next_series, spill=spill)
            ):
                path = Path(entry.path).relative_to(self._root).as_posix()
                self._files.append(replace(entry, path=path))

    def _next_series(self) -> Path:
        return self._root / layout.part("series", None, self._name())

    def exports(self, row: Mapping[str, Any]) -> None:
        """Write the one file of ``exports`` with this run's row, in place of an older one."""
        new = pa.Table.from_pylist([row], TABLES["exports"])
        paths = self._paths_of_exports()
        old = [pa.Table.from_batches([b]) for path in paths for b in read_batches(path, "exports")]
        kept = [t.filter([r != row["export_id"] for r in t["export_id"].to_pylist()]) for t in old]
        self.write_exports(pa.concat_tables([conform(t, "exports") for t in [*kept, new]]))

    def write_exports(self, rows: pa.Table) -> None:
        """Write the one file of ``exports``; no run may be in the rows twice."""
        self._write("exports", rows)

    def _paths_of_exports(self) -> list[str]:
        return [] if self._last is None else self._last.paths("exports")

    def compact(self) -> None:
        """Merge small files if there are too many of them; the contents stay the same."""
        for group in crowded(self._files):
            for entry in group:
                if entry.path in self._not_here:
                    self._take(*self._not_here.pop(entry.path), entry.path)
        self._files = compact(self._root, self._files, self._name)

    def make_canonical(self) -> None:
        """Write every file again, so that the same rows give the same bytes."""
        self._sequence = count(1)
        self._files = written_again(self._root, self._files, self._name)

    def fill_empty(self) -> None:
        """Write one empty file for each table without rows, so that its glob matches something."""
        filled = {entry.table for entry in self._files}
        for table in (table for table in TABLES if table not in filled):  # files are numbered
            self._write(table, None)

    def _write(self, table: str, rows: pa.Table | None) -> None:
        path = layout.part(table, None, self._name())
        target = self._root / path
        entry = write_part(target, table, []) if rows is None else write_sorted(target, table, rows)
        self._files.append(replace(entry, path=path))

    def _name(self) -> str:
        return layout.part_name(self._number, next(self._sequence))

    def describe(self, about: SnapshotHeader) -> list[FileEntry]:
        """Write ``snapshot.json`` and the texts beside it, and return the files of the tables.

        What is written is on the disk; the caller that moves the folder into its place syncs its
        entries.
        """
        files = sorted(self._files, key=lambda entry: entry.path)
        created_at = about.created_at or datetime.now(UTC)
        header = {
            "format": layout.FORMAT,
            "format_version": layout.FORMAT_VERSION,
            "tool_version": version("clearml-snapshot"),
            "number": about.number,
            "created_at": created_at.isoformat(timespec="milliseconds"),
            "checkpoint": about.checkpoint,
            "server": dict(about.server),
            "selections": about.selections,
            **({} if about.keep is None else {"keep": about.keep}),
            "totals": asdict(self._totals()),
            "states": self._states(),
            **about.more,
        }
        text = json.dumps({**header, "files": [asdict(entry) for entry in files]}, indent=1)
        write_text(self._root / layout.SNAPSHOT_JSON, text + "\n")
        write_text(self._root / layout.README, readme(header))
        write_text(self._root / layout.OPEN_SQL, open_sql())
        write_text(self._root / layout.DATAPACKAGE, descriptor(header, files))
        write_sums(self._root, files)
        return files

    def _totals(self) -> Totals:
        rows = dict.fromkeys(TABLES, 0)
        for entry in self._files:
            rows[entry.table] += entry.rows
        return Totals(
            tasks=rows["tasks"],
            series=rows["series"],
            points=rows["scalars"],
            projects=self._projects(),
            bytes=sum(entry.bytes for entry in self._files),
        )

    def _projects(self) -> int:
        columns = self._column_of_tasks("project_id")
        return len({part for column in columns for part in column.drop_null().unique().to_pylist()})

    def _states(self) -> dict[str, int]:
        """Count the tasks by state, in alphabetical order."""
        counts: Counter[str] = Counter()
        for column in self._column_of_tasks("state"):
            counts.update(str(state) for state in column.to_pylist())
        return dict(sorted(counts.items()))

    def _column_of_tasks(self, name: str) -> Iterator["pa.ChunkedArray[Any]"]:
        for entry in self._files:
            if entry.table == "tasks":
                path = self._root / entry.path
                with reading(path):
                    column = pq.ParquetFile(path).read([name]).column(0)
                yield column


def changes_of(stage: Stage, project_of: Mapping[str, str | None]) -> dict[str, RowChange]:
    """Return what the stage does to the rows of tasks that are stored already."""
    moves = {
        task_id: partition
        for task_id, partition in stage.refreshed.items()
        if task_id in project_of and project_of[task_id] != partition.project_id
    }
    points = RowChange(project_of.keys() - stage.refreshed.keys(), moves)
    return {
        "tasks": RowChange(project_of.keys()),
        "hyperparams": RowChange(project_of.keys() - stage.params_kept),
        "series": points,
        "scalars": points,
    }


def _full_disk_errors(written: Iterator[FileEntry]) -> Iterator[FileEntry]:
    """Turn DuckDB's errors about a full disk into the system's error."""
    try:
        yield from written
    except (duckdb.Error, pa.ArrowException) as error:
        if is_out_of_room(error):
            raise OSError(errno.ENOSPC, "No space left on device") from error
        if is_refused(error):
            raise refused(error) from error
        raise


def build(
    root: Path,
    stage: Stage,
    last: Snapshot | None,
    about: SnapshotHeader,
    export_row: Mapping[str, Any] | None,
) -> None:
    """Make a complete snapshot folder at ``root``; nothing outside it changes but the stage."""
    folder = SnapshotBuilder(root, about.number, last)
    folder.inherit(stage, [t for t in TABLES if t != "exports" or export_row is None])
    folder.add_stage(stage)
    if export_row is not None:
        folder.exports(export_row)
    folder.fill_empty()
    folder.describe(about)


def rebuild(root: Path, last: Snapshot, number: int, spill: Path) -> SnapshotBuilder:
    """Make a snapshot folder of the same contents in fewer files."""
    folder = SnapshotBuilder(root, number, last)
    folder.inherit(Stage(spill), TABLES)
    folder.compact()
    folder.fill_empty()
    about = SnapshotHeader(number, last.server, last.selections, False, last.created_at, last.keep)
    folder.describe(about)
    return folder
