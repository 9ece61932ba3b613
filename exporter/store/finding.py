"""Recognises datasets, snapshots and packs by their names and files, and finds one nearby."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.store.format import layout

_MOST: Final = 200
"""Entries of a folder that are looked at."""
_PACK: Final = ".zip"


def is_dataset(path: Path) -> bool:
    """Return whether a path looks like a dataset, a snapshot folder or a pack; opening decides."""
    with suppress(OSError, ValueError):  # a text that is too long or holds NUL is not a path
        if path.is_file():
            return path.suffix.lower() == _PACK
        return _is_dataset_folder(path) or (path / layout.SNAPSHOT_JSON).is_file()
    return False


def dataset_near(path: Path) -> Path | None:
    """Find a dataset: the one that a path is in, one below or beside it, or in a folder above."""
    with suppress(OSError, ValueError):
        here = path if path.is_dir() else path.parent
        ways = (_enclosing(here), _below(path), _below(here), _beside_parents(here))
        for candidate in chain.from_iterable(ways):
            if candidate.resolve() != path.resolve() and is_dataset(candidate):
                return candidate
    return None


def _is_dataset_folder(path: Path) -> bool:
    return layout.snapshots(path).is_dir()


def _below(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, and the datasets one folder deeper, in alphabetical order."""
    entries = _entries(folder)
    yield from entries
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _entries(entry)


def _enclosing(folder: Path) -> Iterator[Path]:
    """Yield the dataset that a folder is in."""
    return filter(_is_dataset_folder, _upwards(folder))


def _beside_parents(folder: Path) -> Iterator[Path]:
    return (parent / "data" for parent in _upwards(folder))


def _upwards(folder: Path) -> Iterator[Path]:
    """Yield the folder and those that it is in, each as it is reached from here."""
    up = folder
    for _ in (folder, *folder.resolve().parents):
        yield up
        up = up / os.pardir


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        entries = islice(folder.iterdir(), _MOST)
        return sorted(entry for entry in entries if not entry.name.startswith("."))
    return []
