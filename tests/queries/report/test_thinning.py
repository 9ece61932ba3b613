"""Points that are thinned in memory are those that ``thinned.sql`` keeps."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from clearml_snapshot.queries.figures.thinning import thinned
from clearml_snapshot.queries.report.thinning import in_order, kept


@pytest.mark.parametrize("parts", [1, 7, 32])
def test_the_same_points_are_kept_as_by_the_database(parts: int) -> None:
    """Curves with gaps, few values that tie often, negative zeros and everything not finite."""
    generator = np.random.default_rng(parts)
    values = np.array([-0.0, 0.0, 1.0, 2.5, -3.0, 1e300, -1e300, math.nan, math.inf, -math.inf])
    points: list[tuple[int, int, float | None]] = []
    for curve in range(60):
        n = int(generator.integers(1, 500))
        places = np.sort(generator.choice(5_000, n, replace=False)) - generator.integers(0, 3_000)
        for at in places.tolist():
            drawn = float(values[generator.integers(0, len(values))])
            points.append((curve, at, None if generator.random() < 0.05 else drawn))
    points.append((60, -(2**40), 1.0))
    points.append((60, 2**40, 2.0))
    curves, x = (np.array([point[place] for point in points]) for place in (0, 1))
    is_null = np.array([value is None for *_, value in points])
    numbers = np.array([math.nan if v is None else v for *_, v in points])
    with duckdb.connect() as connection:
        columns = (pa.array(column) for column in zip(*points, strict=True))
        connection.register("given", pa.table([*columns], names=["curve", "x", "value"]))
        connection.execute("CREATE TABLE points (curve INTEGER, x DOUBLE, value DOUBLE)")
        connection.execute("INSERT INTO points FROM given")  # row by row it took most of the time
        rows = thinned(connection, "points", parts).select(["curve", "x"]).to_pylist()
    expected = {(row["curve"], int(row["x"])) for row in rows}
    chosen = kept(curves, x, numbers, is_null, parts, most=0)
    assert set(zip(curves[chosen].tolist(), x[chosen].tolist(), strict=True)) == expected
    assert 60 < len(expected) < len(points)


def test_a_short_curve_is_kept_as_it_is() -> None:
    curve, x = np.repeat([3, 5], [4, 9]), np.concatenate([np.arange(4), np.arange(9)])
    value = np.zeros(13)
    chosen = kept(curve, x, value, np.zeros(13, bool), parts=1, most=4)
    assert x[chosen].tolist() == [0, 1, 2, 3, 0, 8]


def test_points_that_come_in_another_order_are_sorted() -> None:
    curve, x = np.array([1, 1, 2, 2]), np.array([1, 2, 5, 6])
    assert in_order(curve, x) is None
    shuffled = np.array([3, 0, 2, 1])
    order = in_order(curve[shuffled], x[shuffled])
    assert order is not None
    assert x[shuffled][order].tolist() == [1, 2, 5, 6]
