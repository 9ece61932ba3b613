"""Merges many small part files into few large ones, so that a year of exports stays fast to query.

It is size-tiered: small files of about the same size are merged, so that a row is rewritten only a
few times, and an export that changes five tasks does not rewrite ten thousand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.disk_errors import reading
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import is_settled
from clearml_snapshot.exporter.store.parts.parquet import row_groups, write_part
from clearml_snapshot.exporter.store.parts.reading import Source, belongs, holds_any
from clearml_snapshot.exporter.store.parts.sorted_merge import merged
from clearml_snapshot.exporter.store.snapshots import Snapshot

FULL: Final = {"scalars": 2_500_000, "series": 500_000, "hyperparams": 500_000, "tasks": 100_000}
"""Rows from which on a file is large enough; merged ones have up to three times as many."""

MOST: Final = 8
"""Number of small files per folder, of settled tasks and of others each, that is not merged."""

FAN_IN: Final = 16
"""Files merged at once: the memory is a block of each."""

LARGE: Final = 16_384
"""Bytes per row, compressed, of files of which few are merged at once: a block may be one text."""
FAN_IN_LARGE: Final = 3

_Filter = Callable[[pa.RecordBatch], "pa.Array[Any]"]

_TIER: Final = 2
"""A file is merged with smaller ones when it is at most this many times as large as all of them."""


def is_crowded(snapshot: Snapshot) -> bool:
    """Return whether ``compact`` would merge anything in a snapshot."""
    groups = crowded(snapshot.files)
    unsettled = _unsettled(snapshot.file, snapshot.files) if groups else []
    pools = (pool for group in groups for pool in _pools(snapshot.source, group, unsettled))
    return any(len(pool) > MOST for pool in pools)


def crowded(files: Iterable[FileEntry]) -> list[list[FileEntry]]:
    """Group the small files of a snapshot by folder; only folders that may have too many."""

    def folder(entry: FileEntry) -> str:
        return entry.path.rpartition("/")[0]

    small = sorted((f for f in files if f.rows < FULL.get(f.table, 0)), key=folder)
    groups = [list(group) for _, group in groupby(small, key=folder)]
    return [group for group in groups if len(group) > MOST]


def pick(rows: Sequence[int], full: int, fan_in: int = FAN_IN) -> int:
    """Return how many of the small files, smallest first, to merge into one.

    Args:
        rows: their sizes, ascending; at least two.
        full: from which size on a file is left alone.
        fan_in: how many there may be.
    """
    together = rows[0]
    for count, size in enumerate(rows[1:], 1):
        enough = together >= 2 * full or count == fan_in
        if count > 1 and (enough or size > _TIER * together):
            return count
        together += size
    return len(rows)


def compact(root: Path, files: Sequence[FileEntry], new_name: Callable[[], str]) -> list[FileEntry]:
    """Merge small files inside an unfinished snapshot folder; returns its files afterwards.

    Rows of tasks that may still change go into files of their own, whatever they were in before.

    Args:
        root: the folder; what is merged is deleted here (a hard link, so older snapshots keep it).
        files: all of its files.
        new_name: names the next part file.
    """
    left = {entry.path: entry for entry in files}
    unsettled = _unsettled(lambda path: root / path, files)
    for group in crowded(files):
        for entry in group:
            del left[entry.path]
        for entry in _merge_group(root, group, unsettled, new_name):
            left[entry.path] = entry
    return list(left.values())


def _unsettled(at: Callable[[str], Path], files: Iterable[FileEntry]) -> list[str]:
    columns = ["task_id", "status", "state"]
    return sorted(
        row["task_id"]
        for entry in files
        if entry.table == "tasks"
        for row in _read(at(entry.path), columns)
        if not is_settled(row["status"], row["state"])
    )


def _read(path: Path, columns: list[str]) -> list[dict[str, Any]]:
    with reading(path):
        return pq.read_table(path, columns=columns, partitioning=None).to_pylist()


def _pools(
    at: Callable[[str], Source], group: Sequence[FileEntry], unsettled: Sequence[str]
) -> tuple[list[FileEntry], list[FileEntry]]:
    """Separate the files that hold a task that may still change from the others."""
    others = [entry for entry in group if holds_any(at(entry.path), unsettled)]
    return others, [entry for entry in group if entry not in others]


def _merge_group(
    root: Path, group: Sequence[FileEntry], unsettled: Sequence[str], new_name: Callable[[], str]
) -> list[FileEntry]:
    """Merge the small files of one folder until there are few enough."""
    others, settled = _pools(lambda path: root / path, group, unsettled)
    unsettled_ids = pa.array(unsettled, pa.string())
    while small_files := _chosen(others):
        others.append(
            _merge(root, small_files, new_name(), lambda batch: belongs(batch, unsettled_ids))
        )
        settled.append(
            _merge(root, small_files, new_name(), lambda b: pc.invert(belongs(b, unsettled_ids)))
        )
        _delete(root, small_files)
    while small_files := _chosen(settled):
        settled.append(_merge(root, small_files, new_name()))
        _delete(root, small_files)
    _delete(root, (entry for entry in [*others, *settled] if not entry.rows))
    return [entry for entry in [*others, *settled] if entry.rows]


def _chosen(pool: list[FileEntry]) -> list[FileEntry]:
    """Remove from a pool the files to merge next; nothing if it has few enough small files."""
    small = sorted((e for e in pool if e.rows < FULL[e.table]), key=lambda entry: entry.rows)
    if len(small) <= MOST:
        return []
    is_large = any(entry.bytes > LARGE * entry.rows for entry in small)
    fan_in = FAN_IN_LARGE if is_large else FAN_IN
    files = small[: pick([entry.rows for entry in small], FULL[small[0].table], fan_in)]
    pool[:] = [entry for entry in pool if entry not in files]
    return files


def _merge(
    root: Path, entries: Sequence[FileEntry], name: str, keep: _Filter | None = None
) -> FileEntry:
    """Write the rows of some files as one; ``rows`` may be 0."""
    table, folder = entries[0].table, entries[0].path.rpartition("/")[0]
    sources = [root / entry.path for entry in entries]
    batches: Iterator[pa.RecordBatch] = (
        batch for rows in merged(sources, table) for batch in rows.to_batches()
    )
    if keep is not None:
        batches = (batch.filter(keep(batch)) for batch in batches)
    path = f"{folder}/{name}"
    return replace(write_part(root / path, table, row_groups(batches, table)), path=path)


def _delete(root: Path, entries: Iterable[FileEntry]) -> None:
    for entry in entries:
        (root / entry.path).unlink()
