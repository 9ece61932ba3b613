"""Writes files so that they survive a power cut: sync, hash, link, replace."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from clearml_snapshot.exporter.store.disk.disk_errors import named, reading
from clearml_snapshot.exporter.store.disk.litter import is_litter

_BLOCK: Final = 2**20
_USUAL_MODE: Final = 0o777
"""The mode from which the umask is subtracted."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a table; ``path`` is relative to the snapshot, with ``/``."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


def sync_file(path: Path) -> None:
    """Force a file's content to the disk."""
    with named(path), path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk, if the system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network drives refuse; nothing better is possible there
        pass
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Force the entries of a folder and of all below it to the disk."""
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))


def make_folder(path: Path, mode: int) -> None:
    """Make a folder, and the missing ones above it, and force each to the disk.

    Args:
        path: the folder; nothing is done when it is there.
        mode: of the folder itself; those above it get the usual one.
    """
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent, _USUAL_MODE)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def sha256(path: Path) -> str:
    """Return the hash of a file, 64 hex digits."""
    with named(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file under a second name; if the file system has no hard links, copy it."""
    try:
        target.hardlink_to(source)
    except (OSError, NotImplementedError):  # a drive, or a Python, without hard links
        copy_synced(source, target)


def copy_synced(source: Path, target: Path) -> None:
    """Copy a file's content and force it to the disk.

    Raises:
        DatasetError: the source cannot be read.
        OSError: the target cannot be written.
    """
    with reading(source), source.open("rb") as stream, named(target), target.open("wb") as copy:
        while block := _read(stream, source):
            copy.write(block)
    sync_file(target)


def _read(stream: BinaryIO, path: Path) -> bytes:
    with reading(path):  # inside of what names the target
        return stream.read(_BLOCK)


def write_text(path: Path, text: str) -> None:
    """Write a text file and force it to the disk."""
    with named(path):
        path.write_text(text, encoding="utf-8", newline="\n")
    sync_file(path)


def point_to(link: Path, text: Path, target: str, scratch: Path) -> None:
    """Make ``link`` a symlink to ``target`` in one step, or write the target to the file ``text``.

    Only one of the two is left, because readers of plain Parquet know the link only.

    Args:
        link: an existing one is replaced, or removed if a new link is not possible.
        text: the file in its place.
        target: relative to the folder of both.
        scratch: a path on the same disk that nothing else uses.

    Raises:
        OSError: neither can be written, or the old link cannot be removed.
    """
    scratch.unlink(missing_ok=True)
    try:
        scratch.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):  # a drive without symlinks, Windows without the right
        write_text(scratch, target + "\n")
        scratch.replace(text)
        if not _move_away(link, scratch):
            link.unlink(missing_ok=True)
        return
    _move_away(link, scratch)
    scratch.replace(link)
    text.unlink(missing_ok=True)


def _move_away(link: Path, scratch: Path) -> bool:
    """Move away a folder in the place of a link, as left by copying tools that follow links."""
    is_folder = link.is_dir() and not link.is_symlink()
    if is_folder:
        link.rename(scratch.with_name("replaced"))
    return is_folder


def move_into_place(folder: Path, target: Path) -> None:
    """Move a complete folder into its place, with all its entries synced to the disk.

    Args:
        folder: on the same disk.
        target: not there, or a folder without anything but litter, which stays in it.

    Raises:
        OSError: something else is there now, or the disk refuses.
    """
    if target.is_dir():
        for entry in list(target.iterdir()):
            if is_litter(entry.name):  # else the folder is not empty, and stays
                entry.rename(folder / entry.name)
        if os.name == "nt":
            target.rmdir()  # Windows renames onto nothing
    sync_tree(folder)
    folder.rename(target)
    sync_folder(target.parent)
