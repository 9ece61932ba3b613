"""Locks for one process at a time, on drives with and without file locks.

The system gives up a file lock (flock) when its process ends, however that ends. Some network
drives refuse it. There a file beside the lock replaces it, which names its owner: machine,
process, and when that process was started. It is created exclusively, which such drives keep to,
and is removed when its owner ends. One that a killed process left is reused if the same machine can
see that the process has ended and the drive can exchange two names; otherwise a person decides.
"""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, SoftFileLock, Timeout

_REFUSALS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""The errors of ``flock`` on drives without locks; others are errors of the drive."""


class HeldError(Exception):
    """Another process has the lock.

    Attributes:
        owner: the process and its machine; None when only the system knows.
        marker: the file that replaces the lock; None if there is none.
    """

    def __init__(self, owner: str | None = None, marker: Path | None = None) -> None:
        super().__init__(owner or "another process")
        self.owner, self.marker = owner, marker


def marker_of(lock: Path) -> Path:
    """Return the file that replaces a lock on drives without locks."""
    return lock.with_name(f"{lock.name}.owner")


@contextmanager
def locked(lock: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock inside the block; yields whether it is a lock of the system.

    A holder of the system's lock also respects a marker, because another machine may use the same
    drive without locks.

    Args:
        lock: the file to lock; it is made, and stays.
        wait: wait for another process instead of failing.

    Raises:
        HeldError: another process has it.
        OSError: the drive refuses the file, or fails.
    """
    timeout, marker = -1 if wait else 0, marker_of(lock)
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(lock, fallback_to_soft=False).acquire(timeout))
            is_systems = True
        except Timeout as error:
            raise HeldError from error
        except (NotImplementedError, OSError) as error:
            if not is_refused(error):
                raise
            is_systems = False
        if not is_systems or marker.is_symlink() or marker.exists():
            held.enter_context(_marked(marker, timeout))
        yield is_systems


def is_refused(error: Exception) -> bool:
    """Return whether an error means that the drive has no locks."""
    return isinstance(error, NotImplementedError) or (
        isinstance(error, OSError) and error.errno in _REFUSALS
    )


@contextmanager
def _marked(marker: Path, timeout: float) -> Iterator[None]:
    own = SoftFileLock(marker)
    try:
        own.acquire(timeout)
    except Timeout as error:
        raise HeldError(_owner(marker), marker) from error
    try:
        yield
    finally:
        own.release()


def _owner(marker: Path) -> str | None:
    """Read who has a marker: filelock writes the process and the machine, one line each."""
    try:
        with marker.open("rb") as stream:
            process, machine, *_ = stream.read(_LONGEST).decode().splitlines()
        return f"process {int(process)} on {machine}"
    except (OSError, ValueError):  # it is being written, or not filelock's
        return None


_LONGEST: Final = 1_024
"""Bytes of a marker."""
