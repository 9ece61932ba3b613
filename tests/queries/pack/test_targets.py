"""Where a pack is written, and that nothing half written is left."""

import errno
import zipfile
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import (
    SnapshotError,
    UsageError,
)
from tests.support.packs import listing, pack_of


def test_a_folder_has_files_of_its_own(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    pack_of(odd, tmp_path / "pack")
    assert {path.stat().st_nlink for path in (tmp_path / "pack").rglob("*.parquet")} == {1}
    assert listing(tmp_path)[0] == "pack"


def test_targets_that_cannot_be_meant(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "file").write_text("mine")
    before = listing(tmp_path)
    for name in ("full", "folder.zip", "file", "a.tar.gz", "a.7z", "no/such/a.zip"):
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
