"""Opens a snapshot in a bucket for reading; its files stay there."""

from dataclasses import dataclass, replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import duckdb

from clearml_snapshot.exporter.errors import DatasetError, not_installed
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects import cache, keys
from clearml_snapshot.exporter.store.objects.address import Address, parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.remote import ReadableDataset, RemoteDataset
from clearml_snapshot.exporter.store.objects.store_errors import ForbiddenError
from clearml_snapshot.exporter.store.objects.web.folder import WebFolder
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, read_header


@dataclass(frozen=True)
class RemoteFiles:
    """The files of a snapshot, which DuckDB reads through a file system of its own."""

    dataset: ReadableDataset
    listed: keys.ListedSnapshot
    snapshot: Snapshot

    @property
    def place(self) -> str:
        """The address of the dataset."""
        return self.dataset.address

    @property
    def bucket(self) -> Bucket:
        """The objects below it."""
        return self.dataset.bucket

    def key(self, entry: FileEntry) -> str:
        """Return the key of a data file."""
        return self.dataset.file_key(self.listed.number, entry)

    @property
    def protocol(self) -> str:
        """The beginning of all paths: two snapshots may be open at once."""
        return f"snapshot-{self.listed.content_id[:16]}"

    def path(self, entry: FileEntry) -> str:
        """Return the path of a file, for a connection that it was registered with."""
        return f"{self.protocol}://{entry.path}"

    def file(self, path: str) -> Path:
        """Fail: only a writer has files on this machine, see ``writing/remote/fetched.py``."""
        raise AssertionError(f"{path} is not on this machine")

    def source(self, path: str) -> Path | BinaryIO:
        """Fail, as ``file`` does."""
        return self.file(path)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB read these files; it may have been told before.

        Raises:
            UsageError: fsspec is not installed.
        """
        try:
            from clearml_snapshot.exporter.store.objects.file_system import (
                SnapshotFiles,
                StoredFile,
            )
        except ImportError:
            raise not_installed("reading from a bucket", "fsspec") from None
        if connection.filesystem_is_registered(self.protocol):
            return
        files = {
            self.path(entry): StoredFile(
                self.key(entry), entry.bytes, entry.sha256, is_kept=entry.table != "scalars"
            )
            for entry in self.snapshot.files
        }
        file_system = SnapshotFiles(self.protocol, self.bucket, files)
        connection.register_filesystem(file_system)
        tables = {entry.table: self.path(entry) for entry in reversed(self.snapshot.files)}
        file_system.fetch_ends(tables.values())  # the views read the first file of each table


def open_in_bucket(address: str | PathLike[str], which: int | datetime | None) -> Snapshot:
    """Open a snapshot of the dataset at an address.

    Args:
        address: of the dataset.
        which: as for ``opening.open_snapshot``.

    Raises:
        UsageError: the address is wrong, there is no such bucket, or a package is missing.
        DatasetError: there is no dataset, no such snapshot, or it is damaged or newer.
        SnapshotError: the store refuses, or cannot be reached.
    """
    remote = dataset_at(parse_address(address))
    listed = remote.find(which)
    root = cache.texts_of(listed.content_id, lambda: remote.read(listed).texts)
    snapshot = described(root, read_header(root))
    if snapshot.number != listed.number:
        raise DatasetError(f"{remote.address}: the pointer and snapshot.json disagree")
    return replace(snapshot, elsewhere=RemoteFiles(remote, listed, snapshot))


def dataset_at(address: Address) -> ReadableDataset:
    """Return the dataset at an address, for reading.

    A web server may publish a dataset as it is in a bucket, or a folder.

    Raises:
        UsageError: there is no such bucket, or a package is missing.
        DatasetError: the pointer is damaged or newer.
        SnapshotError: the store refuses, or cannot be reached.
    """
    bucket = Bucket.at(address)
    if not address.is_web:
        return RemoteDataset(bucket)
    try:
        pointer = RemoteDataset(bucket).pointer()
    except ForbiddenError as refused:  # a bucket that is not listed for everyone answers so
        return WebFolder(bucket, refused)
    return WebFolder(bucket) if pointer is None else RemoteDataset(bucket, pointer[0])
