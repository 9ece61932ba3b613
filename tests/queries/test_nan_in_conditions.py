"""Conditions that NaN satisfies find it: readers skip row groups by bounds, which leave NaN out."""

import math
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any, Final

import duckdb
import polars
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.layout import DOUBLES
from clearml_snapshot.exporter.store.format.schema import TABLES, in_memory
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries.dataset import open_dataset
from tests.queries.conftest import MakeDataset
from tests.support.damage import header_of, rewritten
from tests.support.nasty import nasty

VALUE: Final = (
    "isnan({})",
    "{} > 1e300",
    "{} >= 1e300",
    "{} = 'nan'::DOUBLE",
    "{} NOT BETWEEN -1e9 AND 1e9",
    "{} <> 0.5",
    "{} IN (0.5, 'nan'::DOUBLE)",
    "NOT isfinite({})",
    "{} > 0.2",
)
COLUMNS: Final = (("scalars", "value"), ("series", "first"), ("series", "last"))


@pytest.fixture
def new(make_dataset: MakeDataset) -> Path:
    return (make_dataset(nasty()) / "current").resolve()


@pytest.fixture
def old(new: Path) -> Path:
    """Give the same snapshot as versions before 0.2.0.dev5 wrote it: with bounds in every file."""
    for table in ("scalars", "series"):
        files = [e for e in header_of(new)["files"] if e["table"] == table and e["rows"]]
        schema = in_memory(table)
        for at in range(len(files)):
            rewritten(new, table, methodcaller("cast", schema), at)
    assert set(_bounded(new, "value")) == {True}
    return new


def _bounded(snapshot: Path, column: str) -> Iterator[bool]:
    """Say of each row group of the points whether it has bounds of a column."""
    for path in snapshot.glob("scalars/*/*.parquet"):
        metadata = pq.read_metadata(path)
        at = metadata.schema.names.index(column)
        for group in range(metadata.num_row_groups):
            chunk = metadata.row_group(group).column(at)
            assert chunk.has_column_index == bool(chunk.statistics)
            yield bool(chunk.statistics)


def _differences(connection: Any, tables: dict[str, str]) -> list[str]:
    """Compare each condition as a WHERE, which may skip rows, with all rows that fulfil it."""
    wrong = []
    for table, column in COLUMNS:
        for condition in (text.format(column) for text in VALUE):
            [(found, all_of_them)] = connection.sql(
                f"SELECT (SELECT count(*) FROM {tables[table]} WHERE {condition}), "
                f"(SELECT count(*) FILTER (WHERE {condition}) FROM {tables[table]})"
            ).fetchall()
            assert all_of_them, condition
            if found != all_of_them:
                wrong.append(f"{table}: {condition}: {found} of {all_of_them}")
        [(highest,)] = connection.sql(f"SELECT max({column}) FROM {tables[table]}").fetchall()
        [(first,)] = connection.sql(
            f"SELECT {column} FROM {tables[table]} WHERE {column} IS NOT NULL "
            f"ORDER BY {column} DESC LIMIT 1"
        ).fetchall()
        if not math.isnan(highest) or not math.isnan(first):
            wrong.append(f"{table}: the highest {column} is {highest} or {first}")
    return wrong


def test_every_reader_finds_nan_in_a_new_snapshot(new: Path) -> None:
    tables = {
        "scalars": f"read_parquet('{new}/scalars/**/*.parquet')",
        "series": f"read_parquet('{new}/series/*.parquet')",
    }
    assert _differences(duckdb, tables) == []
    points = polars.scan_parquet(new / "scalars" / "**" / "*.parquet")
    assert points.filter(polars.col("value").is_nan()).collect().height == 4


def test_the_program_finds_nan_in_a_new_snapshot(new: Path) -> None:
    with open_dataset(new) as dataset:
        assert _differences(dataset, {"scalars": "scalars", "series": "series"}) == []


def test_the_program_finds_nan_in_an_old_snapshot(old: Path) -> None:
    with open_dataset(old) as dataset:
        assert _differences(dataset, {"scalars": "scalars", "series": "series"}) == []


def test_files_without_nan_keep_their_bounds(make_dataset: MakeDataset) -> None:
    points = [("loss", "train", step, value) for step, value in enumerate((0.5, math.inf, None))]
    snapshot = make_dataset([{"task_id": "a" * 32, "points": points}]) / "current"
    assert set(_bounded(snapshot, "value")) == {True}


def test_only_columns_with_nan_lose_their_bounds(new: Path) -> None:
    assert set(_bounded(new, "value")) == {True, False}  # one project has no NaN
    assert set(_bounded(new, "iteration")) == {True}


def test_a_snapshot_with_nan_is_verified(new: Path) -> None:
    assert verify(new).is_intact


def test_the_doubles_of_the_layout_are_those_of_the_schemas() -> None:
    doubles = {
        table: tuple(f.name for f in schema if str(f.type) == "double")
        for table, schema in TABLES.items()
    }
    assert {table: names for table, names in doubles.items() if names} == DOUBLES
