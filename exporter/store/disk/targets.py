"""Checks that a path may be written to, before any work is done."""

import shutil
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.store.disk.litter import is_unused

_SPARE: Final = 2**20
"""Bytes for folders and names."""


def check_new_folder(target: Path, option: str = "") -> None:
    """Check that a new folder may be written to a path: nothing is there, or an empty folder.

    Args:
        target: the path.
        option: the beginning of the message, such as ``-o``.

    Raises:
        UsageError: it is used, or the folder above it does not exist.
    """
    check_parent(target, option)
    if not is_unused(target):
        raise UsageError(f"{_named(target, option)} already exists; use a new or an empty folder")


def check_new_file(target: Path, option: str = "") -> None:
    """Check that a file may be written, or replaced, at a path.

    Args:
        target: the path.
        option: the beginning of the message, such as ``-o``.

    Raises:
        UsageError: it is a folder, or the folder above it does not exist.
    """
    if target.is_dir():
        raise UsageError(f"{_named(target, option)} is a folder; choose the name of a file")
    check_parent(target, option)


def check_parent(target: Path, option: str = "") -> None:
    """Check that the folder above a path exists.

    Raises:
        UsageError: it does not.
    """
    if not target.parent.is_dir():
        raise UsageError(
            f"{_named(target, option)}: there is no folder {target.parent}; create it first"
        )


def check_space(folder: Path, needed: int, source: Path | str) -> None:
    """Check that the disk of a folder has enough space to unpack something there.

    Args:
        folder: where it is unpacked.
        needed: how many bytes.
        source: what is unpacked.

    Raises:
        SnapshotError: there is not enough space.
    """
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise SnapshotError(
            f"{source} needs {needed:,} bytes unpacked, but the disk has only {free:,} left; "
            "free some space"
        )


def _named(target: Path, option: str) -> str:
    return f"{option} {target}" if option else str(target)
