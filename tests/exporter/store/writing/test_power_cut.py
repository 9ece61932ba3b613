"""A power cut at any moment leaves the last snapshot that was reported as complete."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder
from clearml_snapshot.exporter.store.verify.checksums import sums_problems
from clearml_snapshot.exporter.store.verify.files import damaged_files
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.support.power_cut import Disk, restore, unsafe_disk

Call = Callable[..., Any]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads files through /proc")


@pytest.fixture
def disk_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def _problems(folder: Path) -> Iterator[str]:
    snapshot = open_snapshot(folder)
    yield from damaged_files(snapshot.root, snapshot.files)
    yield from sums_problems(snapshot)


def _check(disk: Disk, scratch: Path, at: str) -> None:
    """Check that whatever is left is intact, and as new as the last complete commit."""
    assert len(disk.seen) > 3
    for tree, commits in disk.seen.items():
        left = restore(tree, scratch / "left") / at
        folder = current_snapshot_folder(left) if left.exists() else None
        if folder is None:
            assert commits == 0, tree
            continue
        assert [*_problems(folder)] == []
        assert open_snapshot(left).number >= commits
        with writing(left) as dataset:  # the next run continues from there
            assert dataset.snapshot is not None
            assert dataset.snapshot.number >= commits


def _without_symlinks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)


@pytest.mark.parametrize("has_symlinks", [True, False])
def test_exports(
    has_symlinks: bool,
    disk_folder: Path,
    tmp_path: Path,
    commit: Call,
    line: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first export makes its folders, the second one puts one snapshot in place of another."""
    data = disk_folder / "histories" / "data"
    if not has_symlinks:
        _without_symlinks(monkeypatch)
    early = [lambda: data, lambda: layout.snapshots(data)]
    with unsafe_disk(disk_folder, *early) as disk:
        for number in (1, 2):
            with writing(data) as dataset:
                tasks = {(f"t{number}", "p"): line(f"t{number}", [1.0])}
                commit(dataset, tasks, str(number), keep=Retention.parse("1"))
                disk.commits = number
                disk.note()
    monkeypatch.undo()
    _check(disk, tmp_path, "histories/data")


def test_the_link_is_lost_between_two_exports(
    disk_folder: Path, tmp_path: Path, commit: Call, line: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = disk_folder / "data"
    with writing(data) as dataset:
        commit(dataset, {("a", "p"): line("a", [1.0])}, "1")
    _without_symlinks(monkeypatch)
    with unsafe_disk(disk_folder, lambda: data, lambda: layout.snapshots(data)) as disk:
        disk.commits = 1
        with writing(data) as dataset:
            commit(dataset, {("a", "p"): line("a", [2.0])}, "2")
            disk.commits = 2
            disk.note()
    monkeypatch.undo()
    _check(disk, tmp_path, "data")


@pytest.mark.parametrize("name", ["it.zip", "it"])
def test_packs(name: str, disk_folder: Path, tmp_path: Path, commit: Call, line: Call) -> None:
    """A pack appears complete, and so does what is unpacked from it."""
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1.0])})
    with unsafe_disk(disk_folder, lambda: disk_folder) as disk:
        with open_dataset(tmp_path / "data") as dataset:
            pack(dataset, disk_folder / name)
        disk.commits = 1
        disk.note()
    _check_packs(disk, tmp_path, name)
    if name.endswith(".zip"):
        with unsafe_disk(disk_folder, lambda: disk_folder) as disk:
            unpack(disk_folder / name, disk_folder / "unpacked")
            disk.commits = 1
            disk.note()
        _check_packs(disk, tmp_path, "unpacked")


@pytest.mark.parametrize("name", ["it.csv", "it.parquet"])
def test_answers(name: str, disk_folder: Path, tmp_path: Path, commit: Call, line: Call) -> None:
    """A file of an answer is the earlier one, or the new one with all that is in it."""
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1.0])})
    target = disk_folder / name
    target.write_bytes(b"earlier")
    with unsafe_disk(disk_folder, lambda: disk_folder) as disk:
        arguments = ["sql", "SELECT value FROM scalars", "--data", str(tmp_path / "data")]
        assert main([*arguments, "-o", str(target)]) == 0
        disk.commits = 1
        disk.note()
    for tree, commits in disk.seen.items():
        assert dict(tree)[name] in ([b"earlier"] * (not commits) + [target.read_bytes()])


def _check_packs(disk: Disk, scratch: Path, name: str) -> None:
    for tree, commits in disk.seen.items():
        left = restore(tree, scratch / "left") / name
        assert left.exists() or commits == 0
        if left.exists():
            assert [*verify(left).problems] == []
