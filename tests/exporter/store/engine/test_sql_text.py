"""Names and values as SQL text are read back by DuckDB as they were; names become distinct."""

import math
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name, sql_value

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_NAMES = st.text(st.sampled_from("aAbB_1 \"'"), max_size=4)


@given(st.lists(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXTS))
def test_values_are_read_as_they_were(values: list[object]) -> None:
    with duckdb.connect() as connection:
        for value in values:
            assert connection.sql(f"SELECT {sql_value(value)}").fetchall() == [(value,)]


@given(st.lists(_TEXTS))
def test_a_list_of_texts_is_read_as_it_was(texts: list[str]) -> None:
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT {sql_value(texts)}::VARCHAR[]").fetchall()
    assert rows == [(texts,)]


@pytest.mark.parametrize("value", [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, math.nan])
def test_a_double_is_read_as_it_was(value: float) -> None:
    with duckdb.connect() as connection:
        ((read,),) = connection.sql(f"SELECT {sql_value(value)}::DOUBLE").fetchall()
    assert repr(read) == repr(value)


def test_a_time_is_read_as_it_was() -> None:
    moment = datetime(2026, 11, 27, 4, 5, 6, 789000, UTC)
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT epoch_us({sql_value(moment)}::TIMESTAMPTZ)").fetchall()
    assert rows == [(round(moment.timestamp() * 1e6),)]


@given(st.lists(_NAMES), st.lists(_NAMES))
def test_distinct_names_are_columns_of_one_table(names: list[str], taken: list[str]) -> None:
    distinct = distinct_names(names, taken)
    columns = [*dict.fromkeys(name.casefold() for name in taken if name), *distinct]
    assert len(names) == len(distinct)
    if columns:
        listed = ", ".join(f"{sql_name(name)} INTEGER" for name in columns)
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE one ({listed})")
            assert connection.table("one").columns == columns


def test_the_first_of_equal_names_is_kept() -> None:
    assert distinct_names(["a", "A", "a_1", "a", ""], taken=["b"]) == [
        "a",
        "A_1",
        "a_1_1",
        "a_2",
        "_",
    ]
    assert distinct_names(["n"], taken=["N"]) == ["n_1"]
