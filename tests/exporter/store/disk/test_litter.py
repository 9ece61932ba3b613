"""Files that systems and copying tools leave: ignored, or reported if globs read them."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.store.disk.litter import is_litter
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]

LITTER = (
    ".DS_Store",
    "._part-000001-00001.parquet",
    "Thumbs.db",
    "desktop.ini",
    "@eaDir",
    ".nfs000000000123abcd00000001",
    "a.sync-conflict-20260301-120000-ABCDEFG.parquet",
    "README.md~",
    ".~lock.README.md#",
    ".part-000001-00001.parquet.Ab3xYz",
    "__MACOSX",
    ".part-000001-00001.parquet.icloud",
    ".fuse_hidden0000a1b200000001",
    "README (Ann's conflicted copy 2026-03-01).md",
    ".sync",
    ".sync_0a1b2c.db-wal",
    ".syncthing.README.md.tmp",
)
READ = ("part (1).parquet", "part - Copy.parquet", "._part.parquet", ".hidden.parquet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    """A dataset of one task, made in a folder that held litter."""
    data = tmp_path_factory.mktemp("litter") / "data"
    (data / "snapshots").mkdir(parents=True)
    for name in LITTER:
        (data / name).write_text("x")
        (data / "snapshots" / name).write_text("x")
    with writing(data) as dataset:
        commit(dataset, {("t1", "p"): line("t1", [1.0, 2.0])})
    return data


@pytest.fixture
def snapshot(made: Path, tmp_path: Path) -> Path:
    """A copy of the snapshot."""
    return Path(shutil.copytree(made / "current", tmp_path / "copy"))


def test_a_dataset_begins_beside_litter(made: Path) -> None:
    assert all(map(is_litter, LITTER))
    report = verify(made)
    assert report.problems == ()
    assert report.notes == ()


@pytest.mark.parametrize("name", ["part.parquet", "notes.txt", "Copy of README.md", "snapshot"])
def test_another_file_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_litter(name)
    (tmp_path / name).write_text("x")
    with pytest.raises(UsageError, match="not a clearml-snapshot dataset"), writing(tmp_path):
        pass


def test_what_plain_globs_read_is_a_problem_and_the_rest_a_note(snapshot: Path) -> None:
    for name in (*LITTER, *READ):
        (snapshot / "tasks" / name).write_text("x")
    report = verify(snapshot)
    read = [name for name in (*LITTER, *READ) if name.endswith(".parquet")]
    assert sorted(report.problems) == sorted(
        f"not listed in snapshot.json: tasks/{name}" for name in read
    )
    assert "ignored, as left by the system or a copying tool: " in report.notes[0]


def _zipped_by_finder(snapshot: Path, target: Path, *more: str) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("copy/", b"")
        for path in sorted(snapshot.rglob("*")):
            name = f"copy/{path.relative_to(snapshot).as_posix()}"
            archive.writestr(
                name + "/" * path.is_dir(), b"" if path.is_dir() else path.read_bytes()
            )
            archive.writestr(f"__MACOSX/copy/._{path.name}{path.parent.name}", b"x")
        for name in ("copy/.DS_Store", "copy/tasks/Thumbs.db", "copy/desktop.ini", *more):
            archive.writestr(name, b"x")
    return target


def test_an_archive_zipped_anew_opens_without_its_litter(snapshot: Path, tmp_path: Path) -> None:
    pack = _zipped_by_finder(snapshot, tmp_path / "a.zip")
    report = verify(pack)
    assert report.problems == ()
    assert "ignored, as left by the system or a copying tool: " in report.notes[-1]
    unpack(pack, tmp_path / "new")
    files = [
        {p.relative_to(r) for r in (f,) for p in r.rglob("*")} for f in (snapshot, tmp_path / "new")
    ]
    assert files[0] == files[1]


def test_a_folder_of_litter_is_free_and_keeps_it(snapshot: Path, tmp_path: Path) -> None:
    pack = _zipped_by_finder(snapshot, tmp_path / "a.zip")
    target = tmp_path / "new"
    (target / "@eaDir").mkdir(parents=True)
    (target / ".DS_Store").write_text("x")
    unpack(pack, target)
    assert verify(target).problems == ()
    assert (target / ".DS_Store").read_text() == "x"
    assert (target / "@eaDir").is_dir()
    with pytest.raises(UsageError, match="already exists"):
        unpack(pack, target)


@pytest.mark.parametrize("name", ["copy/notes.txt", "other/x", "copy/tasks/part (1).parquet"])
def test_an_archive_with_more_stays_refused(snapshot: Path, tmp_path: Path, name: str) -> None:
    pack = _zipped_by_finder(snapshot, tmp_path / "a.zip", name)
    with pytest.raises(DatasetError, match="not a file of a snapshot"):
        unpack(pack, tmp_path / "new")
    assert not (tmp_path / "new").exists()
