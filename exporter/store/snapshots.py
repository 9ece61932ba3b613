"""Reads a snapshot, checks that its files exist, and protects it from pruning while it is read.

Imports neither pyarrow nor DuckDB, because every query starts here.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from clearml_snapshot.exporter.errors import DatasetError, NewerFormatError
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.untrusted.manifest import Totals
from clearml_snapshot.exporter.store.untrusted.plain_files import (
    NotARegularFileError,
    PlainFolder,
    read_plain,
)

if TYPE_CHECKING:
    import duckdb

if sys.platform == "win32":  # there an open file cannot be deleted anyway
    fcntl = None
else:
    import fcntl


class Elsewhere(Protocol):
    """Files of a snapshot that are not on this machine."""

    @property
    def place(self) -> str:
        """Where they are, as a user knows it."""

    def path(self, entry: FileEntry) -> str:
        """Return the path of a file, for a connection that it was registered with."""

    def register(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Let a DuckDB read them."""

    def file(self, path: str) -> Path:
        """Return where a file is on this machine; it is fetched if it was not yet."""

    def source(self, path: str) -> "Path | BinaryIO":
        """Return a file of which little is read, to which only that is fetched."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One complete, immutable state of a dataset."""

    root: Path
    number: int
    format_version: int
    created_at: datetime
    tool_version: str
    checkpoint: bool
    server: Mapping[str, Any]
    selections: Any
    totals: Totals
    files: tuple[FileEntry, ...]
    keep: str | None = None
    """Which snapshots stay when an export ends, see ``retention``; None if it was never set."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Tasks by state; empty in a format older than 4."""
    pack: Path | None = None
    """The archive that it was unpacked from into a cache; None for a folder."""

    elsewhere: Elsewhere | None = None
    """Its files if they are in a bucket; ``root`` then has its texts only."""

    @property
    def location(self) -> Path | str:
        """The path that a user knows: the folder, or the archive; or an address."""
        return self.elsewhere.place if self.elsewhere else self.pack or self.root

    @property
    def has_points(self) -> bool:
        """Whether the files of ``scalars`` are there; see ``pack.cache.with_points``."""
        return self.pack is None or (self.root / "scalars").is_dir()

    def paths(self, table: str) -> list[str]:
        """Return the absolute paths of a table's files; never empty."""
        if self.elsewhere is not None:
            return [self.elsewhere.path(entry) for entry in self.files if entry.table == table]
        root = str(self.root)
        return [os.path.join(root, f.path) for f in self.files if f.table == table]  # noqa: PTH118  # 10,000 files: a tenth of the time

    def file(self, path: str) -> Path:
        """Return where a file is on this machine; one in a bucket is fetched first.

        Args:
            path: of the file, as in ``FileEntry``.
        """
        return self.root / path if self.elsewhere is None else self.elsewhere.file(path)

    def source(self, path: str) -> Path | BinaryIO:
        """Return what Arrow reads a file from; of one in a bucket only what is read is fetched."""
        return self.root / path if self.elsewhere is None else self.elsewhere.source(path)

    def sources(self, table: str) -> list[Path | BinaryIO]:
        """Return ``source`` of each file of a table."""
        return [self.source(entry.path) for entry in self.files if entry.table == table]


def read_header(folder: Path) -> dict[str, Any]:
    """Read ``snapshot.json`` and check its format and version, without its files.

    Raises:
        DatasetError: it is missing, damaged, or of a newer format.
    """
    path = folder / layout.SNAPSHOT_JSON
    try:
        return parse_header(read_plain(path, snapshot_json.MOST_BYTES), folder)
    except PermissionError:
        raise  # the owner is named elsewhere
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; copy it again") from error


def parse_header(content: bytes, root: Path) -> dict[str, Any]:
    """Check the format and version in the text of a ``snapshot.json``.

    Args:
        content: the text.
        root: the folder, or the archive, that it was found in.

    Raises:
        DatasetError: it is damaged.
        NewerFormatError: it is of a newer format.
    """
    path = root / layout.SNAPSHOT_JSON
    try:
        header = snapshot_json.loaded(content)
    except ValueError as error:
        raise DatasetError(f"{path} is damaged; copy the snapshot again") from error
    if not isinstance(header, dict) or header.get("format") != layout.FORMAT:
        raise DatasetError(f"{path} was not written by clearml-snapshot; choose another folder")
    version = header.get("format_version")
    if type(version) is not int or version < 1:
        raise damaged(root, "it has no format version")
    if version > layout.FORMAT_VERSION:
        raise NewerFormatError(
            f"{root} has format version {version}, but this version reads up to "
            f"{layout.FORMAT_VERSION}; upgrade clearml-snapshot"
        )
    return header


def read_snapshot(folder: Path, *, points: bool = True) -> Snapshot:
    """Read one snapshot folder and check that its files are there, with their sizes.

    Args:
        folder: the folder.
        points: whether the files of ``scalars`` must be there.

    Raises:
        DatasetError: damaged, newer, or a file is missing.
    """
    snapshot = described(folder.resolve(), read_header(folder))
    _check_list(snapshot)
    _check_files(snapshot.root, [f for f in snapshot.files if points or f.table != "scalars"])
    return snapshot


def described(root: Path, header: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that a header describes, without checking its files.

    Raises:
        DatasetError: something is missing from it, or of the wrong kind.
    """
    try:
        manifest = snapshot_json.manifest(header)
    except ValueError as error:
        raise damaged(root, error) from error
    return Snapshot(
        root=root,
        number=manifest.number,
        format_version=manifest.format_version,
        created_at=manifest.created_at,
        tool_version=manifest.tool_version,
        checkpoint=manifest.checkpoint,
        server=manifest.server,
        selections=header["selections"],
        totals=manifest.totals,
        files=manifest.entries(),
        keep=manifest.keep,
        states=manifest.states,
    )


def damaged(root: Path, why: object) -> DatasetError:
    """Return the error for a ``snapshot.json`` whose contents are wrong."""
    return DatasetError(
        f"{root / layout.SNAPSHOT_JSON} is damaged ({why}); copy the snapshot again"
    )


def _check_list(snapshot: Snapshot) -> None:
    """Check that each table has files, each of them listed once and inside the folder."""
    for entry in snapshot.files:
        if not _stays_inside(entry.path):
            raise damaged(snapshot.root, f"the path {entry.path!r} points outside the folder")
    if len({entry.path for entry in snapshot.files}) != len(snapshot.files):
        raise damaged(snapshot.root, "a file is listed twice")
    missing = set(layout.TABLE_NAMES) - {entry.table for entry in snapshot.files}
    if missing:
        raise damaged(snapshot.root, f"no file of {', '.join(sorted(missing))}")


def _check_files(root: Path, files: Iterable[FileEntry]) -> None:
    """Check that each file exists, is a regular file, and has its size."""
    folder = PlainFolder(root)
    for entry in files:
        try:
            size = folder.status(entry.path).st_size
        except NotARegularFileError as error:
            raise DatasetError(
                f"{root}/{entry.path} is {error.strerror}; copy the snapshot again"
            ) from error
        except OSError as error:
            raise DatasetError(
                f"{entry.path} is missing from {root}; copy the snapshot again"
            ) from error
        if size != entry.bytes:
            raise DatasetError(
                f"{root}/{entry.path} has {size} bytes instead of {entry.bytes}; "
                "copy the snapshot again"
            )


def _stays_inside(path: str) -> bool:
    """Return whether a listed path is safe: relative, no ``..``, no drive, no backslash."""
    steps = path.split("/")
    return not ({"\\", "\0"} & {*path} or ":" in steps[0] or {"", ".", ".."}.intersection(steps))


@contextmanager
def hold(snapshot: Snapshot) -> Iterator[None]:
    """Keep a snapshot from being pruned while it is read.

    DuckDB opens files again by their path, so a pruned one would break a running query. On
    systems without locks (Windows, some network drives) this does nothing.

    Raises:
        DatasetError: it was pruned before it could be held; open the dataset again.
    """
    path = snapshot.root / layout.SNAPSHOT_JSON
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DatasetError(
            f"snapshot {snapshot.number} has been removed, a newer one is current; run it again"
        ) from error
    try:
        _lock_shared(descriptor)
        if not path.exists():
            raise DatasetError(
                f"snapshot {snapshot.number} has been removed, a newer one is current; run it again"
            )
        yield
    finally:
        os.close(descriptor)


def _lock_shared(descriptor: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:  # a drive without locks: pruning does not see this reader, as on Windows
        return


@contextmanager
def no_readers(folder: Path) -> Iterator[bool]:
    """Yield whether a snapshot has no readers, and keep it so inside the block."""
    if fcntl is None:
        yield True
        return
    path = folder / layout.SNAPSHOT_JSON
    mode = "rb+" if os.access(path, os.W_OK) else "rb"  # NFS locks only what could be written
    with path.open(mode) as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        except OSError:  # a drive without locks
            free = True
        yield free
