"""Provides the files that are compared with the server; of a bucket only those that are needed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects.address import refuse_web
from clearml_snapshot.exporter.store.objects.local.copy import bucket_scratch
from clearml_snapshot.exporter.store.objects.opening import RemoteFiles
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.verify.files import damaged_files
from clearml_snapshot.exporter.store.writing.remote.fetched import FetchedFiles
from clearml_snapshot.exporter.store.writing.remote.sending import at_once


@contextmanager
def with_files(snapshot: Snapshot) -> Iterator[Snapshot]:
    """Provide a snapshot whose files are on this machine, or come here when they are read.

    Raises:
        UsageError: it is on a web server, where a list of tasks cannot be recorded.
        SnapshotError: there is no space.
    """
    there = snapshot.elsewhere
    if not isinstance(there, RemoteFiles):
        yield snapshot
        return
    refuse_web(there.bucket.address)
    with (
        bucket_scratch() as folder,
        disk_errors(folder, "no task is listed", only_there=True),
    ):
        files = FetchedFiles(there.bucket, there.snapshot, folder)
        yield replace(snapshot, elsewhere=files)


def first_problem(snapshot: Snapshot, entries: Sequence[FileEntry]) -> str | None:
    """Compare files with their hashes, and describe one that was changed; None if none was."""
    if snapshot.elsewhere is None:
        return next(damaged_files(snapshot.root, entries), None)
    try:
        at_once(lambda entry: snapshot.file(entry.path), entries)  # which compares them
    except DatasetError as error:
        return str(error)
    return None
