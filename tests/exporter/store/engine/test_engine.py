"""DuckDB is started once, and nothing of one use is left for the next."""

import math
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.store.engine import engine as module
from clearml_snapshot.exporter.store.engine.engine import engine


def _ask(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [value for (value,) in connection.execute(sql).fetchall()]


def _is_fresh(**options: Any) -> bool:
    """Whether the next one has just been started: what is set for all of it stays with it."""
    with engine(memory_limit="77MB", **options) as connection:
        (depth,) = _ask(connection, "SELECT current_setting('index_scan_max_count')")
        connection.execute("SET GLOBAL index_scan_max_count = 4711")
    return bool(depth != 4711)


def test_tables_views_and_settings_end_with_the_block() -> None:
    with engine(threads=1) as first:
        first.execute("SET TimeZone = 'Asia/Tokyo'")
        first.execute("CREATE TABLE left_over AS SELECT 1 AS a")
        first.table("left_over").create_view("seen")
    with engine(threads=1) as second:
        assert _ask(second, "SELECT table_name FROM duckdb_tables()") == []
        assert _ask(second, "SELECT view_name FROM duckdb_views() WHERE NOT internal") == []
        assert _ask(second, "SELECT current_setting('TimeZone')") == ["UTC"]


def test_two_at_once_have_one_each() -> None:
    with engine(threads=1) as first, engine(threads=1) as second:
        first.execute("CREATE TABLE mine AS SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            second.execute("FROM mine")


def test_one_that_did_its_work_is_used_again(tmp_path: Path) -> None:
    assert _is_fresh()
    assert not _is_fresh()
    assert _is_fresh(spill=tmp_path / "spill"), "the others have a folder that may be gone"
    assert not _is_fresh(spill=tmp_path / "another"), "the first was not needed"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long for anything."""
    monkeypatch.setattr(module, "_SHORT", math.inf)


def test_one_that_worked_for_long_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    _is_fresh(threads=1)
    monkeypatch.setattr(module, "_SHORT", 0)
    _is_fresh(threads=1)
    assert _is_fresh(threads=1)


def test_a_busy_machine_is_not_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = SimpleNamespace(process_time=lambda: 1.0, monotonic=count(step=60).__next__)
    monkeypatch.setattr(module, "_SHORT", 0.2)
    monkeypatch.setattr(module, "time", minutes)
    _is_fresh(threads=1)
    assert not _is_fresh(threads=1)


def test_one_that_failed_or_spilled_is_not(tmp_path: Path) -> None:
    _is_fresh(threads=1)
    with pytest.raises(duckdb.ParserException), engine(memory_limit="77MB", threads=1) as broken:
        broken.execute("SELEC 1")
    assert _is_fresh(threads=1)
    for name in ("first", "second"):
        spill = tmp_path / name
        assert _is_fresh(spill=spill, threads=1)
        with engine(spill=spill, memory_limit="77MB", threads=1) as small:
            small.execute("CREATE TABLE large AS SELECT hash(i) AS h FROM range(12_000_000) t(i)")
            assert spill.exists(), "it was too little"
