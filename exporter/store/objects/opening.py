"""Opens a snapshot in a bucket for reading; its files stay there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from os import PathLike

import duckdb

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, not_installed
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects import cache, keys
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, read_header


@dataclass(frozen=True)
class RemoteFiles:
    """The files of a snapshot, which DuckDB reads through a file system of its own."""

    bucket: Bucket
    listed: keys.ListedSnapshot
    snapshot: Snapshot

    @property
    def place(self) -> str:
        """The address of the dataset."""
        return str(self.bucket.address)

    @property
    def protocol(self) -> str:
        """The beginning of all paths: two snapshots may be open at once."""
        return f"snapshot-{self.listed.content_id[:16]}"

    def path(self, entry: FileEntry) -> str:
        """Return the path of a file, for a connection that it was registered with."""
        return f"{self.protocol}://{entry.path}"

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB read these files; it may have been told before.

        Raises:
            UsageError: fsspec is not installed.
        """
        try:
            from clearml_snapshot.exporter.store.objects.file_system import SnapshotFiles
        except ImportError:
            raise not_installed("reading from a bucket", "fsspec") from None
        if connection.filesystem_is_registered(self.protocol):
            return
        files = {self.path(entry): entry for entry in self.snapshot.files}
        connection.register_filesystem(SnapshotFiles(self.protocol, self.bucket, files))


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
    remote = RemoteDataset(Bucket.at(parse_address(address)))
    listed = _chosen(remote.address, remote.snapshots(), which)
    root = cache.texts_of(listed.content_id, lambda: remote.read(listed).texts)
    snapshot = described(root, read_header(root))
    if snapshot.number != listed.number:
        raise DatasetError(f"{remote.address}: the pointer and snapshot.json disagree")
    return replace(snapshot, elsewhere=RemoteFiles(remote.bucket, listed, snapshot))


def _chosen(
    address: str, listed: Sequence[keys.ListedSnapshot], which: int | datetime | None
) -> keys.ListedSnapshot:
    if which is None:
        return listed[-1]
    if isinstance(which, datetime):
        fitting = [snapshot for snapshot in listed if snapshot.created_at <= which][-1:]
    elif which < 0:
        fitting = [listed[which - 1]] if len(listed) > -which else []
    else:
        fitting = [snapshot for snapshot in listed if snapshot.number == which]
    if not fitting:
        have = ", ".join(str(snapshot.number) for snapshot in listed)
        raise NoDatasetError(
            f"{address} has no snapshot {which}; available: {have} (copy with "
            f"{setting('snapshots')} decides how many are kept)"
        )
    return fitting[0]
