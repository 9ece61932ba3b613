"""Packs that are queried: unpacked once, as far as needed, in a cache."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import platformdirs
import pytest

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pack.cache import with_points
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.snapshots import hold
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset

Call = Callable[..., Any]

COUNT = "SELECT count(*) FROM scalars"


def cached() -> list[Path]:
    packs = Path(platformdirs.user_cache_dir("clearml-snapshot", appauthor=False)) / "packs"
    return sorted(packs.iterdir()) if packs.is_dir() else []


def test_a_pack_is_queried_like_a_dataset(pack: Path, data: Path) -> None:
    ask = "SELECT task_id, iteration, value FROM scalars ORDER BY ALL"
    with open_dataset(pack) as packed, open_dataset(data) as dataset:
        assert repr(packed).startswith(f"<Dataset {pack},")
        assert packed.tasks().fetchall() == dataset.tasks().fetchall()
        assert packed.sql(ask).fetchall() == dataset.sql(ask).fetchall()
        maxima = [data.query("max", metric="loss").fetchall() for data in (packed, dataset)]
    assert maxima[0] == maxima[1]


def test_points_are_unpacked_when_a_question_needs_them(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = cached()
        dataset.tasks().fetchall()
        assert not (folder / "scalars").exists()
        assert dataset.sql("DESCRIBE tasks").fetchall()
        assert not (folder / "scalars").exists()
        assert dataset.sql("SELECT count(*) FROM query_table('sca' || 'lars')").fetchall() == [(3,)]
        assert (folder / "scalars").is_dir()
    assert not (folder / "README.md").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM scalars",
        'FROM "main"."SCALARS"',
        "FROM files.scalars",
        "SELECT (SELECT max(value) FROM scalars) FROM tasks",
        "WITH points AS (FROM scalars) FROM points",
        "FROM suspects([0.0])",
        "FROM suspect_zeros",
        "FROM query('FROM sca' || 'lars')",
        "DESCRIBE scalars",
    ],
)
def test_a_statement_that_reads_points_unpacks_them(pack: Path, statement: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = cached()
        dataset.sql(statement).fetchall()
        assert (folder / "scalars").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM tasks WHERE name <> 'scalars' -- a query of suspect_zeros",
        "WITH scalars AS (SELECT 1) FROM scalars",
        "SELECT 1 AS scalars",
        "SELECT * FROM information_schema.columns",
        "FROM duckdb_views()",
        "SHOW ALL TABLES",
        "SELECT $value::INTEGER",
    ],
)
def test_a_statement_that_reads_no_points_unpacks_none(pack: Path, statement: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = cached()
        dataset.sql(statement, {"value": 1} if "$" in statement else None).fetchall()
        dataset.explain(statement.replace("$value", "1"))
        assert not (folder / "scalars").exists()


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("FROM scalar", "scalar does not exist"),
        ("SELECT nothing FROM tasks", "nothing"),
        ("FROM tasks WHERE", "syntax"),
    ],
)
def test_a_wrong_statement_unpacks_no_points(pack: Path, statement: str, wrong: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = cached()
        with pytest.raises(UsageError, match=wrong):
            dataset.sql(statement)
        assert not (folder / "scalars").exists()


def test_explain_unpacks_what_it_explains(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = cached()
        assert "READ_PARQUET" in dataset.explain("SELECT count(*) FROM scalars WHERE value > 0")
        assert (folder / "scalars").exists()


def test_points_that_are_still_packed_are_not_an_empty_table(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        behind = dataset._connection  # what no statement of a user reaches
        with pytest.raises(duckdb.CatalogException, match="still_in_the_pack"):
            behind.sql(COUNT).fetchall()


def test_a_pack_is_unpacked_once(pack: Path, tmp_path: Path) -> None:
    open_snapshot(pack)
    (folder,) = cached()
    first = {path: path.stat().st_ino for path in folder.rglob("*")}
    os.utime(folder, (0, 0))
    shutil.copy(pack, tmp_path / "copy.zip")
    snapshot = open_snapshot(tmp_path / "copy.zip")
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == first
    assert (snapshot.root, snapshot.location) == (folder, tmp_path / "copy.zip")
    assert time.time() - folder.stat().st_mtime < 1000


@pytest.mark.parametrize("table", ["tasks", "scalars", None])
def test_a_damaged_cache_is_made_again(pack: Path, table: str | None) -> None:
    snapshot = open_snapshot(pack)
    path = Path(snapshot.paths(table)[0]) if table else snapshot.root / "snapshot.json"
    path.unlink()
    again = open_snapshot(pack)
    assert again == snapshot
    assert path.is_file()
    assert cached() == [snapshot.root]


def test_a_cached_pack_is_removed_after_a_month_unless_it_is_read(
    pack: Path, data: Path, tmp_path: Path, commit: Call, line: Call
) -> None:
    held, unused = open_snapshot(pack), tmp_path / "cache/clearml-snapshot/packs/0123"
    shutil.copytree(held.root, unused)
    recent = shutil.copytree(unused, unused.with_name("4567"))
    abandoned = unused.with_name(".killed")
    abandoned.mkdir()
    month_ago = time.time() - 31 * 24 * 3600
    for folder in (held.root, unused, abandoned):
        os.utime(folder, (month_ago, month_ago))
    with writing(tmp_path / "other") as dataset:
        other = commit(dataset, {("t9", "p"): line("t9", [9.0])})
    with (tmp_path / "y.zip").open("wb") as stream:
        write_archive(stream, members(other.root))
    with hold(held):
        new = open_snapshot(tmp_path / "y.zip")
    assert cached() == sorted([held.root, recent, new.root])


_ASK = (
    "import sys; from clearml_snapshot.queries import open_dataset\n"
    "with open_dataset(sys.argv[1]) as d: print(d.sql('SELECT count(*) FROM scalars').fetchall())"
)


def test_two_processes_at_once(pack: Path) -> None:
    command = [sys.executable, "-c", _ASK, str(pack)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[0] for run in runs] == ["[(3,)]\n"] * 2
    assert len(cached()) == 1


def test_without_a_cache_there_is_a_temporary_one(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    environment = {
        "XDG_CACHE_HOME": str(tmp_path / "file" / "cache"),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    command = [sys.executable, "-c", _ASK, str(pack)]
    run = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[(3,)]\n"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("refused", ["mkdir", "utime", "rename"])
def test_a_cache_that_the_disk_refuses_is_reported_in_one_line(
    pack: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    open_snapshot(pack, points=False)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, refused, refuse)
    with pytest.raises(
        SnapshotError,
        match=r"cannot write .*: No space left.*; .*x\.zip cannot be opened; free some space",
    ):
        open_snapshot(pack)


def test_without_a_home_there_is_no_cache(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a folder named ~ would be made in the working folder."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/x")
    monkeypatch.chdir(pack.parent)
    open_snapshot(pack)
    assert not Path("~").exists()


def test_a_pack_that_changed_under_an_open_snapshot(
    pack: Path, tmp_path: Path, commit: Call, line: Call
) -> None:
    snapshot = open_snapshot(pack, points=False)
    with writing(tmp_path / "other") as dataset:
        other = commit(dataset, {("t9", "p"): line("t9", [9.0])})
    with pack.open("wb") as stream:
        write_archive(stream, members(other.root))
    with pytest.raises(DatasetError, match="has been replaced by another pack; open it again"):
        with_points(snapshot)
