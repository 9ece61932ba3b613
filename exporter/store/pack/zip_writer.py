"""Writes a snapshot as one ``.zip``: stored, sorted, one date; same content, same bytes."""

import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The first that the format knows: the time of writing is not part of the content."""

_UNIX: Final = 3
_PLAIN_FILE: Final = 0o100644 << 16
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file that is written into an archive."""

    name: str
    """Its path inside, with ``/``."""
    size: int
    """Bytes."""
    open: Callable[[], BinaryIO]
    """Opens its content for reading."""


def members(root: Path) -> list[Member]:
    """List every file below a folder."""
    return [
        Member(path.relative_to(root).as_posix(), path.stat().st_size, _opener(path))
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def top_folder(content_id: str) -> str:
    """Name the folder that contains everything in an archive: the same for the same contents."""
    return f"clearml-snapshot-{content_id[:8]}/"


def write_archive(stream: BinaryIO, contents: Iterable[Member], folder: str = "") -> None:
    """Write an archive, a block at a time.

    Args:
        stream: empty, and able to seek: sizes and checksums are written when they are known.
        contents: in any order; they are stored by name.
        folder: contains everything, with ``/``; earlier versions had none.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for member in sorted(contents, key=lambda member: member.name):
            info = zipfile.ZipInfo(folder + member.name, _DATE)
            info.create_system, info.external_attr = _UNIX, _PLAIN_FILE
            info.file_size = member.size  # decides whether its header has room for 64 bits
            with member.open() as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, _BLOCK)
