"""Keeps what was read from buckets in this user's cache, by its content: nothing there changes."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.own_cache import own_cache
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE

_UNUSED: Final = 30 * 24 * 3600
"""Seconds after which something unused is removed."""
_SCRATCH: Final = ".scratch-"


def texts_of(content_id: str, read: Callable[[], Mapping[str, bytes]]) -> Path:
    """Return a folder with the texts of a snapshot, written the first time.

    Args:
        content_id: of the snapshot.
        read: returns its texts by name, compared with the content id.

    Raises:
        SnapshotError: the cache cannot be written.
    """
    folder = _cache() / "snapshots" / content_id
    if not folder.is_dir():
        texts = read()
        with disk_errors(folder):
            folder.parent.mkdir(mode=PRIVATE, exist_ok=True)
            _prune(folder.parent)
            with scratch_in(folder.parent, _SCRATCH) as scratch:
                made = scratch / "made"
                made.mkdir(mode=PRIVATE)
                for name, text in texts.items():
                    (made / name).write_bytes(text)
                _rename(made, folder)
    _use(folder)
    return folder


def bytes_of(name: str, read: Callable[[], bytes]) -> bytes:
    """Return bytes that never change, and keep them if the cache can be written.

    Args:
        name: what they are, with the address and the hash of their file.
        read: returns them if they are not kept.
    """
    path = _cache() / "bytes" / hashlib.sha256(name.encode()).hexdigest()
    with suppress(OSError):
        content, digest = _split(path.read_bytes())
        if hashlib.sha256(content).digest() == digest:
            _use(path)
            return content
    content = read()
    with suppress(OSError):
        path.parent.mkdir(mode=PRIVATE, exist_ok=True)
        # Not beside all these files: a scratch folder begins with a list of what was left.
        with scratch_in(path.parent.parent, _SCRATCH) as scratch:
            made = scratch / "made"
            made.write_bytes(hashlib.sha256(content).digest() + content)
            made.rename(path)
    return content


def _split(stored: bytes) -> tuple[bytes, bytes]:
    return stored[32:], stored[:32]


def _cache() -> Path:
    folder = own_cache("buckets")
    if folder is None:
        raise SnapshotError(
            "no folder for the cache is writable, which reading from a bucket needs; set "
            "XDG_CACHE_HOME to a writable folder"
        )
    return folder


def _use(path: Path) -> None:
    with suppress(OSError):
        os.utime(path)


def _rename(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was not quicker
            raise


def _prune(snapshots: Path) -> None:
    """Remove what was not used for a month."""
    oldest = time.time() - _UNUSED
    for folder in (snapshots, snapshots.parent / "bytes"):
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(OSError):  # another process prunes too
                if path.stat().st_mtime < oldest:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
