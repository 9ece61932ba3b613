"""Reports in one line who owns a folder that cannot be read or written."""

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.places import is_about
from clearml_snapshot.exporter.store.permissions.modes import HAS_MODES, group_name

if sys.platform == "win32":
    pwd = None
else:
    import pwd

_PathAndStatus = tuple[Path, os.stat_result]


@contextmanager
def naming_owner(path: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn a refusal of the system inside the block into an error that describes what to do.

    A refusal of a file elsewhere is not translated.

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
        if _is_scratch(refused) and not refused.is_relative_to(path.absolute()):
            raise SnapshotError(
                f"cannot write to {refused}: {error.strerror}; set TMPDIR to a folder that you own"
            ) from error
        if not is_about(str(refused), path):  # such as a file of the program, or a configuration
            raise
        raise SnapshotError(_refusal(path, refused, writing=writing)) from error


def _is_scratch(path: Path) -> bool:
    """Return whether a path is in a folder for temporary files."""
    return path.is_relative_to(tempfile.gettempdir())


def _refusal(path: Path, refused: Path, *, writing: bool) -> str:
    nearest = _nearest(path) or _nearest(refused)
    whose = _owner(nearest[1]) if nearest else "the system refuses"
    if writing:
        return (
            f"cannot write to {path}: {whose}; run this as its owner, or choose your own folder "
            f"with {setting('data')}"
        )
    return f"cannot read {path}: {whose}; {_way_out(path, nearest)}"


def _way_out(path: Path, nearest: _PathAndStatus | None) -> str:
    """Describe what a reader can do; what the owner has to type depends on the folder's mode."""
    if (
        nearest is None
        or nearest[0] != path
        or not stat.S_ISDIR(nearest[1].st_mode)
        or not HAS_MODES
    ):
        return "ask its owner for permission to read it, or for a pack"
    if nearest[1].st_mode & stat.S_IRGRP:
        group = group_name(nearest[1].st_gid)
        return f"only members of the group {group} can read it; join it, or ask for a pack"
    return (
        "its owner can share it with its group (clearml-snapshot export --share group --data "
        f"{shlex.quote(str(path.absolute()))}), or give you a pack"
    )


def _nearest(path: Path) -> _PathAndStatus | None:
    """Find the nearest existing file or folder on a path."""
    for existing in (path, *path.absolute().parents):
        try:
            return existing, existing.stat()
        except OSError:
            continue
    return None


def _owner(status: os.stat_result) -> str:
    return f"it belongs to {_name(status.st_uid)} (mode {stat.S_IMODE(status.st_mode):04o})"


def _name(uid: int) -> str:
    try:
        return f"user {uid}" if pwd is None else pwd.getpwuid(uid).pw_name
    except KeyError:  # a container, or another machine's disk
        return f"user {uid}"
