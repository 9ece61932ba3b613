"""``value_number``: the number beside the text of a hyperparameter, as --where decides it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.selection.condition import is_number
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.definitions import definitions

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

NUMBERS: dict[str | None, float | None] = {
    "5": 5.0,
    "-0": 0.0,
    "007": 7.0,
    "5.": 5.0,
    ".5": 0.5,
    "+.5e+01": 5.0,
    " 5 ": 5.0,
    "5\n": 5.0,
    "\t5\r\n": 5.0,
    "\x1f5\x85": 5.0,
    "\xa0-5\u3000": -5.0,
    "1e-3": 0.001,
    "1E+0003": 1000.0,
    "3.1622776601683795e-05": 3.1622776601683795e-05,
    "0.30000000000000004": 0.30000000000000004,
    "12345678901234567": 12345678901234568.0,
    "9007199254740993": 9007199254740992.0,
    "000000000000000000001": 1.0,
    "1" + "0" * 308: 1e308,
    "0" * 999 + "1": 1.0,
    "2.2250738585072011e-308": 2.225073858507201e-308,
    "5e-324": 5e-324,
    "1e-9999": 0.0,
    "1.7976931348623157e308": 1.7976931348623157e308,
}
TEXTS = [
    *("", " ", "x", "true", "True", "None", "null", "NaN", "nan", "1_000", "1,5", "1 000", "0x10"),
    *("--5", "5-", "+", ".", "e5", "1e", "1e+", "1e00005", "5\x00", "\x005", "\u0665", "\u00b2"),
    *("\uff15", "5\u200b", "\ufeff5", "1/2", "5%", "5f", "[5]", "0" * 1000 + "1", "5\n5", "'5'"),
]
BEYOND: dict[str | None, int] = {
    "1e999": 1,
    "-1e309": -1,
    "1" + "0" * 309: 1,
    "inf": 1,
    "-Infinity": -1,
    " +INF": 1,
}
"""Numbers for --where, more or less than every finite one."""

ASKED = "SELECT task_id, value_number FROM hyperparams"


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    values = [*NUMBERS, *TEXTS, *BEYOND, None]
    return make_dataset(
        [
            {"task_id": f"{at:032x}", "params": [{"section": "Args", "name": "x", "value": value}]}
            for at, value in enumerate(values)
        ]
    )


def test_it_is_the_nearest_double(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        rows = dataset.sql("SELECT value, value_number FROM hyperparams").fetchall()
        columns = dataset.sql("SELECT * FROM hyperparams").columns
    assert columns == ["task_id", "section", "name", "value", "value_number", "type"]
    expected: dict[str | None, float | None] = dict.fromkeys([*TEXTS, *BEYOND, None])
    expected |= NUMBERS
    assert {value: repr(number) for value, number in rows} == {
        value: repr(number) for value, number in expected.items()
    }


@pytest.mark.parametrize("limit", ["0", "5", "-5.0", "0.001", "1e308"])
def test_it_filters_as_where_does(folder: Path, limit: str) -> None:
    def selected(condition: str) -> set[str]:
        with open_dataset(folder, filter=TaskFilter(where=(condition,))) as dataset:
            return {task_id for (task_id,) in dataset.sql("SELECT task_id FROM tasks").fetchall()}

    with open_dataset(folder) as dataset:
        below, above = (
            {
                task_id
                for task_id, value in dataset.sql(
                    "SELECT task_id, value FROM hyperparams "
                    f"WHERE value_number {comparison} {limit}::DOUBLE"
                ).fetchall()
                # these are not equal, but so is the nearest DOUBLE
                if value != "1e-9999" or limit != "0"
            }
            for comparison in ("<", ">=")
        )
        values = dict(dataset.sql("SELECT task_id, value FROM hyperparams").fetchall())
    beyond = {
        side: {task for task, value in values.items() if BEYOND.get(value) == side}
        for side in (-1, 1)
    }
    tiny = {task for task, value in values.items() if value == "1e-9999" and limit == "0"}
    assert selected(f"Args/x < {limit}") == below | beyond[-1]
    assert selected(f"Args/x >= {limit}") == above | beyond[1] | tiny


texts = st.one_of(
    st.text(max_size=20),
    st.from_regex(
        r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?\s*", fullmatch=True
    ),
    st.text("0123456789.eE+-_ \n\t\x00xaN\u0665\xa0", max_size=12),
    st.floats().map(repr),
    st.tuples(st.integers(), st.integers(-400, 400)).map(lambda two: f"{two[0]}e{two[1]}"),
    st.integers(995, 1005).map("1".zfill),
)


@pytest.fixture(scope="module")
def bare() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(definitions()["nearest_number"])
        yield connection


@given(st.lists(texts, min_size=20, max_size=40))
@settings(max_examples=40)
def test_random_texts(bare: duckdb.DuckDBPyConnection, values: list[str]) -> None:
    rows = bare.execute(
        "SELECT nearest_number(listed[i]) FROM (SELECT $1::VARCHAR[] AS listed), "
        "range(1, len($1) + 1) AS places(i) ORDER BY i",
        [values],
    ).fetchall()
    for value, (number,) in zip(values, rows, strict=True):
        text = value.strip()
        nearest = float(text) if is_number(text) else math.inf
        assert number == (nearest if math.isfinite(nearest) else None), value
