"""Hostile archives: none writes outside its target, crashes the program or leaves files behind."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.format.checksums import read_sums
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from tests.support.hostile_archives import ARCHIVES, Files, deflated, zipped
from tests.support.hostile_contents import CONTENTS, listed, with_header

Call = Callable[..., Any]

HOSTILE = {**ARCHIVES, **CONTENTS}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Files:
    """The files of a snapshot, by path."""
    data = tmp_path_factory.mktemp("files") / "data"
    with writing(data) as dataset:
        root = commit(dataset, {("t1", "p"): line("t1", [1.0, 2.0])}).root
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that could be reached: the cache, and where things are unpacked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    (tmp_path / "home" / "cache" / "clearml-snapshot" / "packs").mkdir(parents=True)
    return tmp_path / "home"


def _everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def _unpacked(path: Path, home: Path) -> Iterator[str]:
    unpack(path, home / "q3")
    yield from ()


def _verified(path: Path, _: Path) -> Iterator[str]:
    yield from verify(path).problems


def _queried(path: Path, _: Path) -> Iterator[str]:
    with open_dataset(path) as dataset:
        dataset.sql("SELECT count(*) FROM scalars").fetchall()
    yield from ()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, files: Files, home: Path) -> None:
    path = home / "x.zip"
    path.write_bytes(HOSTILE[name](files))
    before = _everything(home.parent)
    for use in (_unpacked, _verified, _queried):
        try:
            problems = list(use(path, home))
        except SnapshotError as error:
            problems = [str(error)]
            assert str(path) in problems[0]
        assert problems, use
        assert not any("\n" in problem for problem in problems)
        assert _everything(home.parent) == before, use


def test_the_archive_that_they_are_made_of_is_intact(files: Files, home: Path) -> None:
    path = home / "x.zip"
    path.write_bytes(zipped(files))
    assert read_sums(files["SHA256SUMS"]) == read_sums(listed(files)["SHA256SUMS"])
    assert list(_verified(path, home)) == []
    for use in (_unpacked, _queried):
        list(use(path, home))
    path.write_bytes(deflated("README.md", lambda pressed: pressed)(files))
    assert list(_verified(path, home)) == []
    path.write_bytes(with_header(lambda header: header.update(selections=None))(files))
    assert list(_verified(path, home)) == []


@pytest.mark.parametrize(
    "selections",
    [
        [None],
        ["--all"],
        [{"filter": 1}],
        [{"metrics": None}],
        [{"matched": "many"}],
        [{"matched": 10**30}],
        [{"matched": [1]}],
    ],
)
def test_selections_of_any_shape(
    selections: Any, files: Files, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "x.zip"
    path.write_bytes(with_header(lambda header: header.update(selections=selections))(files))
    for command in ("status", "selections"):
        assert main([command, "--data", str(path)]) == 5
        assert "snapshot.json is damaged" in capsys.readouterr().err


_PEAK = """
import resource, sys
from pathlib import Path
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.untrusted.parquet_footer import footer_problem
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.verify.verify import verify
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        unpack(path, path.with_suffix(""))
        print("unpacked", path)
    except SnapshotError:
        pass
    if not verify(path).problems:
        print("whole", path)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_bombs_take_no_memory(files: Files, home: Path) -> None:
    names = [
        "a bomb",
        "longer than declared",
        "pages larger than their footer declares",
        "an exabyte",
        "a directory of exabytes",
        "millions of files",
        "snapshot.json with values by the million",
    ]
    paths = [home / f"{at}.zip" for at in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(HOSTILE[name](files))
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    (megabytes,) = run.stdout.split()
    assert int(megabytes) < 100
