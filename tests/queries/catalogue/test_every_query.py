"""What holds for every query of the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import queries
from tests.support.catalogue import NEEDED
from tests.support.nasty import nasty

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

QUERIES = sorted(queries())


def arguments(name: str) -> dict[str, Any]:
    """Return what a query of the history ``nasty`` cannot be run without."""
    compared = {"tasks": ["1" * 32, "2" * 32]} if name == "compare" else {}
    return {**NEEDED.get(name, {}), **compared}


def _names_something(name: str) -> bool:
    """Return whether a query needs a metric or task by name; an empty dataset has none."""
    return any(p.name in ("metric", "tasks") and not p.optional for p in queries()[name].params)


@pytest.mark.parametrize("name", [name for name in QUERIES if not _names_something(name)])
def test_an_empty_dataset_has_columns_and_no_rows(make_dataset: MakeDataset, name: str) -> None:
    with open_dataset(make_dataset([])) as dataset:
        answer = dataset.rows(dataset.query(name, **arguments(name)))
    assert answer.rows == ()
    assert answer.columns


@pytest.mark.parametrize("name", QUERIES)
def test_an_answer_comes_in_the_same_order_each_time(make_dataset: MakeDataset, name: str) -> None:
    tasks = nasty()
    answers: list[str] = []
    for order in (tasks, tasks[::-1]):
        with open_dataset(make_dataset(order), threads=len(answers) + 1) as dataset:
            answers.append(repr(dataset.rows(dataset.query(name, **arguments(name)))))
    assert answers[0] == answers[1]
    assert answers[0].count("(") > 1 or name in ("gone", "health")


@pytest.mark.parametrize("name", QUERIES)
def test_help_prints_the_header_and_show_the_sql(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    query = queries()[name]
    assert main(["query", name, "--help"]) == 0
    stdout = capfd.readouterr().out
    assert query.title.split()[0] in stdout
    for param in query.params:
        is_argument = f"[{param.name.removesuffix('s').upper()}...]" in stdout
        assert f"--{param.name.split('_')[0]}" in stdout or is_argument
    assert main(["query", name, "--show"]) == 0
    assert query.title in capfd.readouterr().out
    assert len(duckdb.extract_statements(query.sql)) == 1
