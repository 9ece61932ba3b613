"""Provides temporary folders and files beside their target, on the same disk.

Their names cannot be guessed and they are created exclusively, so that no other process can put a
link or a file in their place. Each is locked while its process lives, so that the next process with
the same target recognises and removes what a killed one left. On a drive without locks, that is
what has not been written to for a day.
"""

import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Final

from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.leftovers import temporary

if sys.platform == "win32":  # what is open there cannot be deleted anyway
    fcntl = None
else:
    import fcntl

_SIGN: Final = ".clearml-snapshot-scratch"
"""The file by which a folder is known as one of these; its lock is the folder's."""

_LEFT: Final = 24 * 3600
"""Seconds after which something counts as left by a killed process, if no lock shows it."""

_LONGEST: Final = 40
"""Characters of the target's name that are repeated: a name has at most 255 bytes."""


@contextmanager
def scratch_beside(target: Path, doing: str) -> Iterator[Path]:
    """Provide a hidden folder beside a target, on the same disk, which is always removed.

    Folders that killed processes left are removed as well. Only the user can look into it.

    Args:
        target: what will be made; its parent is there.
        doing: what is being done, for the folder's name.

    Raises:
        OSError: no folder can be made there.
    """
    beside = target.resolve()
    with scratch_in(beside.parent, f".{beside.name[:_LONGEST]}.{doing}-") as folder:
        yield folder


@contextmanager
def scratch_in(parent: Path, prefix: str) -> Iterator[Path]:
    """Provide a folder in another one, which is always removed; see ``scratch_beside``.

    Args:
        parent: the folder above it.
        prefix: what its name begins with.

    Raises:
        OSError: no folder can be made there.
    """
    for entry in _left(parent, re.escape(prefix) + r"\w{8}"):
        _remove_folder(Path(entry))
    folder, lock = _new_folder(parent, prefix)
    try:
        with temporary(folder):
            yield folder
    finally:
        _clear(folder)
        lock.close()


@contextmanager
def replacing_file(target: Path) -> Iterator[BinaryIO]:
    """Provide a new file that replaces another one when the block ends without an error.

    Its content is on the disk before that. What killed processes left of the same target is
    removed.

    Args:
        target: the file; nothing is left beside it, whatever happens.

    Raises:
        OSError: it cannot be written, or not be replaced.
    """
    for entry in _left(target.parent, _part_of(target.name)):
        _remove_file(Path(entry))
    path, file = _new_file(target)
    try:
        with temporary(path), named(target), file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:  # while it is locked; Windows renames what is closed only
                path.replace(target)
        if fcntl is None:
            path.replace(target)
    except BaseException:  # Ctrl-C too; it is raised again
        path.unlink(missing_ok=True)
        raise


def is_part_of(name: str, target: str) -> bool:
    """Return whether a file is an unfinished replacement of another, judged by the names."""
    return re.fullmatch(_part_of(target), name) is not None


def _part_of(target: str) -> str:
    return re.escape(f".{target[:_LONGEST]}.") + r"[0-9a-f]{16}\.part"


def _left(folder: Path, pattern: str) -> list[str]:
    """List entries of a folder with such names; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if re.fullmatch(pattern, entry.name)]
    except OSError:
        return []


def _new_folder(parent: Path, prefix: str) -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            lock = (folder / _SIGN).open("xb")
            if _is_ours(lock, folder / _SIGN):
                return folder, lock
            lock.close()
        except FileNotFoundError:  # another process took it for abandoned just before it was locked
            continue
        except BaseException:  # Ctrl-C too; it is raised again
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _new_file(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        name = f".{target.name[:_LONGEST]}.{secrets.token_hex(8)}.part"
        path = target.with_name(name)
        file = path.open("xb")
        if _is_ours(file, path):
            return path, file
        file.close()


def _is_ours(file: IO[bytes], path: Path) -> bool:
    """Lock a new file and return whether it still exists: another process may have removed it."""
    if fcntl is not None:
        with suppress(OSError):  # a drive without locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    return path.exists()


def _remove_folder(folder: Path) -> None:
    """Remove a folder that has the marker of this program, and whose process has ended."""
    sign = folder / _SIGN
    if not _is_folder(folder):
        return
    if not sign.is_file():
        with suppress(OSError):  # killed before it could make the sign; else it is not empty
            if _is_old(folder):
                folder.rmdir()
        return
    with _if_left(sign) as is_left:
        if is_left:
            _clear(folder)


def _clear(folder: Path) -> None:
    """Remove a folder, its marker last, so that it is still recognised after a kill."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name != _SIGN:
                shutil.rmtree(entry) if _is_folder(entry) else entry.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _remove_file(path: Path) -> None:
    """Remove a file of this program whose process has ended."""
    with _if_left(path) as is_left, suppress(OSError):
        if is_left:
            path.unlink()


@contextmanager
def _if_left(path: Path) -> Iterator[bool]:
    """Return whether a file is not locked, and keep it so inside the block."""
    how = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, how)
    except OSError:  # another user's, a link, or gone
        yield False
        return
    try:
        yield path.is_file() and _is_free(descriptor, path)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int, path: Path) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a drive without locks
        return _is_old(path)
    return _is_old(path)


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > _LEFT
    return False
