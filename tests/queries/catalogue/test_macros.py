"""The macros that SQL may use, against plain Python."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from tests.support.nasty import Point, nasty, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
WANTED = (-(2**63), -1, 0, 2, 25, 1500, 2**63 - 1)


def known(points: Sequence[Point]) -> list[tuple[int, float]]:
    return [
        (p.iteration, p.value)
        for p in points
        if p.iteration is not None and p.value is not None and math.isfinite(p.value)
    ]


def test_ema_is_what_curve_shows(make_dataset: MakeDataset) -> None:
    tasks = [task for task in nasty() if task["task_id"] != "3" * 32]
    with open_dataset(make_dataset(tasks)) as dataset:
        curves = dataset.rows(dataset.query("curve", smooth=0.7)).as_dicts()
        lists = dataset.sql(
            "SELECT metric, variant, task_id, ema(list(value ORDER BY iteration), $w) FROM scalars "
            "WHERE iteration IS NOT NULL GROUP BY ALL",
            {"w": 0.7},
        ).fetchall()
    by_macro = {tuple(key): smoothed for *key, smoothed in lists}
    by_query: dict[Any, list[float | None]] = {}
    for row in curves:
        key = (row["metric"], row["variant"], row["task_id"])
        by_query.setdefault(key, []).append(row["smoothed"])
    assert len(by_query) == 7
    for key, smoothed in by_query.items():
        assert by_macro[key] == [v if v is None else pytest.approx(v) for v in smoothed]


def test_ema_of_nothing(make_dataset: MakeDataset) -> None:
    with open_dataset(make_dataset([])) as dataset:
        (row,) = dataset.sql("SELECT ema([], 0.5), ema(NULL, 0.5), ema([NULL], 0.5)").fetchall()
    assert row == ([], None, [None])


@pytest.mark.parametrize("iteration", WANTED)
def test_the_value_at_an_iteration(make_dataset: MakeDataset, iteration: int) -> None:
    with open_dataset(make_dataset(nasty())) as dataset:
        rows = dataset.sql(
            "SELECT metric, variant, task_id, at_or_before(value, iteration, $1), "
            "nearest(value, iteration, $1) FROM scalars GROUP BY ALL",
            [iteration],
        ).fetchall()
    rows_by_series = {tuple(row[:3]): row[3:] for row in rows}
    for key, points in series(nasty(), monitor=True):
        before = [point for point in known(points) if point[0] <= iteration]
        near = min(
            known(points), key=lambda point: (abs(point[0] - iteration), point[0]), default=None
        )
        assert rows_by_series[key] == (before[-1][1] if before else None, near and near[1])


@pytest.mark.parametrize(
    "numbers",
    [
        [0.1, 0.2, 0.3, 1e16, -1e16, 1e-300],
        [1e308, -1e308, 1e308, 0.0],
        [5e-320, 1e-300, -0.0],
        [random.Random(3).gauss(1e6, 1e-3) for _ in range(500)],
    ],
)
def test_mean_and_deviation_do_not_depend_on_the_order(
    make_dataset: MakeDataset, numbers: list[float]
) -> None:
    exact = [Fraction(number) for number in numbers]
    mean = sum(exact, Fraction()) / len(exact)
    unit = max(map(abs, exact))
    deviation = math.sqrt(sum(((x - mean) / unit) ** 2 for x in exact) / (len(exact) - 1))
    rng = random.Random(1)
    with open_dataset(make_dataset([])) as dataset:
        answers = {
            dataset.sql(
                "SELECT repeatable_mean($1), repeatable_std($1)",
                [rng.sample(numbers, len(numbers))],
            ).fetchall()[0]
            for _ in range(8)
        }
    ((shown_mean, shown_deviation),) = answers
    # integers of 80 binary places below the largest number are added
    assert abs(Fraction(shown_mean) - mean) <= unit / 2**78 + abs(mean) / 2**51
    assert shown_deviation == pytest.approx(deviation * float(unit), rel=1e-12)


def test_mean_and_deviation_of_few_numbers(make_dataset: MakeDataset) -> None:
    lists = "[]::DOUBLE[]", "NULL::DOUBLE[]", "[2.5]", "[3.0, 3.0]", "[1.0, 'nan'::DOUBLE]"
    asked = ", ".join(f"repeatable_mean({x}), repeatable_std({x})" for x in lists)
    with open_dataset(make_dataset([])) as dataset:
        (row,) = dataset.sql(f"SELECT {asked}").fetchall()
    assert row[:8] == (None, None, None, None, 2.5, None, 3.0, 0.0)
    assert math.isnan(row[8])
