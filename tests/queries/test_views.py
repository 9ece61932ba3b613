"""The views and macros of both ``views.sql``, each created when a statement needs it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.definitions import all_views, definitions, needed

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    points = [("loss", "train", at, 0.0 if at == 12 else 5.0 + at / 100) for at in range(20)]
    return make_dataset([{"task_id": "a" * 32, "points": points}])


def created(dataset: Dataset) -> set[str]:
    """Name what is there, without a statement that creates it."""
    found = dataset._connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE NOT internal UNION "
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'"
    )
    return {name for (name,) in found.fetchall()} & definitions().keys()


def test_the_file_is_divided_as_duckdb_divides_it() -> None:
    with duckdb.connect() as connection:
        statements = connection.extract_statements(all_views())
    assert "".join("".join(definitions().values()).split()) == "".join(
        "".join(statement.query.split()) for statement in statements
    )
    assert len(definitions()) == len(statements)


def test_each_is_created_with_exactly_what_it_needs(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        tables = created(dataset)
    assert {"tasks", "scalars"} <= tables < definitions().keys()
    for name in definitions().keys() - tables:
        with open_dataset(folder) as dataset:
            dataset._views.create_for(name, dataset._connection)
            assert created(dataset) == {*needed(name)} | tables
            assert name in needed(name)


def test_a_short_question_creates_no_search_for_suspect_zeros(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        dataset.query("max", metric="loss").fetchall()
        assert "ranked_tasks" in created(dataset)
        assert {"suspects", "suspect_zeros", "ema", "series_as_asked"}.isdisjoint(created(dataset))


def test_words_of_a_comment_create_nothing(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        before = created(dataset)
        comment = "  -- show or describe suspect_zeros, as in information_schema.tables\n"
        assert dataset.sql(f"{comment}SELECT 1").fetchall() == [(1,)]
        assert created(dataset) == before
        assert dataset.answer("min", metric="loss").notes
        assert before < created(dataset) < definitions().keys()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM suspect_zeros",
        "SELECT count(*) FROM Main.SUSPECT_ZEROS",
        "SELECT count(*) FROM suspects([0.0])",
        "SELECT count(*) FROM query_table('suspect' || '_zeros')",
        "SELECT [5.0].ema(0.6) IS NOT NULL::BIGINT",
        "SELECT count(*) FROM duckdb_functions() WHERE function_name = 'repeatable_std'",
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'suspect_zeros'",
        "SELECT count(*) FROM (SHOW TABLES) WHERE name = 'suspect_zeros'",
        "-- tasks\nSELECT least(1, count(*)) FROM tasks",
    ],
)
def test_a_statement_sees_all_of_them(folder: Path, statement: str) -> None:
    with open_dataset(folder) as dataset:
        assert dataset.sql(statement).fetchall() == [(1,)]
        assert dataset.explain(statement)


def test_what_does_not_exist_is_refused_with_similar_names_of_all(folder: Path) -> None:
    with open_dataset(folder) as dataset, pytest.raises(UsageError, match="suspect_zeros"):
        dataset.sql("FROM suspect_zero")


def test_an_answer_that_is_being_read_does_not_end_when_others_are_created(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        rows = dataset.result(dataset.sql("SELECT range AS n FROM range(100_000)")).plain_rows()
        first = next(rows)
        with ThreadPoolExecutor(1) as other:
            other.submit(lambda: dataset.sql("FROM suspect_zeros").fetchall()).result()
        assert [first, *rows] == [(n,) for n in range(100_000)]


def test_threads_may_need_the_same_ones_at_once(folder: Path) -> None:
    with open_dataset(folder) as dataset, ThreadPoolExecutor(8) as threads:
        statement = "SELECT repeatable_mean([1.0, 3.0]), (SELECT count(*) FROM suspect_zeros)"
        answers = threads.map(lambda _: dataset.sql(statement).fetchall(), range(8))
        assert list(answers) == [[(2.0, 1)]] * 8
