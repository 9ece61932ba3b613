"""``sql`` joins tables of the caller that are handed in by name."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.queries import Dataset, open_dataset
from tests.queries.conftest import MakeDataset

pd: Any = import_module("pandas")  # it brings no types

LABELS: Final = {"task_id": ["a" * 32, "c" * 32], "label": ["first", "third"]}
JOINED: Final = (
    "SELECT label, count(*) FROM scalars JOIN labels USING (task_id) GROUP BY ALL ORDER BY 1"
)
ANSWER: Final = [("first", 4), ("third", 4)]


@pytest.fixture(scope="module")
def folder(written: MakeDataset) -> Path:
    points = [("loss", "train", at, 1.0 / (1 + at)) for at in range(4)]
    return written([{"task_id": key * 32, "points": points} for key in "abc"])


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Iterator[Dataset]:
    with open_dataset(folder, threads=1) as opened:
        yield opened


class Stream:
    """Has the interface of Arrow, and nothing else."""

    def __init__(self, reader: Callable[[], pa.RecordBatchReader]) -> None:
        self.reader = reader

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader: Any = self.reader()
        return reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "make",
    [
        pa.table,
        pd.DataFrame,
        pl.DataFrame,
        lambda labels: pa.table(labels).to_reader(),
        lambda labels: Stream(pa.table(labels).to_reader),
    ],
    ids=["arrow", "pandas", "polars", "reader", "stream"],
)
def test_a_frame_is_joined_and_the_relation_can_be_read_again(
    dataset: Dataset, make: Callable[[Any], Any]
) -> None:
    """A reader gives its rows only once, and an answer without them would look true."""
    relation = dataset.sql(JOINED, tables={"labels": make(LABELS)})
    assert relation.fetchall() == relation.fetchall() == ANSWER
    assert list(dataset.rows(relation).rows) == ANSWER
    assert [*dataset.result(relation).plain_rows()] == ANSWER
    assert pa.table(relation).column(0).to_pylist() == LABELS["label"]
    assert relation.filter("label = 'third'").fetchall() == ANSWER[1:]


@pytest.mark.parametrize(
    ("statement", "tables", "end"),
    [
        ("FROM frame", {}, "frame does not exist! (line 1, at 'frame'); TELLS 'frame': …}`"),
        (
            "FROM df",
            {"other": pa.table(LABELS)},
            "df does not exist! (line 1, at 'df'); TELLS 'df': …}`",
        ),
        ("FROM pg_x", {}, "pg_x does not exist! (line 1, at 'pg_x'); TELLS 'pg_x': …}`"),
        ('FROM "my frame"', {}, "; TELLS 'name': …}`"),
        (
            "FROM scalers",
            {},
            "Did you mean \"scalars\"? (line 1, at 'scalers'); TELLS 'scalers': …}`",
        ),
    ],
)
def test_an_unknown_table_may_be_one_of_the_caller(
    dataset: Dataset, statement: str, tables: dict[str, Any], end: str
) -> None:
    """DuckDB suggests tables of its own, such as pg_namespace."""
    with pytest.raises(UsageError) as refused:
        dataset.sql(statement, tables=tables)
    tells = "a table of your own is read with `tables={"
    assert end.replace("TELLS ", tells) in str(refused.value)
    assert 'Did you mean "pg_' not in str(refused.value)


def test_on_the_command_line_the_tables_are_listed(dataset: Dataset) -> None:
    known = "the tables are tasks, hyperparams, series, scalars, exports"
    with naming_options():
        with pytest.raises(
            UsageError, match=rf"frame does not exist! \(line 1, at 'frame'\); {known}$"
        ):
            dataset.sql("FROM frame")
        with pytest.raises(UsageError, match=r'Did you mean "scalars"\? \(line [^;]*$'):
            dataset.sql("FROM scalers")


def test_frames_are_joined_with_parameters_and_each_other(dataset: Dataset) -> None:
    more = pl.DataFrame({"label": ["third"], "rank": [3]})
    relation = dataset.sql(
        "SELECT rank, count(*) FROM scalars JOIN labels USING (task_id) JOIN Ranks USING (label) "
        "WHERE iteration < $most GROUP BY ALL",
        {"most": 2},
        tables={"labels": pa.table(LABELS), "ranks": more},
    )
    assert relation.fetchall() == [(3, 2)]


def test_a_later_change_of_a_frame_does_not_change_an_answer(dataset: Dataset) -> None:
    frame = pd.DataFrame(LABELS)
    relation = dataset.sql(JOINED, tables={"labels": frame})
    frame["label"] = "changed"
    del frame
    gc.collect()
    assert relation.fetchall() == ANSWER


def test_two_answers_may_use_one_name(dataset: Dataset) -> None:
    others = {**LABELS, "label": ["x", "y"]}
    first = dataset.sql(JOINED, tables={"labels": pa.table(LABELS)})
    second = dataset.sql(JOINED, tables={"labels": pa.table(others)})
    assert first.fetchall() == ANSWER
    assert second.fetchall() == [("x", 4), ("y", 4)]


def test_a_frame_ends_with_its_last_relation(dataset: Dataset) -> None:
    relation = dataset.sql(JOINED, tables={"labels": pa.table(LABELS)})
    narrower = relation.limit(1)
    del relation
    gc.collect()
    assert narrower.fetchall() == ANSWER[:1]
    assert len(dataset._cursors.beside_here) == 1
    del narrower
    gc.collect()
    assert len(dataset._cursors.beside_here) == 0
    with pytest.raises(UsageError, match="labels does not exist"):
        dataset.sql(JOINED)


def test_no_variable_of_the_caller_is_read(dataset: Dataset) -> None:
    labels = other = pa.table(LABELS)
    with pytest.raises(UsageError, match="labels does not exist"):
        dataset.sql(JOINED)
    with pytest.raises(UsageError, match="other does not exist"):
        dataset.sql("FROM other", tables={"labels": labels})
    assert other is labels


def test_threads_hand_in_frames_at_once(folder: Path) -> None:
    """Each its own under one name; they start together."""
    ready = threading.Barrier(4)
    with open_dataset(folder, threads=1) as dataset:

        def ask(number: int) -> list[Any]:
            frame = pl.DataFrame({"task_id": ["b" * 32], "label": [number]})
            ready.wait()
            answers = [dataset.sql(JOINED, tables={"labels": frame}).fetchall() for _ in range(3)]
            return [*answers, dataset.sql("SELECT count(*) FROM tasks").fetchall()]

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(4)))
    assert answers == [[[(number, 4)]] * 3 + [[(3,)]] for number in range(4)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tasks", "taken"),
        ("Scalars", "taken"),
        ("best", "taken"),  # a view of views.sql
        ("suspects", "taken"),  # a macro of it
        ("picked", "taken"),  # a schema
        ("main", "taken"),
        ("temp", "taken"),
        ("pg_tables", "taken"),
        ("my-labels", "not a plain name"),
        ("a b", "not a plain name"),
        ('"tasks"', "not a plain name"),
        ("picked.tasks", "not a plain name"),
        ("täsks", "not a plain name"),
        ("", "not a plain name"),
        (5, "not a plain name"),
    ],
)
def test_a_name_that_means_something_else_is_refused(dataset: Dataset, name: Any, why: str) -> None:
    with pytest.raises(UsageError, match=f"^`tables`: .*{why}"):
        dataset.sql("SELECT 1", tables={name: pa.table(LABELS)})
    assert dataset.sql("SELECT count(*) FROM tasks").fetchall() == [(3,)]


def test_a_name_may_be_given_once_in_either_case(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="the name 'LABELS' is taken"):
        dataset.sql("SELECT 1", tables={"labels": pa.table(LABELS), "LABELS": pa.table(LABELS)})


@pytest.mark.parametrize(
    "frame", [LABELS, "/etc/hostname", None, 5, [LABELS], pd.DataFrame, pl.LazyFrame(LABELS)]
)
def test_what_is_no_frame_is_refused(dataset: Dataset, frame: Any) -> None:
    with pytest.raises(UsageError, match=r"^`tables`: 'labels' is of type .*; give a DataFrame"):
        dataset.sql("SELECT 1", tables={"labels": frame})


def test_one_frame_needs_a_name(dataset: Dataset) -> None:
    frame: Any = pd.DataFrame(LABELS)
    with pytest.raises(UsageError, match="give a dict of frames by name, not a DataFrame"):
        dataset.sql("SELECT 1", tables=frame)


def test_a_frame_that_cannot_be_read_is_reported_in_one_line(dataset: Dataset) -> None:
    def broken() -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.table(LABELS).to_batches()[0]
            raise ValueError("the rest is missing")

        return pa.RecordBatchReader.from_batches(pa.table(LABELS).schema, batches())

    with pytest.raises(
        UsageError, match=r"^`tables`: cannot read 'labels': .*rest is missing"
    ) as it:
        dataset.sql("SELECT 1", tables={"labels": Stream(broken)})
    assert "Traceback" not in str(it.value)


def test_what_reads_frames_is_as_confined(dataset: Dataset, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(UsageError, match="only the views"):
        dataset.sql(f"FROM read_csv('{secret}'), labels", tables={"labels": pa.table(LABELS)})
    with pytest.raises(UsageError, match=r"DELETE is not allowed"):
        dataset.sql("DELETE FROM labels", tables={"labels": pa.table(LABELS)})


def test_an_error_in_the_statement_is_located(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match=r"\(line 1, at 'labl, label"):
        dataset.sql("SELECT 1, labl, label FROM labels", tables={"labels": pa.table(LABELS)})


def test_a_limit_of_time_also_ends_an_answer_with_frames(dataset: Dataset) -> None:
    frame = pa.table({"n": range(100_000)})
    slow = "SELECT sum(sin(a.n * b.n * c.n)) FROM numbers a, numbers b, numbers c"
    relation = dataset.sql(slow, tables={"numbers": frame})
    with pytest.raises(SnapshotError, match="took longer than"), dataset.ending_after(0.1):
        dataset.rows(relation)


def test_after_the_end_a_relation_with_frames_is_closed(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        relation = dataset.sql(JOINED, tables={"labels": pa.table(LABELS)})
    with pytest.raises(Exception, match="closed"):
        relation.fetchall()
