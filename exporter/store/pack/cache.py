"""Caches unpacked packs by content id; only what a query needs is unpacked, once.

A folder of the cache is a snapshot folder like any other, held and read like one; it appears
complete; its points, which are most of it, appear only when a query needs them. Packs that were not
queried for a month are removed when the next one is unpacked.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.own_cache import own_cache
from clearml_snapshot.exporter.store.pack.contents import Pack, read_pack
from clearml_snapshot.exporter.store.pack.unpack import extract
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE
from clearml_snapshot.exporter.store.snapshots import Snapshot, no_readers, read_snapshot

_POINTS: Final = "scalars"
_DAY: Final = 24 * 3600
_UNUSED: Final = 30 * _DAY
_ABANDONED: Final = _DAY
"""Seconds after which an unused pack is removed, and what a killed process left."""


def open_pack(path: Path, *, points: bool = True) -> Snapshot:
    """Open a pack as a snapshot; unpacks what is not in the cache.

    Args:
        path: the archive.
        points: whether the files of ``scalars`` are needed now.

    Raises:
        DatasetError: it is damaged, hostile, or newer than this tool.
        SnapshotError: there is no space to unpack it.
    """
    pack = read_pack(path)
    with disk_errors(cache_folder(), f"{path} cannot be opened"):
        folder = cache_folder() / pack.key
        snapshot = _cached(pack, folder) or _unpacked(pack, folder)
        os.utime(folder)  # its last use
    return with_points(snapshot, pack) if points else snapshot


def with_points(snapshot: Snapshot, pack: Pack | None = None) -> Snapshot:
    """Unpack the files of ``scalars`` if they are not there yet.

    Args:
        snapshot: what ``open_snapshot`` gave, held.
        pack: its archive, when it is known.

    Raises:
        DatasetError: the pack is damaged, or another one since it was opened.
        SnapshotError: there is no space for them.
    """
    if snapshot.pack is None or snapshot.has_points:
        return snapshot
    pack = pack or read_pack(snapshot.pack)
    if pack.key != snapshot.root.name:
        raise DatasetError(f"{pack.path} has been replaced by another pack; open it again")
    with (
        disk_errors(cache_folder(), f"{pack.path} cannot be opened"),
        scratch_in_cache(snapshot.root.parent) as scratch,
    ):
        names = [entry.path for entry in snapshot.files if entry.table == _POINTS]
        extract(pack, scratch, names, sync=False)
        _rename(scratch / _POINTS, snapshot.root / _POINTS)
    return snapshot


def _cached(pack: Pack, folder: Path) -> Snapshot | None:
    """Read what is in the cache; None when it is not there, or was damaged and is removed now."""
    if not folder.is_dir():
        return None
    try:
        snapshot = read_snapshot(folder, points=(folder / _POINTS).is_dir())
        if snapshot.files == pack.snapshot.files:
            return replace(snapshot, pack=pack.path)
    except DatasetError:  # the cache was cleaned, but not completely
        pass
    _remove(folder)
    return None


def _unpacked(pack: Pack, folder: Path) -> Snapshot:
    _prune(folder.parent)
    needed = {layout.SNAPSHOT_JSON, layout.SHA256SUMS}
    names = [
        name
        for name in pack.archive.files
        if name in needed or layout.table_at(name) not in (None, _POINTS)
    ]
    with scratch_in_cache(folder.parent) as scratch:
        extract(pack, scratch, names, sync=False)
        _rename(scratch, folder)
    return replace(read_snapshot(folder, points=False), pack=pack.path)


def _rename(scratch: Path, target: Path) -> None:
    """Move a folder into its place; if another process was quicker, its copy is the same."""
    try:
        scratch.rename(target)
    except OSError:
        if not target.is_dir():
            raise


@contextmanager
def scratch_in_cache(cache: Path) -> Iterator[Path]:
    """Provide an empty folder beside those of the cache, removed at the end of the block."""
    with scratch_in(cache, ".scratch-") as scratch:
        folder = scratch / "pack"
        folder.mkdir(mode=PRIVATE)
        yield folder


def cache_folder() -> Path:
    """Return the folder of the cache; if none can be written, one for this process."""
    folder = own_cache("packs")
    return folder if folder and os.access(folder, os.W_OK | os.X_OK) else _temporary()


@cache
def _temporary() -> Path:
    kept = ExitStack()
    try:
        scratch = scratch_in(Path(tempfile.gettempdir()), "clearml-snapshot-packs-")
        folder = kept.enter_context(scratch)
    except OSError as error:
        raise SnapshotError(
            f"no folder to unpack into is writable ({error.strerror}); unpack the pack yourself "
            "with clearml-snapshot unpack, and open that folder"
        ) from error
    atexit.register(kept.close)
    return folder


def _prune(packs: Path) -> None:
    """Remove packs unused for a month and without readers, and what killed processes left."""
    now = time.time()
    for folder in packs.iterdir():
        with suppress(OSError):  # another process prunes too
            age = now - folder.stat().st_mtime
            if folder.name.startswith("."):
                if age > _ABANDONED:
                    shutil.rmtree(folder)
            elif age > _UNUSED:
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a cached pack, unless it is being read."""
    if not (folder / layout.SNAPSHOT_JSON).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return
    with no_readers(folder) as free, scratch_in_cache(folder.parent) as trash:
        if free:
            folder.rename(trash / folder.name)  # gone at once for others
