"""Recognises datasets, snapshots and packs by their names and files, and finds one nearby."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.store.format import layout

_MOST: Final = 200
"""Entries of a folder that are looked at."""
_PACK: Final = ".zip"
_TAIL: Final = 2**20
"""Bytes at the end of a zip file in which its list of files is searched for."""
_BEGIN_OF_ZIP: Final = b"PK"
_END_OF_ZIP: Final = b"PK\x05\x06"


def is_dataset(path: Path) -> bool:
    """Return whether a path looks like a dataset, a snapshot folder or a pack; opening decides."""
    with suppress(OSError, ValueError):  # a text that is too long or holds NUL is not a path
        if path.is_file():
            return path.suffix.lower() == _PACK
        return _is_dataset_folder(path) or (path / layout.SNAPSHOT_JSON).is_file()
    return False


def may_be_pack(file: Path) -> bool:
    """Return whether a file has the name or the first bytes of a pack; opening decides."""
    if file.suffix.lower() == _PACK:
        return True
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(len(_BEGIN_OF_ZIP)) == _BEGIN_OF_ZIP
    return True  # opening says why it cannot be read


def looks_like_path(text: str) -> bool:
    """Return whether a text that names nothing here was probably meant as the path of a dataset."""
    with suppress(OSError, ValueError):
        path = Path(text)
        return path.suffix.lower() == _PACK or (len(path.parts) > 1 and path.parent.is_dir())
    return False


def dataset_near(path: Path) -> Path | None:
    """Find a dataset: the one that a path is in, or one below or beside it, or in a folder above.

    Among those below and beside it, the one whose name is most similar is preferred. Outside of the
    working folder there may be datasets of others: there only a similar name counts.
    """
    with suppress(OSError, ValueError):
        here = path if path.is_dir() else path.parent
        around = _datasets(path, chain(_below(path), _below(here)))
        is_ours = Path.cwd() in (here.resolve(), *here.resolve().parents)
        nearby = _similar(path, here, around) or (around[:1] if is_ours or path.is_dir() else [])
        ways = (_datasets(path, _enclosing(here)), nearby, _datasets(path, _beside_parents(here)))
        return next(chain.from_iterable(ways), None)
    return None


def _datasets(path: Path, candidates: Iterable[Path]) -> list[Path]:
    """List the candidates that are datasets, without the path itself."""
    return [
        candidate
        for candidate in candidates
        if candidate.resolve() != path.resolve() and is_dataset(candidate) and _can_open(candidate)
    ]


def _similar(path: Path, here: Path, datasets: Iterable[Path]) -> list[Path]:
    """Return the dataset whose name was probably meant, if there is one."""
    import difflib  # only for a mistyped path

    by_name = {os.path.relpath(found, here).casefold(): found for found in datasets}
    typed = os.path.relpath(path, here).casefold()
    return [by_name[name] for name in difflib.get_close_matches(typed, by_name, n=1)]


def _can_open(path: Path) -> bool:
    """Return whether what looks like a pack has a list of files that names a snapshot's."""
    if not path.is_file():
        return True
    with suppress(OSError), path.open("rb") as file:
        file.seek(-min(path.stat().st_size, _TAIL), os.SEEK_END)
        tail = file.read(_TAIL)
        return _END_OF_ZIP in tail and layout.SNAPSHOT_JSON.encode() in tail
    return False


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
