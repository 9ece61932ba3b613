"""Sets the modes of everything in a dataset, as computed in ``modes``."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from clearml_snapshot.exporter.store.disk.files import copy_synced
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.permissions.modes import (
    HAS_MODES,
    OF_FOLDER,
    Rule,
    SharedWith,
    check_member,
    prepared_for,
    readers,
    share_folder,
)

_Inode = tuple[int, int]


def set_modes(root: Path, rule: Rule) -> None:
    """Set the modes of a new folder of a dataset, and of everything in it.

    A file that is also linked elsewhere, such as from an earlier snapshot, is not changed; if it is
    too private for this dataset, it is copied. What the file system refuses is not changed either.

    Args:
        root: the folder, before it is moved into its dataset; it has no readers yet.
        rule: the dataset's.
    """
    if HAS_MODES:
        change = _Change(rule, root.with_name(f"{root.name}-copy"), is_lenient=True)
        change.apply([*_below(root)])


def set_modes_beside(data: Path) -> None:
    """Set the modes of what is beside the snapshots."""
    if HAS_MODES:
        rule = Rule.of(data)
        _Change(rule, layout.staging(data) / "copy", is_lenient=True).apply(_top(data))
        with suppress(PermissionError):
            layout.staging(data).chmod(rule.staging)


def set_modes_unpacked(folder: Path, target: Path, share: SharedWith | None) -> None:
    """Set the modes of a snapshot folder that replaces an empty one.

    Args:
        folder: what was unpacked, beside its place.
        target: its place; an empty folder there may have been prepared for a group.
        share: with whom; None takes it from the empty folder, otherwise only the owner.

    Raises:
        UsageError, SnapshotError, OSError: it cannot be shared, see ``modes.share_folder``.
    """
    share = share or prepared_for(target)
    if share == "group" and target.is_dir():
        check_member(target, share)
        os.chown(folder, -1, target.stat().st_gid)
    share_folder(folder, share)
    set_modes(folder, Rule.of(folder))


def reshare(data: Path, share: SharedWith) -> None:
    """Change who may read an existing dataset: the modes of everything in it.

    The folder itself comes last where it opens and first where it closes, so an interrupted change
    leaves nothing open by mistake. A file with a name in another dataset too, as ``merge`` makes
    them, keeps its mode there.

    Args:
        data: the dataset, under the writer's lock.
        share: with whom.

    Raises:
        UsageError: this user is not a member of the folder's group.
        SnapshotError: the file system does not keep modes.
        OSError: something in it belongs to another user.
    """
    check_member(data, share)
    if readers(data) != "owner":
        share_folder(data, share)
    now = Rule.of(data)
    rule = Rule(OF_FOLDER[share], now.gid, now.is_foreign)
    places = [*_top(data), *_below(layout.snapshots(data))]
    _Change(rule, layout.staging(data) / "copy").apply(places)
    share_folder(data, share)


def _top(data: Path) -> list[Path]:
    """List what belongs to the dataset beside the snapshots; a nested dataset has its own rule."""
    places = [
        layout.snapshots(data),
        layout.current_text(data),
        layout.lock(data),
        data / layout.README,
        data / ".gitignore",
    ]
    return [path for path in places if path.exists()]


def _below(root: Path) -> Iterator[Path]:
    """List a folder and all in it, folders before their files."""
    for parent, _, names in os.walk(root):
        yield Path(parent)
        yield from (Path(parent, name) for name in names)


class _Change:
    """New modes for files and folders.

    Args:
        rule: which.
        spare: a free path on the same disk, for a temporary copy.
        is_lenient: pass over what the file system refuses.
    """

    def __init__(self, rule: Rule, spare: Path, *, is_lenient: bool = False) -> None:
        self._rule, self._spare = rule, spare
        self._passed_over = (PermissionError,) if is_lenient else ()
        self._names: Counter[_Inode] = Counter()
        self._copies: dict[_Inode, Path] = {}

    def apply(self, paths: Iterable[Path]) -> None:
        """Set them; a file whose every name is among the paths is changed in its place."""
        statuses = [(path, path.lstat()) for path in paths]
        self._names.update(_inode(status) for _, status in statuses)
        for path, status in statuses:
            if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                with suppress(*self._passed_over):
                    self._set(path)

    def _set(self, path: Path) -> None:
        status = path.lstat()  # again: an earlier name of the same file may have changed it
        mode = self._rule.mode(status)
        is_other_group = self._rule.is_for_group and status.st_gid != self._rule.gid
        if stat.S_IMODE(status.st_mode) == mode and not is_other_group:
            return
        if self._is_elsewhere(status):
            if not is_other_group and not mode & ~status.st_mode:
                return  # where it is too open for this dataset, its folder closes it
            self._copy(path, status)
        if is_other_group:
            os.chown(path, -1, self._rule.gid)
        path.chmod(mode)

    def _is_elsewhere(self, status: os.stat_result) -> bool:
        """Return whether a file is shared with others: it has another name, or another owner."""
        if stat.S_ISDIR(status.st_mode):
            return False
        is_mine = os.geteuid() in (0, status.st_uid)
        return status.st_nlink > self._names[_inode(status)] or not is_mine

    def _copy(self, path: Path, status: os.stat_result) -> None:
        """Replace a file by a copy; names of one file become names of one copy."""
        copy = self._copies.setdefault(_inode(status), path)
        self._names[_inode(status)] -= 1
        if copy is path:
            copy_synced(path, self._spare)
        else:
            self._spare.hardlink_to(copy)
        self._spare.replace(path)


def _inode(status: os.stat_result) -> _Inode:
    return status.st_dev, status.st_ino
