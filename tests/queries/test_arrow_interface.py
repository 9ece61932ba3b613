"""Answers offer the Arrow PyCapsule interface, so that any library of frames reads them."""

import math
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from tests.queries.conftest import MakeDataset

pd: Any = import_module("pandas")  # it brings no types

SQL = "SELECT iteration, value FROM scalars WHERE task_id = repeat('a', 32) ORDER BY iteration"
VALUES = [0.1, math.nan, math.inf, 5e-324]


@pytest.fixture(scope="module")
def dataset(written: MakeDataset) -> Iterator[Dataset]:
    points = [("loss", "train", at, value) for at, value in enumerate(VALUES)]
    folder: Path = written([{"task_id": key * 32, "points": points} for key in "ab"])
    with open_dataset(folder, threads=1) as opened:
        yield opened


def answers(dataset: Dataset) -> dict[str, Any]:
    return {
        "sql": dataset.sql("SELECT * FROM tasks ORDER BY task_id"),
        "query": dataset.query("max", metric="loss"),
        "answer": dataset.answer("max", metric="loss"),
        "tasks": dataset.tasks(),
    }


@pytest.mark.parametrize("kind", ["sql", "query", "answer", "tasks"])
def test_every_library_reads_an_answer(dataset: Dataset, kind: str) -> None:
    answer = answers(dataset)[kind]
    relation = getattr(answer, "relation", answer)
    columns, rows = relation.columns, dataset.rows(relation).rows
    table = pa.table(answer)
    assert table.column_names == columns
    assert table.num_rows == len(rows) > 0
    at = columns.index("task_id")
    ids = [row[at] for row in rows]
    assert table["task_id"].to_pylist() == ids
    assert pl.DataFrame(answer)["task_id"].to_list() == ids
    assert pd.DataFrame.from_arrow(answer)["task_id"].to_list() == ids


def test_the_numbers_are_those_that_are_stored(dataset: Dataset) -> None:
    relation = dataset.sql(SQL)
    for read in (
        pa.table(relation)["value"].to_pylist(),
        pl.DataFrame(relation)["value"].to_list(),
    ):
        assert list(map(repr, read)) == list(map(repr, VALUES))


def test_a_stream_is_made_again_for_each_reader(dataset: Dataset) -> None:
    answer = dataset.answer("max", metric="loss")
    assert pa.table(answer) == pa.table(answer) == pa.table(answer.relation)


def test_a_schema_may_be_requested(dataset: Dataset) -> None:
    """The protocol has it as an argument, which a producer may ignore."""
    schema = pa.table(dataset.answer("max", metric="loss")).schema
    again = pa.RecordBatchReader.from_stream(dataset.answer("max", metric="loss"), schema=schema)
    assert again.schema == schema


def test_one_stream_is_read_at_a_time(dataset: Dataset) -> None:
    stream = pa.RecordBatchReader.from_stream(dataset.sql("FROM range(100000)"))
    with pytest.raises(UsageError, match="an earlier answer is still open in this thread"):
        pa.table(dataset.answer("max", metric="loss"))
    assert sum(batch.num_rows for batch in stream) == 100_000
    assert pa.table(dataset.answer("max", metric="loss")).num_rows == 1


def test_an_answer_is_joined_by_name(dataset: Dataset) -> None:
    best = dataset.answer("max", metric="loss")
    joined = dataset.sql(
        "SELECT count(*) FROM tasks JOIN best_loss USING (task_id)", tables={"best_loss": best}
    )
    assert joined.fetchall() == [(1,)]
