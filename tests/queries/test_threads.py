"""One dataset, queried by several threads at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.diff.comparison import compare
from clearml_snapshot.queries.diff.model import Choice
from clearml_snapshot.queries.duckdb_errors import translated

MakeDataset = Callable[..., Path]


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    points = [("loss", "train", at, 1.0 / (1 + at)) for at in range(50)]
    return make_dataset([{"task_id": key * 32, "points": points} for key in "abc"])


def test_threads_query_at_once(folder: Path) -> None:
    """They start together, so that without connections of their own one would be refused."""
    ready = threading.Barrier(4)
    with open_dataset(folder, threads=1) as dataset:

        def ask(_: int) -> list[Any]:
            ready.wait()
            rows: list[Any] = [
                dataset.rows(dataset.query("max", metric="loss")).rows for _ in range(3)
            ]
            zone = dataset.sql("SELECT current_setting('TimeZone')").fetchall()
            return [*rows, zone, dataset.task_id("bb")]

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][-2:] == [[("UTC",)], "b" * 32]


def test_a_thread_is_as_confined(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with open_dataset(folder) as dataset, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: dataset.sql(f"FROM read_csv('{secret}')").fetchall())
        with pytest.raises(UsageError, match="only the views"):
            reading.result()


def test_after_the_end_a_thread_gets_an_error(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        with open_dataset(folder) as dataset:
            pool.submit(dataset.tasks).result()
        for _ in range(2):
            with pytest.raises(UsageError, match="closed"):
                pool.submit(dataset.sql, "SELECT 1").result()


def test_a_relation_that_another_thread_is_reading() -> None:
    busy = duckdb.Error("connection is busy with another call; it refuses instead of waiting")
    assert "one thread" in str(translated(busy))


def test_threads_compare_at_once(folder: Path) -> None:
    with compare(Choice(folder), Choice(folder)) as comparison, ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: comparison.summary.tasks_same, range(2)))
    assert counts == [3, 3]
