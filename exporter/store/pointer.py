"""Finds the current snapshot of a dataset: by its link, by a text file instead, or the newest."""

from pathlib import Path, PurePosixPath
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.untrusted.plain_files import read_plain

_LONGEST_POINTER: Final = 4096


def current_snapshot_folder(data: Path) -> Path | None:
    """Find the current snapshot's folder; None when nothing was committed yet.

    A folder under ``snapshots`` is always complete, so when the pointer was lost (many tools copy
    no symlinks) the newest one is current. Of a link and a text the one that leads to the newer
    snapshot counts: the other one is about to be removed.

    Raises:
        DatasetError: the pointer leads nowhere.
    """
    link, text = layout.current_link(data), layout.current_text(data)
    if link.is_dir():
        return _newer_in_text(data, link.resolve(), text) or link.resolve()
    if link.is_symlink():
        return _existing(data, link.readlink().name)
    for pointer in (text, link):  # unpacked archives hold links as text
        if pointer.is_file():
            return _existing(data, _named_in(pointer))
    existing = numbers(data)
    return layout.snapshot(data, existing[-1]) if existing else None


def _newer_in_text(data: Path, linked: Path, text: Path) -> Path | None:
    """Return the folder named in a text file if its snapshot is newer than that of the link."""
    if not text.is_file():
        return None
    number = layout.snapshot_number(_named_in(text))
    if number is None or not layout.snapshot(data, number).is_dir():
        return None
    return layout.snapshot(data, number).resolve() if number > _number_of(linked) else None


def _number_of(folder: Path) -> int:
    """Return a snapshot's number: from its name, or if it was renamed, from the file."""
    number = layout.snapshot_number(folder.name)
    if number is not None:
        return number
    try:
        path = folder / layout.SNAPSHOT_JSON
        header = snapshot_json.loaded(read_plain(path, snapshot_json.MOST_BYTES))
        return snapshot_json.number(header)
    except (OSError, ValueError):  # reported when it is opened
        return 0


def _named_in(pointer: Path) -> str:
    """Return the last part of the path in a text."""
    return PurePosixPath(_beginning(pointer)).name


def _beginning(text: Path) -> str:
    with text.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_LONGEST_POINTER).strip()


def _existing(data: Path, name: str) -> Path:
    folder = layout.snapshots(data) / name
    if layout.snapshot_number(name) is None or not folder.is_dir():
        raise DatasetError(
            f"{data} names {name!r} as its current snapshot, but there is no such folder in "
            f"{layout.snapshots(data)}; copy the dataset again"
        )
    return folder


def numbers(data: Path) -> list[int]:
    """List the numbers of a dataset's snapshot folders, oldest first."""
    folder = layout.snapshots(data)
    if not folder.is_dir():
        return []
    folder_numbers = (layout.snapshot_number(entry.name) for entry in folder.iterdir())
    return sorted(number for number in folder_numbers if number is not None)
