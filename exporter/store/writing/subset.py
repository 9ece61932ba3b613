"""Writes a part of a snapshot as its own snapshot folder: some tasks or series, edited rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.parquet import conform
from clearml_snapshot.exporter.store.parts.reading import belongs, holds_any, of_series
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.build import Edit, SnapshotBuilder, SnapshotHeader

Row = Mapping[str, Any]
RowEdit = Callable[[Row], Row | None]
"""Returns a row as it is to be stored, or None to leave it out."""

_OF_TASKS: Final = ("tasks", "hyperparams", "series", "scalars")
_OF_SERIES: Final = ("series", "scalars")


@dataclass(frozen=True)
class Part:
    """Which rows of a snapshot to include, and how they are edited."""

    task_ids: frozenset[str] | None = None
    """None: every task."""
    series: frozenset[tuple[str, str]] | None = None
    """Metrics, each with a variant; None: every series."""
    rows: Mapping[str, RowEdit] = field(default_factory=dict)
    """By table; applied to the included rows. For tables that are not large."""
    emptied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By table: columns that become NULL."""
    left_out: frozenset[str] = frozenset()
    """Tables of which no row is included."""


def write_subset(
    root: Path, snapshot: Snapshot, part: Part, more: Mapping[str, Any], *, copies: bool = False
) -> list[FileEntry]:
    """Make a snapshot folder of a part of another one.

    The same rows and the same part give the same bytes, whatever the files of the source. The
    folder has the number and the time of its source, so that its README states the time of its
    contents.

    Args:
        root: the new folder.
        snapshot: where the rows come from.
        part: which.
        more: keys of ``snapshot.json`` to add or to replace.
        copies: give the folder files of its own instead of links.

    Returns:
        Its Parquet files.
    """
    folder = SnapshotBuilder(root, snapshot.number, snapshot, copies=copies)
    choice = _Choice(snapshot, part)
    for entry in sorted(snapshot.files, key=lambda entry: _ORDER.index(entry.table)):
        if entry.rows and not choice.excludes(entry):
            folder.inherit_edited(entry, list(choice.edits(entry)))
    folder.make_canonical()
    folder.fill_empty()
    about = SnapshotHeader(
        snapshot.number,
        snapshot.server,
        snapshot.selections,
        checkpoint=False,
        created_at=snapshot.created_at,
        more=more,
    )
    return folder.describe(about)


_ORDER: Final = ("hyperparams", "tasks", "series", "scalars", "exports")
"""A row of ``tasks`` counts what was edited in its other rows, so it comes after them."""


class _Choice:
    """A part, seen file by file."""

    def __init__(self, snapshot: Snapshot, part: Part) -> None:
        self._root, self._part = snapshot.root, part
        self._included = sorted(part.task_ids or ())
        self._others: list[str] = []
        if part.task_ids is not None:
            every = (row["task_id"] for row in rows(snapshot, "tasks", ["task_id"]))
            self._others = sorted(task_id for task_id in every if task_id not in part.task_ids)

    def excludes(self, entry: FileEntry) -> bool:
        """Return whether nothing of a file is included; reads only its task ids."""
        if entry.table in self._part.left_out:
            return True
        if self._part.task_ids is None or entry.table not in _OF_TASKS:
            return False
        return not holds_any(self._root / entry.path, self._included)

    def edits(self, entry: FileEntry) -> Iterator[Edit]:
        """Yield the edits of the rows of a file; none if all of them are included."""
        table, part = entry.table, self._part
        if table in _OF_TASKS and self._others and holds_any(self._root / entry.path, self._others):
            ids = pa.array(self._included, pa.string())
            yield lambda batch: batch.filter(belongs(batch, ids))
        if table in _OF_SERIES and part.series is not None:
            pairs = part.series
            yield lambda batch: batch.filter(of_series(batch, lambda _, *name: name in pairs))
        if table in part.rows:
            edit = part.rows[table]
            yield lambda batch: _edited(batch, table, edit)
        if part.emptied.get(table):
            columns = part.emptied[table]
            yield lambda batch: _without(batch, columns)


def _edited(batch: pa.RecordBatch, table: str, edit: RowEdit) -> pa.RecordBatch:
    kept = [row for row in map(edit, batch.to_pylist()) if row is not None]
    changed = conform(pa.Table.from_pylist(kept, TABLES[table]), table)
    return changed.combine_chunks().to_batches()[0] if kept else batch.slice(0, 0)


def _without(batch: pa.RecordBatch, columns: tuple[str, ...]) -> pa.RecordBatch:
    for name in columns:
        at = batch.schema.get_field_index(name)
        column = batch.schema.field(at)
        batch = batch.set_column(at, column, pa.nulls(batch.num_rows, column.type))
    return batch
