"""Creates the objects of a snapshot in a bucket: data files, pages, views, manifest."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.open_sql import open_sql_at
from clearml_snapshot.exporter.store.snapshots import Snapshot

T = TypeVar("T")

AT_ONCE: Final = 4
"""Files in transfer at once; each may be in memory, with up to about 50 MB."""


def at_once(do: Callable[[T], object], things: Iterable[T]) -> None:
    """Call a function for several things at once; the first error ends it and is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(do, thing) for thing in things]
        try:
            for future in running:
                future.result()
        except BaseException:
            for future in running:
                future.cancel()
            raise


def send_file(bucket: Bucket, entry: FileEntry, content: bytes) -> bool:
    """Create the object of a data file; return False if it was there.

    Raises:
        DatasetError: something else is there.
        SnapshotError: the store refuses, or cannot be reached.
    """
    key = keys.file_key(entry)
    if bucket.create(key, content):
        return True
    if bucket.size(key) != entry.bytes:
        raise DatasetError(
            f"{bucket.address.of(key)} was written by something else; remove this object and run "
            "it again"
        )
    return False


def send_files(bucket: Bucket, root: Path, entries: Iterable[FileEntry]) -> None:
    """Create the objects of data files in a snapshot folder.

    Raises:
        DatasetError: something else is in the place of one.
        SnapshotError: the store refuses, or cannot be reached.
    """
    at_once(lambda entry: send_file(bucket, entry, (root / entry.path).read_bytes()), entries)


def send_texts(
    bucket: Bucket, snapshot: Snapshot, content_id: str, texts: Mapping[str, bytes]
) -> keys.ListedSnapshot:
    """Create the views and the manifest of a snapshot; return how the pointer is to list it.

    Args:
        bucket: where to.
        snapshot: whose files are there.
        content_id: of the snapshot.
        texts: by name, with ``SHA256SUMS``; without pages.

    Raises:
        DatasetError: another manifest is in its place.
        SnapshotError: the store refuses, or cannot be reached.
    """
    manifest = keys.encoded(keys.Manifest({n: text.decode() for n, text in sorted(texts.items())}))
    listed = keys.ListedSnapshot(
        snapshot.number,
        content_id,
        hashlib.sha256(manifest).hexdigest(),
        snapshot.created_at,
        snapshot.checkpoint,
    )
    name = listed.open_sql_key.rpartition("/")[2]
    bucket.create(listed.open_sql_key, open_sql_at(bucket.address, snapshot, name).encode())
    if not bucket.create(listed.manifest_key, manifest):
        _compare(bucket, listed, manifest)
    return listed


def _compare(bucket: Bucket, listed: keys.ListedSnapshot, manifest: bytes) -> None:
    """Check that a manifest that is there is the same: its writer was killed, or is working."""
    there, _ = bucket.read(listed.manifest_key, keys.MOST_MANIFEST)
    if there != manifest:
        raise DatasetError(
            f"{bucket.address.of(listed.manifest_key)} was written by something else; remove this "
            "object and run it again"
        )
