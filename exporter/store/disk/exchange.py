"""Replaces a folder by another one, in one step where the system can."""

import ctypes
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.store.disk.files import sync_folder, sync_tree

_HERE: Final = -100  # AT_FDCWD
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


def replace_folder(folder: Path, target: Path) -> None:
    """Put a complete folder in the place of another one, which is removed.

    On Linux and macOS both change places in one step. Elsewhere, and on drives that cannot do it,
    the old one is first renamed beside the target, to ``NAME.replaced-…``, and removed at the end:
    a process that is killed in between leaves it there, complete.

    Args:
        folder: the new one, in a folder of this program on the same disk, which is removed later.
        target: the old one.

    Raises:
        OSError: the disk refuses; the old one is in its place.
    """
    sync_tree(folder)
    if exchange(folder, target):
        sync_folder(target.parent)
        return
    aside = target.with_name(f"{target.name}.replaced-{secrets.token_hex(4)}")
    target.rename(aside)
    try:
        folder.rename(target)
    except OSError:
        aside.rename(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(aside)


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; return whether the system could do it."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        paths = os.fsencode(one), os.fsencode(other)
        if sys.platform == "darwin":
            return bool(libc.renamex_np(*paths, _EXCHANGE) == 0)
        return bool(libc.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)
    except (AttributeError, OSError, TypeError):  # another system, or an old one
        return False
