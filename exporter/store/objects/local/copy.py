"""Brings a snapshot of a bucket, or a part of its files, into a folder for the time of a block."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.disk.targets import check_space
from clearml_snapshot.exporter.store.objects.local.arriving import Arriving
from clearml_snapshot.exporter.store.objects.opening import RemoteFiles
from clearml_snapshot.exporter.store.own_cache import own_cache
from clearml_snapshot.exporter.store.snapshots import Snapshot


@contextmanager
def local_copy(
    snapshot: Snapshot, is_needed: Callable[[FileEntry], bool] = lambda _: True
) -> Iterator[Snapshot]:
    """Provide a snapshot on this machine; one that is here already is returned as it is.

    Errors about the copy name the address, because the copy is gone when they are read.

    Args:
        snapshot: from ``open_snapshot``.
        is_needed: which files of ``scalars`` to bring, and of the small tables; each table gets one
            file at least. The snapshot in the block has no others.

    Raises:
        DatasetError: a file is missing, or is not as it was written.
        SnapshotError: the store refuses, or there is no space.
    """
    there = snapshot.elsewhere
    if not isinstance(there, RemoteFiles):
        yield snapshot
        return
    with bucket_scratch() as folder:
        copied = _brought(there, folder, _needed(snapshot, is_needed))
        try:
            yield copied
        except DatasetError as error:
            if type(error) is not DatasetError or str(folder) not in str(error):
                raise
            raise DatasetError(str(error).replace(str(folder), there.place)) from error


def _brought(there: RemoteFiles, folder: Path, entries: tuple[FileEntry, ...]) -> Snapshot:
    remote = there.dataset.read(there.listed)
    with disk_errors(folder):
        check_space(folder, sum(entry.bytes for entry in entries), there.place)
        arriving = Arriving(there.dataset, remote, folder)
        copied = replace(arriving.bring_texts(), files=entries)
        arriving.bring(entries)
    return copied


@contextmanager
def bucket_scratch() -> Iterator[Path]:
    """Provide an empty folder in this user's cache for what comes from a bucket or goes there."""
    parent = own_cache("buckets") or Path(tempfile.gettempdir())
    with scratch_in(parent, ".copy-") as scratch:
        folder = scratch / "snapshot"
        folder.mkdir()
        yield folder


def _needed(snapshot: Snapshot, is_needed: Callable[[FileEntry], bool]) -> tuple[FileEntry, ...]:
    """Choose the files to bring, and of a table without any the smallest one."""
    chosen = [entry for entry in snapshot.files if is_needed(entry)]
    for table in {entry.table for entry in snapshot.files} - {entry.table for entry in chosen}:
        of_table = (entry for entry in snapshot.files if entry.table == table)
        chosen.append(min(of_table, key=lambda entry: entry.bytes))
    return tuple(sorted(chosen, key=lambda entry: entry.path))
