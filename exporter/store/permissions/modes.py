"""Derives who may read a dataset: the mode of its folder applies to everything inside it.

Folders have 0700 and files 0600 for the owner alone; 2750 (with setgid, so that what is new belongs
to the same group) and 0640 where the group reads too. ``share`` sets them, whatever the umask.
Windows has no such modes.
"""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import setting

if sys.platform == "win32":
    grp = None
else:
    import grp

SharedWith = Literal["owner", "group"]

PRIVATE: Final = 0o700
"""The mode of a folder that only its owner may read."""
OF_FOLDER: Final[Mapping[SharedWith, int]] = {"owner": PRIVATE, "group": stat.S_ISGID | 0o750}
"""The mode of a dataset's folder."""
HAS_MODES: Final = os.name == "posix"


@dataclass(frozen=True, slots=True)
class Rule:
    """The modes of everything in a dataset, derived from the mode of its folder."""

    bits: int
    """The folder's own mode."""
    gid: int
    """Its group."""
    is_foreign: bool = False
    """Return whether it belongs to another user, who must be able to read new files."""

    @classmethod
    def of(cls, folder: Path) -> "Rule":
        """Read the rule of a folder."""
        status = folder.stat()
        is_foreign = HAS_MODES and status.st_uid != os.geteuid()
        return cls(stat.S_IMODE(status.st_mode), status.st_gid, is_foreign)

    @property
    def is_for_group(self) -> bool:
        """Whether only the group reads, so that it has to be the right group."""
        return bool(self.bits & stat.S_IRGRP) and not self.bits & stat.S_IROTH

    @property
    def staging(self) -> int:
        """The mode of the folder for unfinished work, which no reader needs."""
        shared = self.bits & 0o070 if self.bits & stat.S_IWGRP else 0
        return PRIVATE | self.bits & stat.S_ISGID | shared

    def mode(self, status: os.stat_result) -> int:
        """Return the mode that a file or folder should have.

        The owner's bits stay as they are, and no right to write is added.
        """
        now, is_folder = stat.S_IMODE(status.st_mode), stat.S_ISDIR(status.st_mode)
        bits = self.bits & (0o055 if is_folder else 0o044) | now & self.bits & 0o022
        if self.is_foreign:
            bits |= now & 0o005
        return now & 0o700 | bits | (self.bits & stat.S_ISGID if is_folder else 0)


def refuse_without_modes(share: SharedWith | None) -> None:
    """Check that the system supports sharing.

    Raises:
        UsageError: it is Windows.
    """
    if share is not None and not HAS_MODES:
        raise UsageError(
            f"{setting('share')} does not apply on Windows; set permissions in the properties of "
            "the dataset's folder"
        )


def readers(folder: Path) -> Literal["owner", "group", "everyone"] | None:
    """Return who may read a folder; None if its mode does not show it."""
    if not HAS_MODES:
        return None
    mode = folder.stat().st_mode
    if mode & stat.S_IROTH:
        return "everyone"
    return "group" if mode & stat.S_IRGRP else "owner"


def prepared_for(folder: Path) -> SharedWith:
    """Return whom a folder is meant for: setgid and closed to others means a group of this user."""
    if not folder.is_dir() or not HAS_MODES:
        return "owner"
    status = folder.stat()
    is_shared = status.st_mode & (stat.S_ISGID | 0o057) == stat.S_ISGID | 0o050
    return "group" if is_shared and _is_member(status.st_gid) else "owner"


def check_member(folder: Path, share: SharedWith) -> None:
    """Check that this user may share a folder.

    Raises:
        UsageError: the user is not a member of the folder's group.
    """
    gid = folder.stat().st_gid
    if share == "group" and not _is_member(gid):
        raise UsageError(
            f"{folder} belongs to the group {group_name(gid)}, and you are not a member of it; "
            f"change it to one of your groups (chgrp GROUP {folder})"
        )


def share_folder(folder: Path, share: SharedWith) -> None:
    """Set the mode of a dataset's own folder, which determines the modes of everything inside it.

    Raises:
        UsageError: this user is not a member of the folder's group.
        SnapshotError: the file system does not keep modes.
        OSError: the folder belongs to another user.
    """
    check_member(folder, share)
    folder.chmod(OF_FOLDER[share])
    if share == "group" and not folder.stat().st_mode & stat.S_IRGRP:
        raise SnapshotError(
            f"cannot share {folder}: its file system does not keep modes; use another disk"
        )


def sharing(data: Path) -> Iterator[str]:
    """Describe who can read a shared dataset, and what prevents them."""
    if readers(data) != "group":
        return
    gid = data.stat().st_gid
    yield f"members of the group {group_name(gid)} can read {data}"
    for parent in data.absolute().parents:
        above = parent.stat()
        enters = stat.S_IXGRP if above.st_gid == gid else stat.S_IXOTH
        if not above.st_mode & enters:
            mode = stat.S_IMODE(above.st_mode)
            yield (
                f"warning: they cannot reach it, because {parent} has mode {mode:04o}; "
                "allow them to enter it, or move the dataset"
            )
            return


def group_name(gid: int) -> str:
    """Return the name of a group, or its number if it has no name."""
    try:
        return str(gid) if grp is None else grp.getgrgid(gid).gr_name
    except KeyError:  # a container, or another machine's disk
        return str(gid)


def _is_member(gid: int) -> bool:
    return os.geteuid() == 0 or gid in (os.getegid(), *os.getgroups())
