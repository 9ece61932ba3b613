"""Reads a dataset folder, or a snapshot folder, that a web server publishes as it is.

A web server lists nothing and may be updated at any moment. So the number of the current snapshot
is read first, and everything else below ``snapshots/<number>``, which never changes.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id, read_sums
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.remote import RemoteSnapshot, checked
from clearml_snapshot.exporter.store.objects.store_errors import (
    ForbiddenError,
    MissingObjectError,
)
from clearml_snapshot.exporter.store.snapshots import described, parse_header
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json

_CURRENT: Final = "current"


class WebFolder:
    """A dataset folder; or one snapshot, then there is no ``snapshots`` folder."""

    def __init__(self, bucket: Bucket, refused: ForbiddenError | None = None) -> None:
        self.bucket, self._refused = bucket, refused
        self._is_single = False
        self._sums: dict[int, bytes] = {}

    @property
    def address(self) -> str:
        """The address, as it is typed."""
        return str(self.bucket.address)

    def snapshots(self) -> tuple[keys.ListedSnapshot, ...]:
        """Return the current snapshot only: a web server does not list folders."""
        return (self.find(None),)

    def find(self, which: int | datetime | None) -> keys.ListedSnapshot:
        """Choose the current snapshot, or one by its number.

        Raises:
            NoDatasetError: there is no dataset, or no such snapshot, or it was chosen by time.
            DatasetError: it is damaged.
            SnapshotError: the server refuses, or cannot be reached.
        """
        if which is None:
            return self._current()
        if not isinstance(which, int) or which < 0:
            raise NoDatasetError(
                f"{self.address} is a folder on a web server, which does not list its snapshots; "
                "choose one by its number, or copy the dataset to a bucket and publish that"
            )
        content = self._optional(self._key(which, layout.SNAPSHOT_JSON))
        if content is None:
            raise NoDatasetError(
                f"{self.address} has no snapshot {which}; leave it out to choose the current one"
            )
        return self._listed(content)

    def read(self, listed: keys.ListedSnapshot) -> RemoteSnapshot:
        """Read the texts of a snapshot, and compare all that they state.

        Raises:
            DatasetError: they do not agree.
            SnapshotError: the server refuses, or cannot be reached.
        """
        sums = self._sums_of(listed.number)
        with self._damage(self._key(listed.number, layout.SHA256SUMS)):
            names = [n for n in read_sums(sums) if n in layout.TEXTS and n not in keys.PAGES]
            with ThreadPoolExecutor(len(names) or 1) as pool:
                texts = pool.map(lambda name: self._text(listed.number, name), names)
                read = dict(zip(names, texts, strict=True))
            return checked(listed, {**read, layout.SHA256SUMS: sums})

    def file_key(self, number: int, entry: FileEntry) -> str:
        """Return the key of a data file of a snapshot."""
        return self._key(number, entry.path)

    def page_key(self, number: int, name: str, sha256: str) -> str:
        """Return the key of a page of a pack."""
        del sha256
        return self._key(number, name)

    def _current(self) -> keys.ListedSnapshot:
        content = self._optional(f"{_CURRENT}/{layout.SNAPSHOT_JSON}")
        if content is None:
            content = self._optional(layout.SNAPSHOT_JSON)
            self._is_single = content is not None
        if content is None and self._refused is not None:
            raise self._refused
        if content is None:
            raise NoDatasetError(
                f"no dataset at {self.address}: it has neither {keys.POINTER} nor "
                f"{_CURRENT}/{layout.SNAPSHOT_JSON}; check the address"
            )
        return self._listed(content)

    def _listed(self, header: bytes) -> keys.ListedSnapshot:
        with self._damage(layout.SNAPSHOT_JSON):
            snapshot = described(Path(), parse_header(header, Path()))
            sums = self._sums_of(snapshot.number)
            digest = hashlib.sha256(header).hexdigest()
            return keys.ListedSnapshot(
                snapshot.number,
                content_id(sums),
                digest,
                snapshot.created_at,
                checkpoint=snapshot.checkpoint,
            )

    def _sums_of(self, number: int) -> bytes:
        if number not in self._sums:
            self._sums[number] = self._text(number, layout.SHA256SUMS)
        return self._sums[number]

    def _text(self, number: int, name: str) -> bytes:
        return self.bucket.read(self._key(number, name), snapshot_json.MOST_BYTES)[0]

    def _optional(self, key: str) -> bytes | None:
        try:
            return self.bucket.read(key, snapshot_json.MOST_BYTES)[0]
        except MissingObjectError:
            return None
        except ForbiddenError as refused:  # some servers answer so for what is not there
            self._refused = refused
            return None

    def _key(self, number: int, path: str) -> str:
        return path if self._is_single else f"{layout.SNAPSHOTS}/{number:06d}/{path}"

    @contextmanager
    def _damage(self, key: str) -> Iterator[None]:
        try:
            yield
        except MissingObjectError:
            raise
        except (ValueError, DatasetError) as error:
            raise DatasetError(f"{self.bucket.address.of(key)} is damaged: {error}") from error
