"""Unpacks a pack for verify, and checks every byte of the archive around its files.

``pack`` writes the same archive for the same contents, so an archive is as it was written when
writing its contents once more gives the same bytes. Nothing is written: what would be written is
compared with what is there.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.targets import check_space
from clearml_snapshot.exporter.store.pack.cache import cache_folder, scratch_in_cache
from clearml_snapshot.exporter.store.pack.contents import Archive, read_archive
from clearml_snapshot.exporter.store.pack.zip_writer import members, top_folder, write_archive
from clearml_snapshot.exporter.store.untrusted.zip_reader import STORED, Entry, blocks
from clearml_snapshot.exporter.store.verify.checksums import stored_content_id

_MOST_DIFFERENCES: Final = 10_000
"""Bytes; an archive with more of them was written by something else."""

REMADE: Final = "the archive itself is not checked: it was not written by pack, but zipped again"


class BrokenArchiveError(DatasetError):
    """An archive whose structure is damaged, or that contains what packs never contain."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A pack's files, as they are, in a folder."""

    archive: Archive
    folder: Path
    damaged: tuple[str, ...]
    """The files that do not match the archive's directory."""


@contextmanager
def arrived(path: Path) -> Iterator[Arrived]:
    """Unpack an archive inside the block, damaged files too.

    Raises:
        BrokenArchiveError: nothing can be unpacked.
        SnapshotError: there is no space for it.
    """
    with (
        disk_errors(cache_folder(), f"{path} was not checked"),
        path.open("rb") as stream,
        scratch_in_cache(cache_folder()) as scratch,
    ):
        archive = _read(stream)
        folder = scratch / "pack"
        folder.mkdir()
        check_space(scratch, sum(entry.size for entry in archive.files.values()), path)
        damaged = [
            name
            for name, entry in archive.files.items()
            if not _is_written(stream, entry, folder / name)
        ]
        yield Arrived(archive, folder, tuple(damaged))


def _read(stream: BinaryIO) -> Archive:
    try:
        return read_archive(stream)
    except DatasetError as error:
        raise BrokenArchiveError(str(error)) from error


def _is_written(stream: BinaryIO, entry: Entry, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as written:
        try:
            for block in blocks(stream, entry):
                written.write(block)
        except DatasetError:
            return False
    return True


def archive_problems(path: Path, pack: Arrived) -> list[str] | None:
    """Compare an archive whose contents are intact with what ``pack`` would write.

    Returns:
        One line for each place that differs; None for an archive that another tool wrote, whose
        original bytes are unknown.
    """
    if not _is_like_ours(pack):
        return None
    with path.open("rb") as stream:
        compared = _Compared(stream)
        write_archive(cast("BinaryIO", compared), members(pack.folder), pack.archive.folder)
        differing = compared.finished()
    names = [_name_at(pack.archive, at) for at in differing]
    headers = {name for name in names if name.startswith(_HEADER)}
    if len(differing) > _MOST_DIFFERENCES or len(headers) == len(pack.archive.files):
        return None
    return [f"changed since it was written: {name}" for name in dict.fromkeys(names)]


def _is_like_ours(pack: Arrived) -> bool:
    """Return whether files are stored, sorted, in our folder, and without entries of folders."""
    archive = pack.archive
    entries = archive.layout.entries
    names = [entry.name for entry in entries]
    content_id = stored_content_id(pack.folder)
    ours = ("", *([top_folder(content_id)] if content_id else []))
    return (
        archive.folder in ours
        and len(entries) == len(archive.files)
        and names == sorted(names)
        and all(entry.method == STORED for entry in entries)
    )


_HEADER: Final = "the archive's header of "


def _name_at(archive: Archive, at: int) -> str:
    """Name what is at a byte of an archive."""
    if at >= archive.layout.end:
        return "the end of the archive"
    if at >= archive.layout.directory:
        return "the archive's directory"
    entries = archive.layout.entries
    entry = entries[bisect_right(entries, at, key=lambda entry: entry.header) - 1]
    return entry.name if at >= entry.content else f"{_HEADER}{entry.name}"


class _Compared:
    """Takes what would be written; remembers where the archive has something else.

    A place that is written again, as sizes and checksums are, counts as it was written last.
    """

    def __init__(self, original: BinaryIO) -> None:
        self._original = original
        self._at = self._size = 0
        self._differing: set[int] = set()

    def write(self, data: bytes) -> int:
        start, end = self._at, self._at + len(data)
        self._original.seek(start)
        there = self._original.read(len(data))
        self._at, self._size = end, max(self._size, end)
        if self._differing:
            self._differing = {at for at in self._differing if not start <= at < end}
        if there != data and len(self._differing) <= _MOST_DIFFERENCES:
            padded = there.ljust(len(data), b"\0")
            differing = (at for at, (a, b) in enumerate(zip(data, padded, strict=True)) if a != b)
            self._differing.update(start + at for at in differing)
            self._differing.update(range(start + len(there), min(end, start + len(there) + 1)))
        return len(data)

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> int:
        self._at = at
        return at

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def finished(self) -> list[int]:
        """Return the bytes that differ, in their order; at most ``_MOST_DIFFERENCES``."""
        if self._original.seek(0, 2) > self._size:
            self._differing.add(self._size)
        return sorted(self._differing)
