"""Describes errors of the system: which file, why, and what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.disk.places import is_about
from clearml_snapshot.exporter.store.disk.reserve import is_full_disk

_NUMBER: Final = r"(?i)\[errno (\d+)\]"
"""Arrow reports the system's error number in its text only."""

_CHECK: Final = "check the disk that it is on, and run it again"
_NO_RIGHT: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Add the file name to errors of the system inside the block: reads and writes do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and number_of(error) is not None:
            error.filename = str(path)
        raise


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read a file inside the block; an error that names another file is left alone.

    Raises:
        DatasetError: the system refuses to read it.
    """
    try:
        yield
    except PermissionError:
        raise  # the owner is named elsewhere
    except OSError as error:
        if number_of(error) is None or error.filename not in (None, str(path)):
            raise
        raise unreadable(path, error) from error


def unreadable(path: Path | str, error: OSError) -> DatasetError:
    """Return the error of a file that the system cannot read, which need not be damaged."""
    return DatasetError(f"cannot read {path}: {reason(error)}; {way_to_read(reason(error))}")


def way_to_read(text: str, otherwise: str = _CHECK) -> str:
    """Describe what to do about a file that cannot be read.

    Args:
        text: the error message, with the system's reason.
        otherwise: what to do for any other reason.
    """
    if os.strerror(errno.EACCES) in text or os.strerror(errno.EPERM) in text:
        return "ask its owner for permission to read it"
    return _CHECK if os.strerror(errno.EIO) in text else otherwise


def number_of(error: BaseException) -> int | None:
    """Return the system's error number; None for an error of a library about what it has read."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = re.search(_NUMBER, str(error))
    return int(match[1]) if match else None


def reason(error: OSError) -> str:
    """Return the system's reason; for an error without a number the first line of its text."""
    text = error.strerror or (str(error).splitlines() or ["no reason given"])[0]
    arrows = re.search(_NUMBER, text)
    return os.strerror(int(arrows[1])) if arrows else text


def cannot_write(error: OSError, target: Path) -> str:
    """Describe what could not be written, and why.

    Args:
        error: its second file name is the new one, for a link or a rename.
        target: what was being written; a file elsewhere was not being written.
    """
    names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
    if names and not is_about(names[0], target.absolute().parent):
        return f"{names[0]}: {reason(error)}"
    return f"cannot write {names[0] if names else target}: {reason(error)}"


@contextmanager
def disk_errors(
    target: Path, then: str = "", more: str = "", *, only_there: bool = False
) -> Iterator[None]:
    """Report in one line what the system refuses while a target is written.

    An error without a number is not translated: it comes from a library, about a file that it has
    read.

    Args:
        target: what is being made.
        then: the consequence for the user, such as ``nothing was merged``.
        more: what follows the advice.
        only_there: leave an error alone that names a file elsewhere.

    Raises:
        SnapshotError: the system refused something; the message describes what to do.
    """
    try:
        yield
    except OSError as error:
        name = error.filename2 or error.filename
        is_elsewhere = isinstance(name, str) and not is_about(name, target)
        if number_of(error) is None or (only_there and is_elsewhere):
            raise
        clauses = (cannot_write(error, target), then, f"{way_out(error)}{more}")
        raise SnapshotError("; ".join(filter(None, clauses))) from error


def way_out(error: OSError) -> str:
    """Describe what to do about it."""
    if is_full_disk(error):
        return "free some space there"
    return "get permission to write there" if error.errno in _NO_RIGHT else "check the disk"
