"""A dataset in a bucket: its pointer, the manifests of its snapshots, and the next state."""

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from clearml_snapshot.exporter.errors import (
    DatasetError,
    NewerFormatError,
    NoDatasetError,
    OvertakenError,
)
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id, read_sums
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.bucket import Bucket, Version
from clearml_snapshot.exporter.store.objects.store_errors import MissingObjectError
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, parse_header

_TRIES: Final = 40
"""Of a compare-and-set that others win."""
_MOST_PAUSE: Final = 32
"""How many times as long as the try itself the pause after it may be.

So of 40 writers about three try at once, however long a try takes.
"""
_LONGEST_PAUSE: Final = 60.0
"""Seconds; a first try may take minutes, because it sends new points."""


@dataclass(frozen=True, slots=True)
class RemoteSnapshot:
    """A snapshot whose manifest was read and agrees with its hashes."""

    listed: keys.ListedSnapshot
    snapshot: Snapshot
    """As ``snapshot.json`` describes it; its root is not on this machine."""
    texts: Mapping[str, bytes]
    """By name, with ``SHA256SUMS``; without pages."""
    pages: Mapping[str, str]
    """The hash of each page, by its name."""


class ReadableDataset(Protocol):
    """A dataset at an address, however its files are named there."""

    bucket: Bucket

    @property
    def address(self) -> str:
        """The address, as it is typed."""

    def snapshots(self) -> tuple[keys.ListedSnapshot, ...]:
        """List the snapshots that can be found, oldest first; the last one is the current one."""

    def find(self, which: int | datetime | None) -> keys.ListedSnapshot:
        """Choose a snapshot, as ``opening.open_snapshot`` does."""

    def read(self, listed: keys.ListedSnapshot) -> RemoteSnapshot:
        """Read the texts of a snapshot, and compare all that they state."""

    def file_key(self, number: int, entry: FileEntry) -> str:
        """Return the key of a data file of a snapshot."""

    def page_key(self, number: int, name: str, sha256: str) -> str:
        """Return the key of a page of a pack."""


class RemoteDataset:
    """The dataset at an address; see ``objects.keys`` for what is stored where."""

    def __init__(self, bucket: Bucket, known: keys.Pointer | None = None) -> None:
        self.bucket, self._known = bucket, known

    @property
    def address(self) -> str:
        """The address, as it is typed."""
        return str(self.bucket.address)

    def pointer(self) -> tuple[keys.Pointer, Version] | None:
        """Read which snapshots there are; None if nothing was ever stored.

        Raises:
            DatasetError: it is damaged, or of a newer layout.
            SnapshotError: the store refuses, or cannot be reached.
        """
        try:
            content, version = self.bucket.read(keys.POINTER, keys.MOST_POINTER)
        except MissingObjectError:
            return None
        with self._damage(keys.POINTER):
            return keys.decoded_pointer(content), version

    def snapshots(self) -> tuple[keys.ListedSnapshot, ...]:
        """List the snapshots, oldest first; the last one is the current one.

        Raises:
            NoDatasetError: there is no dataset.
            DatasetError: it is damaged.
            SnapshotError: the store refuses, or cannot be reached.
        """
        if self._known is not None:
            return self._known.snapshots
        pointer = self.pointer()
        if pointer is None:
            raise NoDatasetError(
                f"no dataset at {self.address}; check the address{_and_endpoint(self.bucket)}, or "
                f"copy one there with clearml-snapshot copy FOLDER {self.address}"
            )
        return pointer[0].snapshots

    def find(self, which: int | datetime | None) -> keys.ListedSnapshot:
        """Choose a snapshot, as ``opening.open_snapshot`` does.

        Raises:
            NoDatasetError: there is no dataset, or no such snapshot.
            DatasetError: it is damaged.
            SnapshotError: the store refuses, or cannot be reached.
        """
        return _chosen(self.address, self.snapshots(), which)

    def file_key(self, number: int, entry: FileEntry) -> str:
        """Return the key of a data file; snapshots share files."""
        del number
        return keys.file_key(entry)

    def page_key(self, number: int, name: str, sha256: str) -> str:
        """Return the key of a page of a pack."""
        del number
        return keys.page_key(name, sha256)

    def read(self, listed: keys.ListedSnapshot) -> RemoteSnapshot:
        """Read a manifest and compare all that it states.

        Raises:
            DatasetError: it is damaged, hostile, or newer than this tool.
            SnapshotError: the store refuses, or cannot be reached.
        """
        key = listed.manifest_key
        content, _ = self.bucket.read(key, keys.MOST_MANIFEST)
        if hashlib.sha256(content).hexdigest() != listed.manifest:
            raise DatasetError(f"{self.bucket.address.of(key)} is damaged (checksum mismatch)")
        with self._damage(key):
            return read_manifest(listed, content)

    def publish(
        self, choose: Callable[[keys.Pointer | None], tuple[keys.ListedSnapshot, ...] | None]
    ) -> keys.Pointer:
        """Make a new state the current one, by compare-and-set.

        If another writer was quicker, its state is read and chosen from again, a limited number of
        times.

        Args:
            choose: receives the present state and returns the snapshots of the next one, or None
                if it saw that another writer was quicker; it may refuse.

        Raises:
            OvertakenError: others are always quicker.
            SnapshotError: the store refuses, or cannot be reached.
        """
        for attempt in range(_TRIES):
            begun = time.monotonic()
            pointer, version = self.pointer() or (None, None)
            snapshots = choose(pointer)
            if snapshots is not None:
                chosen = keys.Pointer(snapshots)
                if pointer is not None and snapshots == pointer.snapshots:
                    return pointer  # also if the answer to the last attempt was lost
                if self.bucket.replace(keys.POINTER, keys.encoded(chosen), version):
                    return chosen
            # Writers that met wait for different times, so that they do not meet again.
            longest = (time.monotonic() - begun) * min(2**attempt, _MOST_PAUSE)
            time.sleep(random.uniform(0, min(longest, _LONGEST_PAUSE)))
        raise OvertakenError(
            f"others changed {self.address} first, {_TRIES} times in a row; all that they and "
            "earlier commits wrote is there; run it again, with fewer at once"
        )

    @contextmanager
    def _damage(self, key: str) -> Iterator[None]:
        """Name the object whose contents are wrong."""
        try:
            yield
        except (keys.NewerLayoutError, NewerFormatError) as error:
            raise NewerFormatError(f"{self.bucket.address.of(key)} is damaged: {error}") from error
        except (ValueError, DatasetError) as error:
            raise DatasetError(f"{self.bucket.address.of(key)} is damaged: {error}") from error


def _and_endpoint(bucket: Bucket) -> str:
    """Name what else decides where a bucket is: a web server may answer that it has nothing."""
    is_set = bucket.address.scheme == "s3" and os.environ.get("AWS_ENDPOINT_URL")
    return " and AWS_ENDPOINT_URL" if is_set else ""


def read_manifest(listed: keys.ListedSnapshot, content: bytes) -> RemoteSnapshot:
    """Read a manifest; see ``checked``.

    Raises:
        ValueError: they do not agree.
        DatasetError: ``snapshot.json`` is damaged or newer than this tool.
    """
    manifest = keys.decoded_manifest(content)
    return checked(listed, {name: text.encode() for name, text in manifest.texts.items()})


def checked(listed: keys.ListedSnapshot, texts: Mapping[str, bytes]) -> RemoteSnapshot:
    """Compare the texts of a snapshot with its content id, and with each other.

    Raises:
        ValueError: they do not agree.
        DatasetError: ``snapshot.json`` is damaged or newer than this tool.
    """
    sums = texts.get(layout.SHA256SUMS, b"")
    if content_id(sums) != listed.content_id:
        raise ValueError("SHA256SUMS is not that of the snapshot")
    hashes = read_sums(sums)
    pages = {name: hashes[name] for name in keys.PAGES if name in hashes}
    if texts.keys() - {layout.SHA256SUMS} != {n for n in hashes if n in layout.TEXTS} - {*pages}:
        raise ValueError("it has other texts than SHA256SUMS")
    for name, text in texts.items():
        if name != layout.SHA256SUMS and hashlib.sha256(text).hexdigest() != hashes[name]:
            raise ValueError(f"{name} has another hash than in SHA256SUMS")
    root = Path(f"{layout.SNAPSHOTS}/{listed.number:06d}")
    snapshot = described(root, parse_header(texts[layout.SNAPSHOT_JSON], root))
    _compare(listed, snapshot, hashes)
    return RemoteSnapshot(listed, snapshot, texts, pages)


def _compare(listed: keys.ListedSnapshot, snapshot: Snapshot, hashes: Mapping[str, str]) -> None:
    stated = (snapshot.number, snapshot.created_at, snapshot.checkpoint)
    if stated != (listed.number, listed.created_at, listed.checkpoint):
        raise ValueError("snapshot.json and the pointer describe different snapshots")
    if {entry.table for entry in snapshot.files} != {*layout.TABLE_NAMES}:
        raise ValueError("snapshot.json lists no file of a table")
    files = {entry.path: entry.sha256 for entry in snapshot.files}
    if files != {path: digest for path, digest in hashes.items() if path not in layout.TEXTS}:
        raise ValueError("snapshot.json and SHA256SUMS list different files")
    if len(files) != len(snapshot.files) or not all(map(_is_in_place, snapshot.files)):
        raise ValueError("a file is listed twice, or in a wrong place")


def _is_in_place(entry: FileEntry) -> bool:
    return layout.table_at(entry.path) == entry.table


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
