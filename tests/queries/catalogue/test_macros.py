"""The macros that SQL may use, against plain Python."""

import math
from collections.abc import Callable, Mapping, Sequence
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
