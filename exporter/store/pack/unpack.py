"""Unpacks a pack: files are hashed while they are written, and all of them appear or none."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors, named
from clearml_snapshot.exporter.store.disk.files import move_into_place
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import scratch_beside
from clearml_snapshot.exporter.store.disk.targets import check_new_folder, check_space
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.pack.contents import Pack, opened, read_pack
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages, refuse_forged
from clearml_snapshot.exporter.store.permissions.apply import set_modes_unpacked
from clearml_snapshot.exporter.store.permissions.modes import (
    PRIVATE,
    SharedWith,
    refuse_without_modes,
)
from clearml_snapshot.exporter.store.snapshots import Snapshot, read_snapshot
from clearml_snapshot.exporter.store.untrusted.zip_reader import blocks


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An unpacked snapshot."""

    snapshot: Snapshot
    unproven: tuple[str, ...]
    """Texts that could not be compared with the rest, one sentence each."""


def unpack(
    pack: Path,
    target: Path,
    progress: Progress | None = None,
    *,
    share: SharedWith | None = None,
    make_pages: MakePages | None = None,
) -> Unpacked:
    """Turn a pack into a snapshot folder.

    Nothing is written before its lists of files agree, and nothing is left if a file does not match
    them, or a text does not match the rest; the folder appears once all of it is on the disk.

    Args:
        pack: the archive.
        target: a new folder, or an empty one; its parent must be there.
        progress: reports what is being written; silent by default.
        share: who may read it; None takes it from an empty target, otherwise only the owner may.
        make_pages: makes ``index.html`` and ``summary.csv`` again, see
            ``derived_texts``; ``queries.pack.texts`` has one. None leaves them unproven.

    Raises:
        UsageError: the target is in use, or cannot be, or cannot be shared.
        DatasetError: the pack is damaged, hostile, or newer than this tool.
        SnapshotError: it does not fit on the disk.
    """
    for path in (pack, target):
        refuse_address(path)
    refuse_without_modes(share)
    target = target.resolve()
    check_new_folder(target)
    source = read_pack(pack)
    names = sorted(source.archive.files)
    (progress or Progress()).note(f"unpacking {len(names):,} files into {target}")
    with disk_errors(target), scratch_beside(target, "unpacking") as scratch:
        folder = scratch / "snapshot"
        folder.mkdir(mode=PRIVATE)
        extract(source, folder, names)
        arrived = replace(read_snapshot(folder), pack=pack)  # by this name it is known
        unproven = refuse_forged(arrived, make_pages)
        set_modes_unpacked(folder, target, share)
        move_into_place(folder, target)
    return Unpacked(read_snapshot(target), unproven)


def extract(pack: Pack, folder: Path, names: Iterable[str], *, sync: bool = True) -> None:
    """Write files of a pack into a folder, and check each.

    Args:
        pack: what ``read_pack`` gave.
        folder: where to write; its files are new.
        names: which, by their path in the snapshot.
        sync: force each to the disk.

    Raises:
        DatasetError: a file does not match the lists; it may exist already.
        SnapshotError: there is no space for them.
        OSError: the disk refuses.
    """
    from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem

    names_to_write = [*names]
    check_space(folder, sum(pack.archive.files[name].size for name in names_to_write), pack.path)
    tables = {entry.path: entry for entry in pack.snapshot.files}
    for name in names_to_write:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(pack, name, target, sync=sync)
        entry = tables.get(name)
        problem = entry and parquet_problem(target, entry, pack.snapshot.format_version)
        if problem:
            raise DatasetError(f"{pack.path}: {problem}")


def _write(pack: Pack, name: str, target: Path, *, sync: bool) -> None:
    """Write one file and compare it with its hash; texts of older formats have none."""
    digest = hashlib.sha256()
    with opened(pack.path) as source, named(target), target.open("xb") as stream:
        for block in blocks(source, pack.archive.files[name]):
            digest.update(block)
            stream.write(block)
        stream.flush()
        if sync:
            os.fsync(stream.fileno())
    expected = pack.key if name == layout.SHA256SUMS else pack.hashes.get(name)
    if expected is not None and digest.hexdigest() != expected:
        raise DatasetError(
            f"{pack.path}: {name} has changed since it was written (checksum mismatch); "
            "copy it again"
        )
