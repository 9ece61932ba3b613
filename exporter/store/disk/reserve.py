"""Keeps disk space free during an export, so that a full disk does not lose what was read."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
_IN_WORDS: Final = tuple(f"[errno {number}]" for number in _FULL_DISK)
_NO_ROOM: Final = ("No space left", "Disk quota exceeded", "max_temp_directory_size")
_MOST: Final = 32 * 2**20
"""Bytes: a commit writes the points in memory (800,000 at most, 4 to 7 bytes each), the rows of its
tasks and its series; files that are staged are renamed."""
_SHARE: Final = 4
"""At most this fraction of the free space is reserved: one in ``_SHARE``."""


def is_full_disk(error: OSError) -> bool:
    """Return whether an error means that the disk, or the user's quota, is full."""
    return error.errno in _FULL_DISK or any(words in str(error).lower() for words in _IN_WORDS)


def is_out_of_room(error: Exception) -> bool:
    """Return whether DuckDB or Arrow found the disk full when writing or spilling.

    DuckDB spills no more than there was room for when it began, and calls that out of memory.
    """
    return any(words in str(error) for words in _NO_ROOM)


class Reserve:
    """A file that only occupies space.

    Args:
        path: where, on the disk that may become full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        """Reserve the space, if the system can do so at once."""
        if self._path.exists() or not hasattr(os, "posix_fallocate"):
            return
        try:
            size = min(_MOST, shutil.disk_usage(self._path.parent).free // _SHARE)
            with self._path.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, max(size, 1))
        except OSError:  # full already, or a drive that cannot: no reserve then
            self.give_back()

    def give_back(self) -> None:
        """Free the space."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
