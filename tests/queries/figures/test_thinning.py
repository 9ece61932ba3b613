"""Thinned points draw the same picture: no spike is lost, and nothing is averaged."""

import math
import random
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.queries.figures.thinning import thinned

Point = tuple[int, float, float | None]

_CONNECTION = duckdb.connect()

_VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, math.inf, -math.inf, math.nan, 1e308, -1e308]),
    st.floats(),
)
_POINTS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(-50, 1000).map(float), _VALUES), max_size=60
)


def _thin(points: Sequence[Point], columns: int, *, is_log: bool = False) -> list[Point]:
    columns_ = zip(*points, strict=True) if points else ([], [], [])
    arrays = zip(columns_, (pa.int64(), pa.float64(), pa.float64()), strict=True)
    names = ["curve", "x", "value"]
    _CONNECTION.register("points", pa.table([pa.array(a, kind) for a, kind in arrays], names))
    table = thinned(_CONNECTION, "points", columns, is_log=is_log)
    return list(
        zip(*(table.column(name).to_pylist() for name in ("curve", "x", "value")), strict=True)
    )


def _expected(points: Sequence[Point], columns: int) -> set[tuple[int, float, str]]:
    """The same in plain Python."""
    kept: set[tuple[int, float, str]] = set()
    for curve in {p[0] for p in points}:
        own = [(x, v) for c, x, v in points if c == curve]
        low, high = min(x for x, _ in own), max(x for x, _ in own)
        parts: dict[float, list[tuple[float, float | None]]] = {}
        for x, v in own:
            part = (
                0
                if low == high
                else min(columns - 1, math.floor((x - low) / (high - low) * columns))
            )
            parts.setdefault(part, []).append((x, v))
        for members in parts.values():
            finite = [(x, v) for x, v in members if v is not None and math.isfinite(v)]
            if finite:
                lowest = min(v for _, v in finite)
                highest = max(v for _, v in finite)
                kept |= {
                    (curve, x, repr(v + 0.0))
                    for x, v in (
                        min(finite),
                        max(finite),
                        min(p for p in finite if p[1] == lowest),
                        min(p for p in finite if p[1] == highest),
                    )
                }
            for kind in {repr(v) for _, v in members if v is None or not math.isfinite(v)}:
                kept.add((curve, min(x for x, v in members if repr(v) == kind), kind))
    return kept


@settings(max_examples=60, deadline=None)
@given(points=_POINTS, columns=st.sampled_from([1, 2, 7]))
def test_each_column_keeps_its_first_last_lowest_and_highest_point(
    points: list[Point], columns: int
) -> None:
    points = [(c, x, None if v is None else v + 0.0) for c, x, v in points]
    rows = _thin(points, columns)
    assert {(c, x, repr(v if v is None else v + 0.0)) for c, x, v in rows} == _expected(
        points, columns
    )
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)


def test_the_order_of_the_points_does_not_matter() -> None:
    points: list[Point] = [(i % 2, float(i // 20), float(i % 7)) for i in range(2000)]
    shuffled = random.Random(1).sample(points, len(points))
    assert _thin(points, 30) == _thin(shuffled, 30)


def test_columns_of_a_logarithmic_axis_are_equally_wide() -> None:
    rows = _thin([(1, float(i), 1.0) for i in range(100_001)], 5, is_log=True)
    assert [x for _, x, _ in rows] == [
        1.0, 9.0, 10.0, 99.0, 100.0, 999.0, 1000.0, 9999.0, 10000.0, 100000.0,
    ]  # fmt: skip


def test_one_spike_among_five_million_points_is_kept() -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(
            "SELECT 1 AS curve, i::DOUBLE AS x, "
            "CASE i WHEN 2345678 THEN 50.0 WHEN 4000001 THEN 'nan'::DOUBLE ELSE i % 3 END AS value "
            "FROM range(5000000) t(i)"
        )
        table = thinned(connection, relation, 1000)
    assert table.num_rows < 4_100
    values = dict(zip(table["x"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert values[2345678.0] == 50.0
    assert repr(values[4000001.0]) == "nan"


@pytest.mark.parametrize("is_log", [False, True])
def test_no_points_are_no_rows(is_log: bool) -> None:
    assert _thin([], 10, is_log=is_log) == []
