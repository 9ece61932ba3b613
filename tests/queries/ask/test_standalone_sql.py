"""``query NAME --show`` is what a bare DuckDB on ``open.sql`` understands, with the same answer."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import find, queries
from clearml_snapshot.queries.ask.standalone_sql import standalone

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


def team(make_dataset: MakeDataset) -> Path:
    def task(letter: str, value: float, **more: Any) -> dict[str, Any]:
        points = [("it's 🚀", "v", at, value + at) for at in range(4)]
        zeros = [("loss", "a/b", at, 0.0 if at == 2 else 5.0 + at) for at in range(5)]
        params = [{"section": "Args", "name": "lr", "value": "it's", "type": None}]
        return {"task_id": letter * 32, "points": points + zeros, "params": params, **more}

    return make_dataset(
        [task("a", 1.0, tags=["x"]), task("b", math.nan), task("c", 3.0, tags=["x", "y"])]
    )


def pasted(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Send the text as a person would: to a DuckDB that was started in the snapshot's folder."""
    root = (folder / "current").resolve()
    monkeypatch.chdir(root)
    with duckdb.connect() as bare:
        bare.execute((root / "open.sql").read_text())
        bare.execute(text)
        return bare.fetchall()


QUESTIONS: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("max", {"metric": "it's 🚀", "at": "loss"}),
    ("min", {"suspect_zeros": "exclude", "by": "task"}),
    ("last", {"top": 3}),
    ("leaderboard", {"metric": "loss", "best": "highest", "param": "lr", "last": 2}),
    ("group", {"metric": "loss", "best": "lowest", "by": ["param:lr", "tag"]}),
    ("compare", {"tasks": ["aa", "c"]}),
)
SOAKS: Final = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 asks with and without")


@pytest.mark.parametrize(
    ("name", "typed", "task_filter"),
    [
        pytest.param(*question, task_filter, marks=() if number % 2 == place else SOAKS)
        for number, question in enumerate(QUESTIONS)
        for place, task_filter in enumerate((None, TaskFilter(tags=("x",))))
    ],
)
def test_a_bare_duckdb_answers_the_same(
    make_dataset: MakeDataset,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    typed: Mapping[str, Any],
    task_filter: TaskFilter | None,
) -> None:
    folder = team(make_dataset)
    with open_dataset(folder, filter=task_filter) as dataset:
        values = dataset.bound(name, **typed)
        ids = [row[0] for row in dataset.rows(dataset.tasks()).rows]
        expected = dataset.sql(find(name).sql, values).fetchall()
    pasted_rows = pasted(
        folder, standalone(find(name), values, ids if task_filter else None), monkeypatch
    )
    assert str(pasted_rows) == str(expected)  # as text, in which NaN equals itself
    assert expected


@pytest.mark.parametrize("name", queries())
def test_every_query_can_be_pasted_before_anything_is_chosen(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = standalone(find(name), {"above": 1.0})  # first refuses to have no threshold
    assert "$" not in text.partition("USE asked")[2]
    pasted(make_dataset([]), text, monkeypatch)
