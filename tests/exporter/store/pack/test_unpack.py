"""Packs: unpacked completely or not at all, queried through a cache; folders with traps."""

import errno
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from tests.exporter.store.test_versions import make_older

COUNT = "SELECT count(*) FROM scalars"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("made", [True, False])
def test_unpacked_it_is_the_snapshot_again(
    pack: Path, root: Path, tmp_path: Path, made: bool
) -> None:
    target = tmp_path / "q3"
    if made:
        target.mkdir()
    snapshot = unpack(pack, target).snapshot
    assert (snapshot.root, snapshot.pack) == (target, None)
    assert _contents(target) == _contents(root)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q3", "x.zip"]


def test_a_target_that_is_in_use_or_nowhere(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "q3").mkdir()
    (tmp_path / "q3" / "thesis.tex").write_text("")
    for target in (tmp_path / "q3", pack):
        with pytest.raises(UsageError, match="already exists; use a new or an empty folder"):
            unpack(pack, target)
    with pytest.raises(UsageError, match=r"there is no folder .*; create it first"):
        unpack(pack, tmp_path / "none" / "q3")
    for missing in (tmp_path / "y.zip", tmp_path):
        with pytest.raises(NoDatasetError, match="no pack at"):
            unpack(missing, tmp_path / "new")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), SnapshotError),
    ],
)
def test_stopped_half_way_nothing_is_left(
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    raised: type[BaseException],
) -> None:
    def fail(descriptor: int) -> None:
        seen.append(descriptor)
        if len(seen) == 5:
            raise fault

    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised):
        unpack(pack, tmp_path / "q3")
    assert len(seen) == 5
    assert list(tmp_path.iterdir()) == [pack]


def test_more_than_the_disk_holds(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    for use in (lambda: unpack(pack, tmp_path / "q3"), lambda: verify(pack)):
        with pytest.raises(
            SnapshotError, match=r"x.zip needs .* bytes unpacked, but .* has only 1,000"
        ):
            use()
    assert not (tmp_path / "q3").exists()


class _Unseekable(io.RawIOBase):
    """A pipe: zipfile then writes sizes behind the contents."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def _zipped_anew(root: Path, stream: BinaryIO, folder: str, method: int) -> None:
    """Zip a folder as other programs do: with its name, entries of folders, dates, any order."""
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.comment = b"for Ada"
        for path in [root, *sorted(root.rglob("*"), reverse=True)]:
            name = f"{folder}{path.relative_to(root).as_posix()}".removesuffix(".")
            if name:
                archive.write(path, name)


@pytest.mark.parametrize("folder", ["", "000001/", "Größe of q3/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("seekable", [True, False])
def test_zipped_anew_by_something_else(
    root: Path, pack: Path, tmp_path: Path, folder: str, method: int, seekable: bool
) -> None:
    stream = io.BytesIO() if seekable else _Unseekable()
    _zipped_anew(root, cast("BinaryIO", stream), folder, method)
    content = stream.getvalue() if isinstance(stream, io.BytesIO) else bytes(stream.written)
    pack.write_bytes(content)
    unpack(pack, tmp_path / "q3")
    assert _contents(tmp_path / "q3") == _contents(root)
    report = verify(pack)
    assert report.problems == ()
    assert report.notes == (
        "the archive itself is not checked: it was not written by pack, but zipped again",
    )


def test_an_older_format_has_no_hashes_of_its_texts(root: Path, pack: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(root, older)
    make_older(older, 2)
    (older / "SHA256SUMS").unlink()
    (older / "datapackage.json").unlink()
    with pack.open("wb") as stream:
        write_archive(stream, members(older))
    assert unpack(pack, tmp_path / "q3").snapshot.format_version == 2
    with open_dataset(pack) as dataset:
        assert dataset.sql(COUNT).fetchall() == [(3,)]
    assert verify(pack).is_intact


def test_a_pack_is_packed_again(pack: Path, tmp_path: Path) -> None:
    assert main(["pack", "--data", str(pack), "-o", str(tmp_path / "again.zip")]) == 0
    assert main(["pack", "--data", str(tmp_path / "again.zip"), "-o", str(tmp_path / "3.zip")]) == 0
    with open_dataset(tmp_path / "3.zip") as dataset:
        assert dataset.sql(COUNT).fetchall() == [(3,)]


def test_commands_on_a_pack(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(pack)]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"dataset     {pack}\n")
    assert page.endswith(f"the file to copy: {pack}\n")
    assert main(["verify", str(pack)]) == 0
    assert f" in {pack}\n" in capsys.readouterr().out
    for writes in (["selections", "remove", "1"], ["export"], ["export", "--only-failed"]):
        assert main([*writes, "--data", str(pack)]) == 2
        assert f"{pack} is not a folder" in capsys.readouterr().err
    assert main(["query", "max", "--metric", "loss", "--data", str(pack), "--snapshot", "7"]) == 2
    assert f"{pack} is a single snapshot (number 1)" in capsys.readouterr().err


def test_no_export_into_a_pack(pack: Path) -> None:
    before = pack.read_bytes()
    with pytest.raises(UsageError, match="is not a folder"), writing(pack):
        pass
    assert pack.read_bytes() == before
