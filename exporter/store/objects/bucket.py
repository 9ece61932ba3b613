"""The objects below one address: read, create-only, replaced by compare-and-set, listed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.objects.address import refuse_web
from clearml_snapshot.exporter.store.objects.connecting import connect
from clearml_snapshot.exporter.store.objects.store_errors import (
    MissingObjectError,
    NoAnswerError,
    store_errors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

    from clearml_snapshot.exporter.store.objects.address import Address

_TRIES: Final = 4
"""Of a download that arrives damaged or ends early."""
_WAIT: Final = 0.25
"""Seconds before the second one; then twice as many."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing."""

    bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of an object was read, for compare-and-set."""

    tag: str | None
    version: str | None

    @property
    def mode(self) -> UpdateVersion:
        """The condition of a write."""
        mode: UpdateVersion = {}
        if self.tag is not None:
            mode["e_tag"] = self.tag
        if self.version is not None:
            mode["version"] = self.version
        return mode


@dataclass(frozen=True, slots=True)
class Received:
    """What an object contained."""

    sha256: str
    bytes: int


@dataclass
class Traffic:
    """What was sent and received; several threads may add to it."""

    sent: int = 0
    received: int = 0
    requests: int = 0


@dataclass(frozen=True)
class Bucket:
    """The objects of one dataset; keys are relative to its address."""

    address: Address
    store: ObjectStore = field(repr=False)
    """Not shown: it may contain credentials, and that of Azure fails to describe itself."""
    traffic: Traffic = field(default_factory=Traffic)

    @classmethod
    def at(cls, address: Address) -> Bucket:
        """Connect; nothing is sent yet.

        Raises:
            UsageError: obstore is not installed, or a setting is invalid.
        """
        return cls(address, connect(address))

    def read(self, key: str, most: int) -> tuple[bytes, Version]:
        """Read a small object.

        Args:
            key: its key.
            most: bytes that it may have.

        Raises:
            MissingObjectError: it is not there.
            DatasetError: it is larger.
            SnapshotError: the store refuses, or cannot be reached.
        """
        with store_errors(self.address, "read"):
            answer = self.store.get(key)
            if answer.meta["size"] > most:
                raise DatasetError(f"{self.address.of(key)} is larger than {most:,} bytes")
            content = bytes(answer.bytes())
        self._count(received=len(content))
        return content, Version(answer.meta["e_tag"], answer.meta["version"])

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Read bytes ``start`` to ``end``, without the last one.

        Raises:
            MissingObjectError: the object is not there.
            SnapshotError: the store refuses, or cannot be reached.
        """
        with store_errors(self.address, "read"):
            content = bytes(self.store.get_range(key, start=start, end=end))
        if len(content) != end - start:
            raise DatasetError(
                f"{self.address.of(key)} has fewer bytes than its snapshot states; copy it again"
            )
        self._count(received=len(content))
        return content

    def download(self, key: str, target: BinaryIO, expected: str) -> None:
        """Write an object into an empty file or buffer, and compare it with its hash.

        Args:
            key: its key.
            target: where to write.
            expected: the SHA-256, 64 hex digits.

        Raises:
            MissingObjectError: it is not there.
            DatasetError: its bytes are others than those that were stored.
            SnapshotError: the store refuses, or cannot be reached.
        """
        if self.received(key, target, expected).sha256 != expected:
            raise DatasetError(
                f"{self.address.of(key)} has changed since it was written (checksum mismatch); "
                "remove it and copy it again"
            )

    def received(self, key: str, target: BinaryIO | None, expected: str) -> Received:
        """Download an object, a few times if its bytes are not the expected ones.

        Args:
            key: its key.
            target: an empty file or buffer to write it into; None keeps nothing.
            expected: the SHA-256, 64 hex digits.

        Raises:
            MissingObjectError: it is not there.
            SnapshotError: the store refuses, or cannot be reached.
        """
        last: Received | None = None
        for wait in _waits():
            time.sleep(wait)  # backoff: the store did not answer, or sent other bytes
            try:
                last = self._downloaded(key, target)
                if last.sha256 == expected:
                    break
            except NoAnswerError:
                if wait == _LAST:
                    raise
        assert last is not None
        return last

    def _downloaded(self, key: str, target: BinaryIO | None) -> Received:
        digest, size = hashlib.sha256(), 0
        if target is not None:
            target.seek(0)
            target.truncate()
        with store_errors(self.address, "read"):
            for block in self.store.get(key).stream(min_chunk_size=2**20):
                digest.update(block)
                size += len(block)
                if target is not None:
                    target.write(block)
        self._count(received=size)
        return Received(digest.hexdigest(), size)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object that must not exist; return False if it does.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
        """
        return self._put(key, content, "create")

    def replace(self, key: str, content: bytes, last: Version | None) -> bool:
        """Write an object if it is still in the state that was read; return whether it was.

        Args:
            key: its key.
            content: what to write.
            last: the state; None if it was not there.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
        """
        return self._put(key, content, "create" if last is None else last.mode)

    def _put(self, key: str, content: bytes, mode: PutMode) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        refuse_web(self.address)
        self._count(sent=len(content))
        try:
            with store_errors(self.address, "write"):
                self.store.put(key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def size(self, key: str) -> int | None:
        """Return the size of an object; None if it is not there.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
        """
        self._count()
        try:
            with store_errors(self.address, "read"):
                return self.store.head(key)["size"]
        except MissingObjectError:
            return None

    def listing(self, prefix: str) -> Mapping[str, Listed]:
        """List the objects below a prefix, by their keys.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
        """
        with store_errors(self.address, "read"):
            return dict(self._listed(prefix))

    def _listed(self, prefix: str) -> Iterator[tuple[str, Listed]]:
        for page in self.store.list(prefix, chunk_size=1_000):
            self._count()
            for found in page:
                yield found["path"], Listed(found["size"], found["last_modified"])

    def delete(self, keys: list[str]) -> None:
        """Delete objects; one that is not there is ignored.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
        """
        refuse_web(self.address)
        if keys:
            self._count()
            with store_errors(self.address, "write"):
                self.store.delete(keys)

    def _count(self, *, sent: int = 0, received: int = 0) -> None:
        self.traffic.requests += 1
        self.traffic.sent += sent
        self.traffic.received += received


_LAST: Final = _WAIT * 2 ** (_TRIES - 2)


def _waits() -> Iterator[float]:
    yield 0
    for attempt in range(_TRIES - 1):
        yield _WAIT * 2**attempt
