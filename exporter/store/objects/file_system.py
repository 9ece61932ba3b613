"""A file system for DuckDB with the files of one snapshot; it fetches the bytes that are read.

Nothing is listed and no object is looked up: the manifest has names and sizes. The end of a file,
which describes the rest, and what was read of other tables than ``scalars`` are kept in this user's
cache.
"""

import io
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
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
_INDEX: Final = 128 * 2**10
"""Bytes before that end of a larger file in which its page indexes are: they are kept like it."""
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

    def fetch_ends(self, paths: Iterable[str]) -> None:
        """Begin to fetch the ends of files that will be read; what fails is tried again then."""

        def fetch(path: str) -> None:
            with suppress(SnapshotError):
                self.open(path).read_end()

        for path in paths:
            threading.Thread(target=fetch, args=(path,), daemon=True).start()

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
        is_large = entry.bytes > _LARGE
        tail = _TAIL_OF_LARGE if is_large else _TAIL
        self._tail_start = 0 if entry.bytes <= _SMALL else entry.bytes - tail
        self._index_start = self._tail_start - (_INDEX if is_large else 0)

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

    def read_end(self) -> None:
        """Read the end, which DuckDB reads first."""
        self._range(self._tail_start, self._entry.bytes)

    def _range(self, start: int, end: int) -> bytes:
        return self._segments.read(self._key, start, end, self._to_fetch, self._fetched)

    def _to_fetch(self, start: int, end: int) -> tuple[int, int]:
        """Return which bytes to fetch for some that are not known."""
        if start >= self._tail_start:
            return self._tail_start, self._entry.bytes
        if start >= self._index_start and end <= self._tail_start:
            steps = -(-(self._tail_start - start) // _AHEAD)
            return self._tail_start - steps * _AHEAD, self._tail_start
        return start, min(max(end, start + _AHEAD), self._entry.bytes)

    def _fetched(self, start: int, end: int) -> bytes:
        def fetch() -> bytes:
            return self._bucket.read_range(self._key, start, end)

        if not self._entry.is_kept and start < self._index_start:
            return fetch()
        return cache.bytes_of(f"{self._bucket.address} {self._entry.sha256} {start} {end}", fetch)


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of a file that are known, or on their way."""

    key: str
    start: int
    end: int
    content: Future[bytes]


class Segments:
    """The last parts of files that were fetched; several threads use it.

    What one thread is fetching, another one waits for. What is known of the beginning of a range is
    not fetched again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: OrderedDict[tuple[str, int], _Part] = OrderedDict()
        """What was used last is last."""
        self._of_file: defaultdict[str, dict[int, _Part]] = defaultdict(dict)
        """The same parts, by their files: there may be tens of thousands of these."""
        self._bytes = 0

    def read(
        self,
        key: str,
        start: int,
        end: int,
        to_fetch: Callable[[int, int], tuple[int, int]],
        fetch: Callable[[int, int], bytes],
    ) -> bytes:
        """Return bytes ``start`` to ``end`` of a file, without the last one.

        Args:
            key: of the file.
            start: the first byte.
            end: the byte after the last one.
            to_fetch: returns which bytes to fetch for some that are not known; the first one of
                those is among them.
            fetch: fetches bytes.
        """
        pieces = []
        while start < end:
            part, is_new = self._part(key, start, end, to_fetch)
            if is_new:
                self._fill(part, fetch)
            content = part.content.result()
            pieces.append(content[start - part.start : end - part.start])
            start = part.end
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _part(
        self, key: str, start: int, end: int, to_fetch: Callable[[int, int], tuple[int, int]]
    ) -> tuple[_Part, bool]:
        """Return a part that has the first byte, and whether it is still to be fetched."""
        with self._lock:
            for part in reversed(self._of_file[key].values()):
                if part.start <= start < part.end:
                    self._parts.move_to_end((key, part.start))
                    return part, False
            part = _Part(key, *to_fetch(start, end), Future())
            self._add(part)
        return part, True

    def _add(self, part: _Part) -> None:
        """Keep a part, and forget the oldest ones."""
        same = self._parts.get((part.key, part.start))
        if same is not None:
            self._forget(same)
        self._parts[part.key, part.start] = self._of_file[part.key][part.start] = part
        self._bytes += part.end - part.start
        while self._bytes > _REMEMBERED:
            self._forget(next(iter(self._parts.values())))

    def _forget(self, part: _Part) -> None:
        of_file = self._of_file[part.key]
        del self._parts[part.key, part.start], of_file[part.start]
        if not of_file:
            del self._of_file[part.key]
        self._bytes -= part.end - part.start

    def _fill(self, part: _Part, fetch: Callable[[int, int], bytes]) -> None:
        try:
            part.content.set_result(fetch(part.start, part.end))
        except BaseException as error:
            with self._lock:
                if self._parts.get((part.key, part.start)) is part:
                    self._forget(part)
            part.content.set_exception(error)
            raise
