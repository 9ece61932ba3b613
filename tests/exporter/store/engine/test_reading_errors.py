"""Stored files that cannot be read: one line names them, for every reader."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.reading_errors import readable
from tests.exporter.conftest import Home
from tests.support.bending import small_database

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_file_of_series_that_was_damaged(take_home: Callable[..., Home]) -> None:
    """DuckDB reads it when a changed task is taken; its size and name are as they were."""
    home = take_home(small_database())
    home.export()
    for path in (home.folder / "current" / "series").rglob("*.parquet"):
        content = bytearray(path.read_bytes())
        content[-20] ^= 0xFF
        path.write_bytes(content)
    task = next(iter(home.database.tasks))
    home.database.report(task, [{"metric": "loss", "variant": "train", "iter": 9, "value": 1.0}])
    with pytest.raises(DatasetError, match=r"is damaged .*; run clearml-snapshot verify"):
        home.export()


def test_a_text_that_is_not_utf8_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is damaged"), readable(tmp_path):
        b"\xff".decode()


def test_too_little_memory_is_not_called_damage(tmp_path: Path) -> None:
    sql = "SELECT count(*) FROM (SELECT DISTINCT hash(i) FROM range(1_000_000) t(i))"
    with (
        pytest.raises(SnapshotError, match=r"cannot be read: out of memory: failed to \w+ "),
        readable(tmp_path),
        engine(threads=1, memory_limit="2MB", temp_directory="") as connection,
    ):
        connection.execute(sql)
