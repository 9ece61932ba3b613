"""A disk that loses at any moment what was not forced to it; what is left can be looked at.

A file has the content, and a folder the entries, that it had when it was last synced. Entries may
reach a disk before they are synced, in any order between folders, so each of these is tried with
and without its newer entries as well.
"""

import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Inode = tuple[int, int]
Entry = tuple[str, Inode, int, str]
"""Name, inode, kind (as ``stat.S_IFMT`` gives it) and the target of a link."""
Tree = tuple[tuple[str, Any], ...]
"""What a folder holds: names, each with a tree, bytes, or the text of a link. Hidden names are left
out: nothing below them counts, and there are many ways to lose it."""

_CALLS = ("rename", "replace", "symlink", "link", "mkdir", "unlink", "rmdir", "fsync")


class Disk:
    """What of a folder would be left at each moment."""

    def __init__(self, root: Path, early: Sequence[Callable[[], Path]]) -> None:
        self._root = root
        self._early = early
        self._folders: dict[Inode, tuple[Entry, ...]] = {}
        self._files: dict[Inode, bytes] = {}
        self.seen: dict[Tree, int] = {}
        """What may be left, each with the fewest commits that were complete then."""
        self.commits = 0
        for folder, _, names in os.walk(root):
            self._sync_folder(Path(folder))
            for name in names:
                path = Path(folder, name)
                self._files[_inode(path.lstat())] = path.read_bytes()

    def sync(self, descriptor: int) -> None:
        """Keep what a descriptor leads to, as it is now."""
        status, path = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(status.st_mode):
            self._sync_folder(path)
        else:
            self._files[_inode(status)] = path.read_bytes()

    def _sync_folder(self, path: Path) -> None:
        self._folders[_inode(path.stat())] = _entries(path)

    def note(self) -> None:
        """Remember what may be left after a power cut now."""
        early = [path() for path in self._early]
        inodes = [_inode(path.stat()) for path in early if path.is_dir()]
        for chosen in itertools.product((False, True), repeat=len(inodes)):
            newer = {inode for inode, is_newer in zip(inodes, chosen, strict=True) if is_newer}
            left = self._tree(self._root, _inode(self._root.stat()), newer)
            self.seen[left] = max(self.seen.get(left, 0), self.commits)

    def _tree(self, now: Path | None, inode: Inode, newer: set[Inode]) -> Tree:
        entries = self._folders.get(inode, ())
        if inode in newer and now is not None:
            entries = _entries(now)
        left: list[tuple[str, Any]] = []
        for name, its, kind, target in (entry for entry in entries if entry[0][0] != "."):
            if kind == stat.S_IFDIR:
                live = now / name if now is not None and (now / name).is_dir() else None
                is_same = live is not None and _inode(live.stat()) == its
                left.append((name, self._tree(live if is_same else None, its, newer)))
            else:
                left.append((name, target or self._files.get(its, b"")))
        return tuple(left)


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _entries(folder: Path) -> tuple[Entry, ...]:
    with os.scandir(folder) as entries:
        stats = [(entry, entry.stat(follow_symlinks=False)) for entry in entries]
        return tuple(
            (
                e.name,
                _inode(s),
                stat.S_IFMT(s.st_mode),
                str(Path(e.path).readlink()) if e.is_symlink() else "",
            )
            for e, s in sorted(stats, key=lambda pair: pair[0].name)
        )


@contextmanager
def unsafe_disk(root: Path, *early: Callable[[], Path]) -> Iterator[Disk]:
    """Watch a folder while things are done in it.

    Args:
        root: the folder; what is in it now is on the disk.
        early: folders whose entries may reach the disk before they are synced.
    """
    disk = Disk(root, early)
    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, _watched(disk, name, getattr(os, name)))
        yield disk


def _watched(disk: Disk, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*args: Any, **options: Any) -> Any:
        disk.note()
        result = call(*args, **options)
        if name == "fsync":
            disk.sync(args[0])
        return result

    return watched


def restore(tree: Tree, folder: Path) -> Path:
    """Make a folder of what was left, in place of an earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    _make(tree, folder)
    return folder


def _make(tree: Tree, folder: Path) -> None:
    folder.mkdir()
    for name, content in tree:
        if isinstance(content, tuple):
            _make(content, folder / name)
        elif isinstance(content, str):
            (folder / name).symlink_to(content)
        else:
            (folder / name).write_bytes(content)
