"""What holds for every query of the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import queries
from tests.support.nasty import nasty

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

NEEDED: Mapping[str, Mapping[str, Any]] = {"first": {"above": 0.5}}
"""What a query cannot be asked without."""
OURS = ("metrics", "tasks", "params", "stats", "first", "curve", "changes", "gone")


@pytest.mark.parametrize("name", OURS)
def test_an_empty_dataset_has_columns_and_no_rows(make_dataset: MakeDataset, name: str) -> None:
    with open_dataset(make_dataset([])) as dataset:
        answer = dataset.rows(dataset.query(name, **NEEDED.get(name, {})))
    assert answer.rows == ()
    assert answer.columns


@pytest.mark.parametrize("name", OURS)
def test_an_answer_comes_in_the_same_order_each_time(make_dataset: MakeDataset, name: str) -> None:
    tasks = nasty()
    answers: list[str] = []
    for order in (tasks, tasks[::-1]):
        with open_dataset(make_dataset(order), threads=len(answers) + 1) as dataset:
            answers.append(repr(dataset.rows(dataset.query(name, **NEEDED.get(name, {})))))
    assert answers[0] == answers[1]
    assert "1" * 32 in answers[0] or name in ("metrics", "params", "gone")


@pytest.mark.parametrize("name", OURS)
def test_help_tells_the_header_and_show_the_sql(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    query = queries()[name]
    assert main(["query", name, "--help"]) == 0
    told = capfd.readouterr().out
    assert query.title.split()[0] in told
    for param in query.params:
        assert f"--{param.name.split('_')[0]}" in told
    assert main(["query", name, "--show"]) == 0
    assert query.title in capfd.readouterr().out
    assert len(duckdb.extract_statements(query.sql)) == 1
