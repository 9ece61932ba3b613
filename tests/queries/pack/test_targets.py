"""Where a pack is written, and that nothing half written is left."""

import errno
import os
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import (
    SnapshotError,
    UsageError,
)
from clearml_snapshot.exporter.store.disk import exchange
from clearml_snapshot.exporter.store.disk.files import sync_folder
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries import open_dataset
from tests.queries.conftest import write
from tests.support.packs import listing, pack_of


@pytest.fixture(scope="module")
def packed(odd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of ``odd`` as a folder, to be copied: packing takes a second."""
    folder = tmp_path_factory.mktemp("packed") / "pack"
    pack_of(odd, folder)
    return folder


def test_a_folder_has_files_of_its_own(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    pack_of(odd, tmp_path / "pack")
    assert {path.stat().st_nlink for path in (tmp_path / "pack").rglob("*.parquet")} == {1}
    assert listing(tmp_path)[0] == "pack"


def test_an_earlier_pack_is_replaced_in_one_step(
    odd: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = shutil.copytree(packed, tmp_path / "pack")
    before = contents(target)
    (target / ".DS_Store").write_text("left by a system")
    replaced = pack_of(odd, target, metrics=("loss",))
    assert listing(tmp_path)[0] == "pack"
    assert [entry.name for entry in tmp_path.iterdir()] == ["pack"]
    assert contents(target) != before
    assert verify(target).content_id == replaced.content_id
    assert verify(target).is_intact
    monkeypatch.setattr(exchange, "exchange", lambda *_: False)  # another system
    pack_of(odd, target)
    assert contents(target) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["pack"]


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one task: where contents do not matter, packing them takes half the time."""
    folder = tmp_path_factory.mktemp("little") / "data"
    points = [("loss", "train", 0, 1.0), ("acc", "val", 0, 1.0)]
    write(folder, [{"task_id": "a" * 32, "points": points}])
    return folder


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_while_a_pack_is_replaced_costs_nothing(
    little: Path, tmp_path: Path, *, can_exchange: bool
) -> None:
    """Killed before and after each renaming: the old or the new one is there, complete."""
    target = tmp_path / "pack"
    pack_of(little, target)
    old = contents(target)
    names = set()
    for step in range(3):
        child = os.fork()
        if not child:
            try:
                with pytest.MonkeyPatch.context() as patch:
                    _kill_at(step, patch, can_exchange=can_exchange)
                    pack_of(little, target, metrics=("loss",))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        kept = [entry for entry in tmp_path.iterdir() if not entry.name.startswith(".")]
        assert kept
        assert all(verify(entry).is_intact for entry in kept)
        names |= {entry.name.partition(".")[0] for entry in kept}
        for entry in kept:
            if entry != target and not target.exists():
                entry.rename(target)
        pack_of(little, target)
        assert contents(target) == old
        assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]
        for entry in tmp_path.glob("pack.replaced-*"):
            shutil.rmtree(entry)
    assert names == {"pack"}


def _kill_at(step: int, patch: pytest.MonkeyPatch, *, can_exchange: bool) -> None:
    calls = iter(range(9))

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    if can_exchange:
        patch.setattr(exchange, "exchange", killing(exchange.exchange))
        patch.setattr(exchange, "sync_folder", killing(sync_folder))
    else:
        patch.setattr(exchange, "exchange", lambda *_: False)
        patch.setattr(exchange, "sync_folder", killing(sync_folder))
        patch.setattr(shutil, "rmtree", killing(shutil.rmtree))
        if step == 2:
            patch.setattr(Path, "rename", _second_rename_kills(Path.rename))


def _second_rename_kills(rename: Callable[..., Path]) -> Callable[..., Path]:
    def call(path: Path, target: Path) -> Path:
        if path.name == "pack" and path.parent.name.startswith("."):
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, target)

    return call


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda pack: (pack / "mine.txt").write_text("mine"), "mine.txt does not belong to it"),
        (lambda pack: (pack / "mine").mkdir(), "mine does not belong to it"),
        (lambda pack: (pack / "link").symlink_to(pack), "link does not belong to it"),
        (lambda pack: (pack / "README.md").write_text("notes"), "README.md was changed"),
        (lambda pack: (pack / "open.sql").unlink(), "open.sql is missing"),
        (lambda pack: (pack / "SHA256SUMS").unlink(), "it has no readable snapshot.json"),
    ],
)
def test_what_is_not_only_an_earlier_pack_is_kept(
    odd: Path, packed: Path, tmp_path: Path, change: Callable[[Path], object], reason: str
) -> None:
    target = shutil.copytree(packed, tmp_path / "pack")
    change(target)
    before = listing(tmp_path)
    with pytest.raises(UsageError, match=reason):
        pack_of(odd, target)
    assert listing(tmp_path) == before


def test_neither_a_snapshot_nor_the_source_is_replaced(
    odd: Path, packed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree((odd / "current").resolve(), copy)
    with pytest.raises(UsageError, match="a snapshot that was not packed"):
        pack_of(odd, copy)
    shutil.copytree(packed, tmp_path / "pack")
    with pytest.raises(UsageError, match="is what would be packed"):
        pack_of(tmp_path / "pack", tmp_path / "pack", metrics=("loss",))


def test_an_archive_has_one_folder(odd: Path, tmp_path: Path) -> None:
    packed = pack_of(odd, tmp_path / "a.zip")
    pack_of(odd, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "by hand")
    (folder,) = (tmp_path / "by hand").iterdir()
    assert folder.name == f"clearml-snapshot-{packed.content_id[:8]}"
    for path in (tmp_path / "a.zip", folder):
        verification = verify(path)
        assert (verification.problems, verification.notes) == ((), ())
        assert verification.content_id == packed.content_id
    earlier = tmp_path / "earlier.zip"
    with earlier.open("wb") as stream:
        write_archive(stream, members(folder))
    assert (verify(earlier).problems, verify(earlier).notes) == ((), ())
    with open_dataset(earlier) as dataset:
        assert dataset.sql("SELECT count(*) > 0 FROM scalars").fetchall() == [(True,)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*[a-z]")}


def test_targets_that_cannot_be_meant(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "file").write_text("mine")
    before = listing(tmp_path)
    for name in ("full", "folder.zip", "file", "a.tar.gz", "a.7z", "a.csv", "no/such/a.zip"):
        with pytest.raises(UsageError, match="-o"):
            pack_of(odd, tmp_path / name)
    assert listing(tmp_path) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_an_archive_is_replaced_in_one_step(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("the one of yesterday")
    pack_of(odd, tmp_path / "a.zip")
    assert zipfile.is_zipfile(tmp_path / "a.zip")


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    (tmp_path / "a.zip").write_text("the one of yesterday")

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("clearml_snapshot.queries.pack.pack.write_archive", fail)
    with pytest.raises((SnapshotError, KeyboardInterrupt)):
        pack_of(odd, tmp_path / "a.zip")
    assert listing(tmp_path) == ["a.zip"]
    assert (tmp_path / "a.zip").read_text() == "the one of yesterday"


@pytest.mark.parametrize("name", ["a.zip", "a [1].zip"])
def test_what_a_killed_pack_left_goes_with_the_next(odd: Path, tmp_path: Path, name: str) -> None:
    left = tmp_path / f".{name}.packing-a1b2c3d4"
    (left / "pack").mkdir(parents=True)
    (left / ".clearml-snapshot-scratch").touch()
    pack_of(odd, tmp_path / name)
    assert listing(tmp_path) == [name]
