"""A file system for DuckDB with the files of one snapshot; it fetches the bytes that are read.

Nothing is listed and no object is looked up: the manifest has names and sizes. The end of a file,
which describes the rest, and what was read of other tables than ``scalars`` are kept in this user's
cache.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fsspec import AbstractFileSystem

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.engine.reading_errors import marked
from clearml_snapshot.exporter.store.objects import cache
from clearml_snapshot.exporter.store.objects.bucket import Bucket

_SMALL: Final = 64 * 2**10
"""Bytes of a file that is fetched completely."""
_TAIL: Final = 16 * 2**10
_LARGE: Final = 4 * 2**20
_TAIL_OF_LARGE: Final = 32 * 2**10
"""Bytes at the end of a larger file that are fetched together: they have its footer, mostly."""
_AHEAD: Final = 16 * 2**10
"""Bytes that are fetched at least: a request takes longer than that many bytes."""
_REMEMBERED: Final = 32 * 2**20
"""Bytes that are kept in memory: DuckDB reads some parts twice."""
_THEN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When every file was changed last: they never change."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a snapshot as it is stored."""

    key: str
    bytes: int
    sha256: str
    is_kept: bool
    """Whether its parts stay in the cache."""


class SnapshotFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a snapshot by their paths, ``protocol://scalars/project_id=…/….parquet``."""

    cachable = False

    def __init__(self, protocol: str, bucket: Bucket, files: Mapping[str, StoredFile]) -> None:
        super().__init__()
        self.protocol = protocol
        self._bucket, self._files, self._segments = bucket, files, Segments()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return the size of a file."""
        return {"name": path, "size": self._entry(path).bytes, "type": "file"}

    def modified(self, path: str) -> datetime:
        """Return the same moment always."""
        return _THEN

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether the snapshot has a file."""
        return path in self._files

    def isfile(self, path: str) -> bool:
        """Return whether the snapshot has a file."""
        return path in self._files

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path itself: files are always named."""
        return [path] if path in self._files else []

    def open(self, path: str, mode: str = "rb", **_: Any) -> "RangeFile":
        """Open a file for reading."""
        if mode not in ("rb", "r"):
            raise PermissionError("a snapshot never changes")
        return RangeFile(self._bucket, self._entry(path), self._segments)

    def _entry(self, path: str) -> StoredFile:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path]


class RangeFile(io.RawIOBase):
    """A file in a bucket; each reading fetches what is not known yet.

    DuckDB's threads share it: each sets a position and then reads, in two calls between which
    another thread may do the same. So every thread has a position of its own. They are found by the
    number of the thread and not by ``threading.local``, which loses what a thread that is not
    Python's has stored when its call ends.
    """

    def __init__(self, bucket: Bucket, entry: StoredFile, segments: "Segments") -> None:
        super().__init__()
        self.name = bucket.address.of(entry.key)
        self._bucket, self._entry, self._key = bucket, entry, entry.key
        self._segments = segments
        self._positions: dict[int, int] = {}
        tail = _TAIL if entry.bytes <= _LARGE else _TAIL_OF_LARGE
        self._tail_start = 0 if entry.bytes <= _SMALL else entry.bytes - tail

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it has positions."""
        return True

    def tell(self) -> int:
        """Return the position of the calling thread."""
        return self._positions.get(threading.get_ident(), 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the calling thread."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._entry.bytes}[whence]
        self._positions[threading.get_ident()] = base + offset
        return base + offset

    def read(self, size: int = -1) -> bytes:
        """Read bytes at the position of the calling thread."""
        start = self.tell()
        end = self._entry.bytes if size < 0 else min(start + size, self._entry.bytes)
        try:
            content = self._range(start, end) if end > start else b""
        except SnapshotError as error:
            raise marked(error) from None
        self._positions[threading.get_ident()] = start + len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _range(self, start: int, end: int) -> bytes:
        if start >= self._tail_start:
            tail = self._fetched(self._tail_start, self._entry.bytes, is_kept=True)
            return tail[start - self._tail_start : end - self._tail_start]
        found = self._segments.find(self._key, start, end)
        if found is None:
            last = min(max(end, start + _AHEAD), self._entry.bytes)
            found = start, self._fetched(start, last, is_kept=self._entry.is_kept)
            self._segments.add(self._key, *found)
        begin, content = found
        return content[start - begin : end - begin]

    def _fetched(self, start: int, end: int, *, is_kept: bool) -> bytes:
        def fetch() -> bytes:
            return self._bucket.read_range(self._key, start, end)

        name = f"{self._bucket.address} {self._entry.sha256} {start} {end}"
        return cache.bytes_of(name, fetch) if is_kept else fetch()


class Segments:
    """The last parts of files that were fetched; several threads use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    def find(self, key: str, start: int, end: int) -> tuple[int, bytes] | None:
        """Return where a part that has these bytes begins, and the part."""
        with self._lock:
            for (other, begin), content in reversed(self._parts.items()):
                if other == key and begin <= start and end <= begin + len(content):
                    self._parts.move_to_end((other, begin))
                    return begin, content
        return None

    def add(self, key: str, start: int, content: bytes) -> None:
        """Keep a part, and forget the oldest ones."""
        with self._lock:
            self._bytes += len(content) - len(self._parts.pop((key, start), b""))
            self._parts[key, start] = content
            while self._bytes > _REMEMBERED:
                self._bytes -= len(self._parts.popitem(last=False)[1])
