"""``stats`` against the same figures computed in plain Python."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import open_dataset
from tests.support import answers
from tests.support.nasty import Point, curve, finite, nasty, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    return make_dataset(nasty())


def ask(folder: Path, **typed: Any) -> list[dict[str, Any]]:
    return answers.ask(folder, "stats", **typed)


def percentile(values: Sequence[float], percent: int) -> float:
    """Interpolate exactly, so that large values do not overflow on the way."""
    ordered = sorted(map(Fraction, values))
    whole, rest = divmod(Fraction(percent, 100) * (len(ordered) - 1), 1)
    below = ordered[int(whole)]
    above = ordered[min(int(whole) + 1, len(ordered) - 1)]
    return float(below + (above - below) * rest)


def near(expected: float | None, values: Sequence[float]) -> Any:
    """Allow for what sums lose where large values cancel out."""
    loss = 1e-12 * max(map(abs, values), default=0)
    return expected if expected is None else pytest.approx(expected, rel=1e-9, abs=loss)


def check(row: Mapping[str, Any], points: Sequence[Point]) -> None:
    values = finite(points)
    nulls = sum(p.value is None for p in points)
    assert row["n_points"] == len(points)
    assert (row["n_null"], row["n_nonfinite"]) == (nulls, len(points) - len(values) - nulls)
    iterations = [p.iteration for p in points if p.iteration is not None]
    assert row["first_iteration"] == min(iterations, default=None)
    assert row["last_iteration"] == max(iterations, default=None)
    assert (row["min"], row["max"]) == (min(values, default=None), max(values, default=None))
    exact = list(map(Fraction, values))
    assert row["mean"] == near(float(sum(exact) / len(exact)) if exact else None, values)
    for name, percent in (("p05", 5), ("p25", 25), ("median", 50), ("p75", 75), ("p95", 95)):
        assert row[name] == near(percentile(values, percent) if values else None, values)
    assert row["std"] == near(_std(exact), values)


def _std(values: list[Fraction]) -> float | None:
    if len(values) < 2:
        return None
    return statistics.stdev(float(v / 2**600) for v in values) * 2.0**600


def chosen(tail: int | None, first: int | None, last: int | None) -> dict[Any, list[Point]]:
    kept = {}
    for key, points in series(nasty()):
        if first is not None or last is not None:
            points = [
                p
                for p in points
                if p.iteration is not None
                and (first is None or p.iteration >= first)
                and (last is None or p.iteration <= last)
            ]
        if tail is not None:
            known = [p for p in points if p.iteration is not None]
            singles = [p for p in points if p.iteration is None]
            points = [*singles, *known][-tail:]
        if points:
            kept[key] = points
    return kept


@pytest.mark.parametrize(
    ("typed", "tail", "first", "last"),
    [
        ({}, None, None, None),
        ({"tail": 1}, 1, None, None),
        ({"tail": 3}, 3, None, None),
        ({"tail": 100}, 100, None, None),
        ({"iterations": "2:5"}, None, 2, 5),
        ({"iterations": "-7:"}, None, -7, None),
        ({"iterations": f":{-(2**63)}"}, None, None, -(2**63)),
        ({"iterations": "0:30", "tail": 2}, 2, 0, 30),
    ],
)
def test_by_task(
    folder: Path, typed: dict[str, Any], tail: int | None, first: int | None, last: int | None
) -> None:
    expected = chosen(tail, first, last)
    rows = ask(folder, **typed)
    assert {(r["metric"], r["variant"], r["task_id"]) for r in rows} == set(expected)
    assert len(rows) == len(expected)
    for row in rows:
        points = expected[row["metric"], row["variant"], row["task_id"]]
        check(row, points)
        known = [p for p in points if p.iteration is not None]
        assert repr(row["first"]) == repr(known[0].value if known else None)
        assert repr(row["last"]) == repr((known or points)[-1].value)


def test_over_all_tasks(folder: Path) -> None:
    expected: dict[Any, list[list[Point]]] = {}
    for (metric, variant, _), points in series(nasty()):
        expected.setdefault((metric, variant), []).append(points)
    rows = ask(folder, by="variant")
    assert [(r["metric"], r["variant"]) for r in rows] == sorted(expected)
    for row in rows:
        tasks = expected[row["metric"], row["variant"]]
        check(row, [point for points in tasks for point in points])
        assert row["n_tasks"] == len(tasks)
        assert (row["task"], row["task_id"], row["first"], row["last"]) == (None,) * 4


@pytest.mark.parametrize("typed", [{}, {"tail": 1000}])
def test_mean_and_deviation_have_the_bits_of_the_table_series(
    folder: Path, typed: dict[str, Any]
) -> None:
    with open_dataset(folder) as dataset:
        stored = dataset.sql(
            "SELECT task_id, metric, variant, mean + 0.0, std FROM series"
        ).fetchall()
        shown = dataset.rows(dataset.query("stats", all_metrics=True, **typed)).as_dicts()
    by_series = {(r["task_id"], r["metric"], r["variant"]): (r["mean"], r["std"]) for r in shown}
    assert len(stored) == len(shown)
    for *key, mean, std in stored:
        assert repr(by_series[tuple(key)]) == repr((mean, std))


def test_one_series_is_selected(folder: Path) -> None:
    (row,) = ask(folder, metric="acc", variant="VAL", iterations="0:3")[:1]
    assert (row["n_points"], row["n_nonfinite"], row["n_null"]) == (4, 1, 1)
    assert ask(folder, metric=":monitor:gpu")[0]["n_points"] == 1


def test_one_value_has_no_std(make_dataset: MakeDataset) -> None:
    (row,) = ask(make_dataset([{"task_id": "a" * 32, "points": curve([2.0])}]))
    assert (row["std"], row["median"], row["p95"]) == (None, 2.0, 2.0)


@pytest.mark.parametrize("typed", ["5", "a:b", "5-7", "1:2:3", ":1.5"])
def test_a_span_that_cannot_be_read_is_an_error(folder: Path, typed: str) -> None:
    with pytest.raises(UsageError, match="write A:B"):
        ask(folder, iterations=typed)


def test_a_tail_of_nothing_is_an_error(make_dataset: MakeDataset) -> None:
    with pytest.raises(UsageError, match="`tail=0`: use a number of at least 1"):
        ask(make_dataset([]), tail=0)
