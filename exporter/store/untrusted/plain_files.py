"""Safe access to files in a folder of unknown origin, without links that point outside."""

import errno
import os
import stat
from pathlib import Path


class NotARegularFileError(OSError):
    """A file that a snapshot never has: a pipe, a device, a folder, a link that points outside."""


def read_plain(path: Path, most: int) -> bytes:
    """Read a small file.

    Raises:
        NotARegularFileError: it is not a file, or larger than ``most`` bytes.
        OSError: it cannot be read.
    """
    status = _plain(path.stat(), path)
    if status.st_size > most:
        raise NotARegularFileError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    with path.open("rb") as stream:
        return stream.read(most)


class PlainFolder:
    """A folder whose files are accessed without leaving it."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._inside = {""}

    def status(self, path: str) -> os.stat_result:
        """Return the status of a file; ``path`` is relative, with ``/``.

        Raises:
            NotARegularFileError: it is not a file of this folder.
            OSError: it is missing, or the system refuses.
        """
        self._enter(path.rpartition("/")[0])
        return _plain(self._followed(path), path)

    def _enter(self, folder: str) -> None:
        """Check each folder of a path once: there may be 10,000 files."""
        if folder not in self._inside:
            self._enter(folder.rpartition("/")[0])
            self._followed(folder)
            self._inside.add(folder)

    def _followed(self, path: str) -> os.stat_result:
        full = f"{self._root}/{path}"
        status = os.lstat(full)
        if not stat.S_ISLNK(status.st_mode):
            return status
        target = os.path.realpath(full)
        if os.path.commonpath([self._root, target]) != self._root:
            raise NotARegularFileError(errno.ELOOP, "a link that points outside the folder", path)
        return Path(full).stat()


def _plain(status: os.stat_result, path: object) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise NotARegularFileError(errno.EINVAL, "not a regular file", str(path))
    return status
