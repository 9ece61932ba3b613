"""Every answer with aliases has the bytes of the answer to points stored under the new names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import queries
from clearml_snapshot.queries.shards.divide import parts_of
from tests.bench.repeat import FURTHER
from tests.support.catalogue import NEEDED
from tests.support.nasty import nasty
from tests.support.parts import as_csv, in_parts
from tests.support.renamed import aliases_file, as_stored

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture(scope="module")
def both(
    written: MakeDataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Dataset, Dataset]]:
    """The points as they are stored, with aliases; and stored under the new names."""
    file = aliases_file(tmp_path_factory.mktemp("aliases"))
    with (
        open_dataset(written(as_stored(nasty())), aliases=file, threads=1) as renamed,
        open_dataset(written(nasty()), threads=1) as plain,
    ):
        yield renamed, plain


def arguments(name: str) -> list[dict[str, Any]]:
    compared = {"tasks": ["1" * 32, "2" * 32]} if name == "compare" else {}
    few = [{**NEEDED.get(name, {}), **compared}]
    more = [dict(one) for one in FURTHER.get(name, ())[-2:]]
    for one in more:
        one.update({"metric": "acc"} if one.get("metric") == "accuracy" else {})
        one.update({"also": "acc"} if one.get("also") == "accuracy" else {})
        one.update({"by_all_except": "Args/seed"} if "by_all_except" in one else {})
    every = {"all_metrics": True}
    takes_all = any(param.name == "all_metrics" for param in queries()[name].params)
    return [*few, *more, *([{**few[0], **every}] if takes_all else [])]


@pytest.mark.parametrize("name", sorted(queries()))
def test_the_bytes_are_those_of_the_new_names(both: tuple[Dataset, Dataset], name: str) -> None:
    renamed, plain = both
    query = queries()[name]
    arguments_of = arguments(name)
    for options in arguments_of:
        values = renamed.bound(query, **options)
        assert values == plain.bound(query, **options)
        answers = [as_csv(data.result(data.shaped(query, values).relation)) for data in both]
        assert answers[0] == answers[1], options
        if options is arguments_of[0]:  # all options of a query are divided alike
            assert in_parts(renamed, query, values, 20) in (answers[1], None), options
            assert parts_of(renamed, query, values, 20) == parts_of(plain, query, values, 20)


@pytest.mark.parametrize("table", ["series", "scalars", "tasks", "best"])
def test_sql_sees_the_new_names(both: tuple[Dataset, Dataset], table: str) -> None:
    renamed, plain = (as_csv(data.result(data.sql(f"FROM {table} ORDER BY ALL"))) for data in both)
    assert renamed == plain


def test_the_names_are_the_new_ones(both: tuple[Dataset, Dataset]) -> None:
    assert both[0].series_names == both[1].series_names
    with open_dataset(both[0].snapshot.root) as stored:
        assert stored.series_names.keys() - both[0].series_names.keys()
