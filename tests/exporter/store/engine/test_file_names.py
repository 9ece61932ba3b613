"""Names of folders that DuckDB, or pyarrow, would read as patterns, partitions or addresses."""

import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem
from pyarrow.parquet import write_table

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.engine import file_names as module
from clearml_snapshot.exporter.store.engine.file_names import is_pattern, literal, literals, spelt

BESIDE = ("run1", "runx", "aab", "x", "b1", "A")
"""Folders that the patterns among the names below would find."""

NAMES = (
    *("run[1]", "run?", "a*b", "{x,y}", "**", "[]]", "[!a]", "run[", "b\\[1]", "b\\1", "x\\"),
    *("me=loss", "lr=0.1", "project_id=zz", "task_id=1", "=", "a==b"),
    *("a b", "it's", 'q"x', "%41", "#", "?", "~", "-x", "n\nl", "ünï😀", "a:b", "s3:", "$x", "`x`"),
)


def _written(folder: Path, name: str) -> Path:
    partition = folder / name / "scalars" / "project_id=7"
    partition.mkdir(parents=True)
    path = partition / "part.parquet"
    write_table(pa.table({"me": [name]}), str(path), filesystem=LocalFileSystem())
    return path


def _read(name: str) -> list[tuple[str, ...]]:
    sql = "SELECT * FROM read_parquet($1, hive_partitioning = true, hive_types_autocast = false)"
    with duckdb.connect() as connection:
        return connection.execute(sql, [[name]]).fetchall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    for name in BESIDE:
        _written(folder, name)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_duckdb_reads_the_file_that_is_meant(folder: Path, name: str) -> None:
    assert _read(literal(_written(folder, name))) == [(name, "7")]


def test_a_usual_path_is_itself_and_a_relative_one_is_not_of_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = f"{tmp_path}/snapshots/000001/scalars/project_id=a%2Ab/part-1.parquet"
    assert literals([usual]) == [usual]
    monkeypatch.chdir(tmp_path)
    _written(tmp_path, "~")
    assert literal("~/x") == f"{tmp_path}/~/x"


def test_a_folder_that_took_the_place_of_another_is_read(tmp_path: Path) -> None:
    first = _written(tmp_path, "run[1]")
    before = literal(first)
    (tmp_path / "run[1]").rename(tmp_path / "old")
    second = _written(tmp_path, "run[1]")
    assert literal(second) != before
    assert _read(literal(second)) == [("run[1]", "7")]


def test_messages_name_the_folder_itself(tmp_path: Path) -> None:
    path = tmp_path / "run[1]" / "part.parquet"
    path.parent.mkdir()
    with pytest.raises(duckdb.IOException) as caught:
        _read(literal(path))
    assert str(path) in spelt(str(caught.value))


def test_links_serve_where_descriptors_have_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_descriptor_of", lambda folder: None)
    assert _read(literal(_written(tmp_path, "lr=[1]"))) == [("lr=[1]", "7")]
    (tmp_path / "*").mkdir()
    monkeypatch.setattr(module, "_links", lambda: str(tmp_path / "*"))
    with pytest.raises(SnapshotError, match="its name contains one of"):
        literal(_written(tmp_path, "run[2]"))


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    write_table(pa.table({"me": [1]}), tmp_path / "part.parquet")
    (tmp_path / "part.parquet").rename(folder / "part.parquet")
    with duckdb.connect() as connection:
        sql = "SELECT me FROM read_parquet($1)"
        assert connection.execute(sql, [literal(folder / "part.parquet")]).fetchall() == [(1,)]


def test_what_a_user_would_write_as_a_pattern() -> None:
    assert [is_pattern(text) for text in ("a[1]", "a=1", "a")] == [True, False, False]
