"""Reads a pack and checks that archive, checksums and manifest agree.

An archive may contain the files of a snapshot in their places, possibly all below one folder. An
archive with any other name is refused, except for files that systems add when they zip a folder:
these are ignored and never unpacked.
"""

import hashlib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import reading
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.disk.litter import is_below_litter
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id, read_sums
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, parse_header
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.untrusted.expansion import most_expanded
from clearml_snapshot.exporter.store.untrusted.zip_reader import (
    Entry,
    Layout,
    blocks,
    read_layout,
    shown,
)

_TOP_FILES: Final = frozenset({*layout.TEXTS, layout.SHA256SUMS})
_TOP_FOLDER: Final = re.compile(r"(?!\.{1,2}/)[^/\\:\x00-\x1f]{1,200}/")
_FOLDER: Final = re.compile(rf"({'|'.join(layout.TABLE_NAMES)}|scalars/project_id=[\w.~%-]+)/")

_ALWAYS_HARMLESS: Final = 2**20
"""The compression ratio of smaller files is not checked."""

_SUMS_A_FILE: Final = 512
"""More bytes than a line of ``SHA256SUMS`` has."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of an archive, each at a valid path of a snapshot."""

    layout: Layout
    files: Mapping[str, Entry]
    """By their path in the snapshot."""
    folder: str
    """The folder that contains everything, with ``/``; empty in what earlier versions wrote."""
    litter: tuple[str, ...] = ()
    """The names that are ignored."""


@dataclass(frozen=True, slots=True)
class Pack:
    """An archive whose lists of files agree; their contents are not checked yet."""

    path: Path
    archive: Archive
    hashes: Mapping[str, str]
    """By path; an older format has none for its texts."""
    key: str
    """The content id; of an older format, the hash of its ``snapshot.json``."""
    snapshot: Snapshot
    """Its root is the archive: nothing is unpacked yet."""


@contextmanager
def prefixed_with(path: Path) -> Iterator[None]:
    """Put the path of the archive in front of the errors in this block."""
    try:
        yield
    except DatasetError as error:
        text = str(error)
        raise DatasetError(text if text.startswith(str(path)) else f"{path}: {text}") from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open an archive for reading.

    Raises:
        NoDatasetError: there is no such file.
        DatasetError: it cannot be read.
    """
    if not path.is_file():  # a pipe would never end
        raise NoDatasetError(f"no pack at {path}; give the .zip file itself")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    with stream, prefixed_with(path), reading(path):
        yield stream


def read_archive(stream: BinaryIO) -> Archive:
    """Find the files of a snapshot in an archive.

    Raises:
        DatasetError: it is damaged, or contains anything else.
    """
    zip_layout = read_layout(stream)
    litter = tuple(entry.name for entry in zip_layout.entries if _is_litter(entry))
    entries = [entry for entry in zip_layout.entries if not _is_litter(entry)]
    folder = _common_folder(entries)
    files: dict[str, Entry] = {}
    once: set[str] = set()
    for entry in entries:
        path = entry.name.removeprefix(folder)
        if not entry.name.startswith(folder) or not _is_in_place(path, entry):
            raise DatasetError(f"{shown(entry.name)} is not a file of a snapshot")
        if path.casefold() in once:
            raise DatasetError(f"{shown(entry.name)} is contained twice")
        once.add(path.casefold())
        if not _is_folder(path):
            _refuse_bomb(entry)
            files[path] = entry
    return Archive(zip_layout, files, folder, litter)


def _is_litter(entry: Entry) -> bool:
    """Return whether an entry is a file or folder that a system added; a link never is."""
    plain = stat.S_IFMT(entry.mode) in (0, stat.S_IFREG, stat.S_IFDIR)
    return plain and is_below_litter(entry.name)


def _common_folder(entries: Iterable[Entry]) -> str:
    """Return the one folder with ``snapshot.json`` in it; empty if that is at the top."""
    manifests = [e.name for e in entries if e.name.rpartition("/")[2] == layout.SNAPSHOT_JSON]
    folders = sorted((name.removesuffix(layout.SNAPSHOT_JSON) for name in manifests), key=len)
    if not folders:
        raise DatasetError("it contains no snapshot.json, so it is not a pack")
    if folders[0] and not _TOP_FOLDER.fullmatch(folders[0]):
        raise DatasetError(f"{shown(folders[0])} is not a valid folder for a snapshot")
    return folders[0]


def _is_folder(path: str) -> bool:
    return path == "" or path.endswith("/")


def _is_in_place(path: str, entry: Entry) -> bool:
    kind = stat.S_IFMT(entry.mode)
    if _is_folder(path):
        is_expected = path == "" or _FOLDER.fullmatch(path) is not None
        return is_expected and entry.size == 0 and kind in (0, stat.S_IFDIR)
    is_expected = path in _TOP_FILES or layout.table_at(path) is not None
    return is_expected and kind in (0, stat.S_IFREG)


def _refuse_bomb(entry: Entry) -> None:
    if entry.size > most_expanded(entry.packed, _ALWAYS_HARMLESS):
        raise DatasetError(
            f"{shown(entry.name)} would expand from {entry.packed:,} to {entry.size:,} bytes; "
            "refusing a possible zip bomb"
        )


def read_pack(path: Path) -> Pack:
    """Read an archive's lists of files, and compare them with each other.

    Raises:
        DatasetError: it is damaged, not a pack, hostile, or newer than this version.
    """
    with opened(path) as stream:
        archive = read_archive(stream)
        header = small(stream, archive, layout.SNAPSHOT_JSON)
        snapshot = described(path, parse_header(header, path))
        if snapshot.format_version >= layout.SUMS_SINCE or layout.SHA256SUMS in archive.files:
            sums = small(stream, archive, layout.SHA256SUMS)
            hashes, key = read_sums(sums), content_id(sums)
            _compare(hashes, {*archive.files} - {layout.SHA256SUMS})
            if hashes[layout.SNAPSHOT_JSON] != hashlib.sha256(header).hexdigest():
                raise DatasetError(
                    "snapshot.json has changed since it was written (checksum mismatch); "
                    "copy it again"
                )
        else:
            hashes = {entry.path: entry.sha256 for entry in snapshot.files}
            key = hashlib.sha256(header).hexdigest()
            _compare(hashes, {*archive.files} - {*layout.TEXTS})
        _compare_tables(snapshot, archive, hashes)
    return Pack(path, archive, hashes, key, snapshot)


def small(stream: BinaryIO, archive: Archive, name: str) -> bytes:
    """Read a list of files completely.

    Raises:
        DatasetError: it is missing, damaged, or larger than such a list is.
    """
    entry = archive.files.get(name)
    if entry is None:
        raise DatasetError(f"{name} is missing from the pack; copy it again")
    most = snapshot_json.MOST_BYTES
    if name == layout.SHA256SUMS:
        most = _SUMS_A_FILE * (1 + len(archive.files))
    if entry.size > most:
        raise DatasetError(f"{name} is larger than {most:,} bytes")
    return b"".join(blocks(stream, entry))


def _compare(hashes: Iterable[str], files: Iterable[str]) -> None:
    listed, present = set(hashes), set(files)
    for path in sorted(listed - present):
        raise DatasetError(f"{shown(path)} is missing from the pack; copy it again")
    for path in sorted(present - listed):
        raise DatasetError(f"{shown(path)} is not listed in SHA256SUMS")


def _compare_tables(snapshot: Snapshot, archive: Archive, hashes: Mapping[str, str]) -> None:
    """Check that snapshot.json lists the same files of tables, once each and of the same size."""
    paths = {entry.path for entry in snapshot.files}
    tables = {path for path in archive.files if layout.table_at(path) is not None}
    if paths != tables or len(paths) != len(snapshot.files):
        raise DatasetError("snapshot.json and the archive list different files")
    for entry in snapshot.files:
        same = _stated(entry) == (
            layout.table_at(entry.path),
            archive.files[entry.path].size,
            hashes[entry.path],
        )
        if not same:
            raise DatasetError(f"snapshot.json and the archive disagree about {shown(entry.path)}")
    if {entry.table for entry in snapshot.files} != {*layout.TABLE_NAMES}:
        raise DatasetError("snapshot.json lists no file of a table")


def _stated(entry: FileEntry) -> tuple[str, int, str]:
    return entry.table, entry.bytes, entry.sha256
