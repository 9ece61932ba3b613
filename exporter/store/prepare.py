"""The folder of a dataset, before anything is written: what may be in it, and its mode."""

from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store import layout
from clearml_snapshot.exporter.store.access import naming_owner
from clearml_snapshot.exporter.store.files import make_folder, write_text
from clearml_snapshot.exporter.store.litter import is_litter
from clearml_snapshot.exporter.store.modes import PRIVATE, SharedWith, prepared_for, share_folder
from clearml_snapshot.exporter.store.places import refuse_address
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder

_README: Final = """\
# A ClearML dataset

`current` is the newest complete snapshot. To hand it on, copy the folder that it points to
(`cp -rL current somewhere`): it is whole, it never changes, and its README says how to open it.
`clearml-snapshot pack -o it.zip` makes one file of it, or of a part. To let the group of this
folder read everything here, run `clearml-snapshot export --share group`.

Everything here was written by clearml-snapshot; `snapshots/` may hold older states too.
"""


def prepare(data: Path, share: SharedWith | None = None) -> None:
    """Make a folder ready to be a dataset; one that is a dataset already stays as it is.

    A new one is readable by its owner only, because histories hold names, paths and parameters.

    Args:
        data: the folder; made when it is not there.
        share: who may read a new one; None is for whom an empty folder was made, else the owner.

    Raises:
        UsageError: the folder holds something else, or cannot be shared.
        SnapshotError: its file system does not keep modes.
    """
    refuse_one_snapshot(data)
    if _is_dataset(data):
        return
    if data.is_dir():
        _refuse_strangers(data)
    share = share or prepared_for(data)
    make_folder(data, PRIVATE)
    share_folder(data, share)
    for name, text in ((".gitignore", "*\n"), (layout.README, _README)):
        if not (data / name).exists():
            write_text(data / name, text)


def refuse_one_snapshot(data: Path) -> None:
    """See that a path is not an address, a pack or a snapshot folder.

    Raises:
        UsageError: it is, or it is some other file.
    """
    refuse_address(data)
    with naming_owner(data, writing=True):
        if data.exists() and not data.is_dir():
            raise UsageError(f"{data} is not a folder; give another one with --data")
        if (data / layout.SNAPSHOT_JSON).is_file():
            raise UsageError(
                f"{data} is one snapshot, which never changes; give a dataset's folder with --data"
            )


def _is_dataset(data: Path) -> bool:
    folder = current_snapshot_folder(data)
    return folder is not None and (folder / layout.SNAPSHOT_JSON).is_file()


def _refuse_strangers(data: Path) -> None:
    """Accept a README, hidden files, litter, an uncommitted dataset, and datasets inside."""
    for entry in sorted(p for p in data.iterdir() if not is_litter(p.name)):
        known = entry.name in (layout.README, "snapshots") or entry.name.startswith(".")
        if not known and not (entry.is_dir() and _is_dataset(entry)):
            raise UsageError(
                f"{data} holds {entry.name} and is not a dataset of this tool; "
                "give an empty or a new folder with --data"
            )
    strangers = [p for p in layout.snapshots(data).glob("*") if not _is_expected(p)]
    if strangers:
        raise UsageError(
            f"{data} holds snapshots/{strangers[0].name} and is not a dataset of this tool; "
            "give an empty or a new folder with --data"
        )


def _is_expected(path: Path) -> bool:
    return layout.snapshot_number(path.name) is not None or is_litter(path.name)
