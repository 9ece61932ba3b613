"""Provides a snapshot of a bucket to be verified: each object is read once, and hashed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clearml_snapshot.exporter.errors import (
    DatasetError,
    NewerFormatError,
    NoDatasetError,
    UsageError,
)
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.disk.targets import check_space
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.keys import ListedSnapshot
from clearml_snapshot.exporter.store.objects.local.arriving import Arriving
from clearml_snapshot.exporter.store.objects.open_sql import open_sql_at
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset, RemoteSnapshot
from clearml_snapshot.exporter.store.objects.store_errors import MissingObjectError
from clearml_snapshot.exporter.store.pack.cache import cache_folder, scratch_in_cache


class DamagedManifestError(DatasetError):
    """The list of files of a snapshot is not as it was written, so nothing else can be checked."""


@dataclass(frozen=True)
class FromBucket:
    """A snapshot of a bucket."""

    folder: Path
    """Its texts, and, unless the check is quick, the files that were checked."""
    check: Callable[[FileEntry], str | None]
    """Reads a file, and describes in one line how it differs from what was written."""
    unproven: tuple[str, ...]
    """What could not be compared, one sentence each."""


@contextmanager
def from_bucket(
    address: str | os.PathLike[str], number: int | None, *, quick: bool
) -> Iterator[FromBucket]:
    """Read the list of files of a snapshot; its files arrive when they are checked.

    Args:
        address: of the dataset.
        number: of the snapshot; None is the current one.
        quick: whether files are only hashed; otherwise they are kept until the end of the block.

    Raises:
        UsageError: it is on a web server.
        NoDatasetError: there is no dataset, or no such snapshot.
        DamagedManifestError: the list of files is damaged.
        DatasetError: the pointer is damaged, or something is newer than this tool.
        SnapshotError: the store refuses, or there is no space.
    """
    parsed = parse_address(address)
    if parsed.is_web:
        raise UsageError(
            f"{parsed} is on a web server, where nothing is verified; copy it to a folder (clearml-"
            "snapshot copy compares every hash) and verify that"
        )
    remote = RemoteDataset(Bucket.at(parsed))
    read = _read(remote, _listed(remote, number))
    with (
        disk_errors(cache_folder(), f"{remote.address} was not checked"),
        scratch_in_cache(cache_folder()) as scratch,
    ):
        folder = scratch / f"{read.listed.number:06d}"
        folder.mkdir()
        if not quick:
            size = sum(entry.bytes for entry in read.snapshot.files)
            check_space(scratch, size, remote.address)
        arriving = Arriving(remote, read, folder)
        arriving.bring_texts()
        yield FromBucket(
            folder,
            lambda entry: arriving.problem(entry, is_kept=not quick),
            () if quick else tuple(_other_views(remote, read)),
        )


def _listed(remote: RemoteDataset, number: int | None) -> ListedSnapshot:
    listed = remote.snapshots()
    if number is None:
        return listed[-1]
    for snapshot in listed:
        if snapshot.number == number:
            return snapshot
    raise NoDatasetError(f"{remote.address} has no snapshot {number}; choose another one")


def _read(remote: RemoteDataset, listed: ListedSnapshot) -> RemoteSnapshot:
    try:
        return remote.read(listed)
    except NewerFormatError:
        raise
    except MissingObjectError:
        raise DamagedManifestError(f"missing: {listed.manifest_key}") from None
    except DatasetError as error:
        raise DamagedManifestError(str(error)) from error


def _other_views(remote: RemoteDataset, read: RemoteSnapshot) -> Iterator[str]:
    """Compare the views with explicit addresses, of which no hash is stored."""
    key = read.listed.open_sql_key
    wanted = open_sql_at(remote.bucket.address, read.snapshot, key.rpartition("/")[2]).encode()
    try:
        found, _ = remote.bucket.read(key, keys.MOST_MANIFEST)
    except MissingObjectError:
        yield f"{key}: it is missing; a copy to a new address writes it again"
        return
    if found != wanted:
        yield (
            f"{key}: differs from what this version writes for this address; do not run it unless "
            "you trust whoever wrote it"
        )
