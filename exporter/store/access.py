"""Whose a folder is that may not be read or written, in one line."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearml_snapshot.exporter.errors import SnapshotError

try:
    import pwd
except ImportError:  # Windows
    pwd = None  # type: ignore[assignment]  # its absence is checked before its use


@contextmanager
def naming_owner(path: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn a refusal of the system inside the block into an error that says what to do.

    Args:
        path: the folder, or the file, that is to be read or written.
        writing: whether it is to be written.

    Raises:
        SnapshotError: the system refuses.
    """
    try:
        yield
    except PermissionError as error:
        refused = Path(error.filename) if isinstance(error.filename, str) else path
        raise SnapshotError(_told(path, refused, writing=writing)) from error


def _told(path: Path, refused: Path, *, writing: bool) -> str:
    owner = _owner(path) or _owner(refused)
    whose = f"it belongs to {owner}" if owner else "the system refuses"
    if writing:
        return (
            f"cannot write to {path}: {whose}; run this as its owner, or give a folder of yours "
            "with --data"
        )
    return f"cannot read {path}: {whose}; ask its owner for the right to read it, or for a pack"


def _owner(path: Path) -> str | None:
    """Name who owns the nearest thing on the way to a path that can be looked at, and its mode."""
    for place in (path, *path.absolute().parents):
        try:
            status = place.stat()
        except OSError:
            continue
        return f"{_name(status.st_uid)} (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _name(uid: int) -> str:
    try:
        return f"user {uid}" if pwd is None else pwd.getpwuid(uid).pw_name
    except KeyError:  # a container, or another machine's disk
        return f"user {uid}"
