"""Prepares the folder of a dataset: checks what is in it, and sets its mode."""

from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.files import make_folder, sync_folder
from clearml_snapshot.exporter.store.disk.litter import is_litter
from clearml_snapshot.exporter.store.disk.locks import marker_of
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import is_part_of, replacing_file
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.permissions.access import naming_owner
from clearml_snapshot.exporter.store.permissions.modes import (
    PRIVATE,
    SharedWith,
    prepared_for,
    share_folder,
)
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder

_README: Final = """\
# A ClearML dataset

`current` is the newest complete snapshot. To share it, copy the folder that it points to
(`cp -rL current somewhere`): it is complete, never changes, and its README describes how to open
it. `clearml-snapshot pack -o it.zip` makes one file of it, or of a part. To let the group of this
folder read everything here, run `clearml-snapshot export --share group`.

Everything here was written by clearml-snapshot; `snapshots/` may hold older states too.
"""

_TEXTS: Final = {".gitignore": "*\n", layout.README: _README}
"""What is written beside the snapshots, and never changed."""


def prepare(data: Path, share: SharedWith | None = None) -> None:
    """Make a folder ready to be a dataset; one that is a dataset already stays as it is.

    A new one is readable by its owner only, because histories hold names, paths and parameters.

    Args:
        data: the folder; made when it is not there.
        share: who may read a new one; None takes it from an empty folder, otherwise only the
            owner may.

    Raises:
        UsageError: the folder holds something else, or cannot be shared.
        SnapshotError: its file system does not keep modes.
    """
    refuse_one_snapshot(data)
    if _is_dataset(data):
        return
    if data.is_dir():
        _refuse_foreign_files(data)
    share = share or prepared_for(data)
    make_folder(data, PRIVATE)
    share_folder(data, share)
    for name, text in _TEXTS.items():
        if not (data / name).exists():
            with replacing_file(data / name) as file:
                file.write(text.encode())
            sync_folder(data)


def is_unfinished(data: Path) -> bool:
    """Return whether a folder holds a dataset that was begun, and otherwise only litter.

    So a process leaves it that was killed before its first commit. Nothing in it was ever read.
    """
    if not data.is_dir() or data.is_symlink():
        return False
    return all(_is_begun(path) for path in data.iterdir() if not is_litter(path.name))


def _is_begun(path: Path) -> bool:
    """Return whether something is what a dataset has beside its snapshots, as it was made."""
    if path.is_symlink():
        return False
    if path.name in _TEXTS:
        return path.is_file() and path.read_bytes() == _TEXTS[path.name].encode()
    if any(is_part_of(path.name, name) for name in _TEXTS):
        return path.is_file()
    if path.name == layout.SNAPSHOTS:
        return path.is_dir() and all(is_litter(entry.name) for entry in path.iterdir())
    if path.name == layout.staging(path.parent).name:
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
        return not names or layout.owner(path.parent).name in names
    lock = layout.lock(path.parent)
    return path.name == lock.name or path.name.startswith(marker_of(lock).name)


def refuse_one_snapshot(data: Path) -> None:
    """Check that a path is not an address, a pack or a snapshot folder.

    Raises:
        UsageError: it is, or it is some other file.
    """
    refuse_address(data)
    with naming_owner(data, writing=True):
        if data.exists() and not data.is_dir():
            raise UsageError(f"{data} is not a folder; choose another with {setting('data')}")
        if (data / layout.SNAPSHOT_JSON).is_file():
            raise UsageError(
                f"{data} is a single snapshot, which never changes; give the folder of a dataset "
                f"with {setting('data')}"
            )


def _is_dataset(data: Path) -> bool:
    folder = current_snapshot_folder(data)
    return folder is not None and (folder / layout.SNAPSHOT_JSON).is_file()


def _refuse_foreign_files(data: Path) -> None:
    """Accept a README, hidden files, litter, an uncommitted dataset, and datasets inside."""
    for entry in sorted(p for p in data.iterdir() if not is_litter(p.name)):
        is_expected = entry.name in (layout.README, "snapshots") or entry.name.startswith(".")
        if not is_expected and not (entry.is_dir() and _is_dataset(entry)):
            raise UsageError(
                f"{data} contains {entry.name} and is not a clearml-snapshot dataset; "
                f"use an empty or a new folder with {setting('data')}"
            )
    foreign = [p for p in layout.snapshots(data).glob("*") if not _is_expected(p)]
    if foreign:
        raise UsageError(
            f"{data} contains snapshots/{foreign[0].name} and is not a clearml-snapshot dataset; "
            f"use an empty or a new folder with {setting('data')}"
        )


def _is_expected(path: Path) -> bool:
    return layout.snapshot_number(path.name) is not None or is_litter(path.name)
