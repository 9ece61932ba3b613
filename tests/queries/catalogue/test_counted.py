"""What counts of a series (``--value``, ``--smooth``, ``--last``) against plain Python."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.ask.statement import counts_points, statement_for
from tests.queries.conftest import MakeDataset
from tests.support.answers import ask
from tests.support.nasty import nasty

# Which query, --value, --smooth and --last: every pair of them once.
CASES = [
    ("max", None, 0.7, None),
    ("max", "last", None, None),
    ("max", "median", None, 3),
    ("max", "mean", 0.7, 200),
    ("max", "min", None, 1),
    ("min", None, None, 3),
    ("min", "last", 0.7, 3),
    ("min", "median", None, None),
    ("min", "mean", None, 200),
    ("min", "max", 0.7, 1),
    ("leaderboard", None, None, 200),
    ("leaderboard", "last", None, None),
    ("leaderboard", "median", 0.7, 200),
    ("leaderboard", "mean", None, 3),
    ("leaderboard", "max", 0.7, 3),
    ("leaderboard", "min", 0.7, None),
]

Key = tuple[str, str, str]
Counted = tuple[float, int | None]


def random_tasks() -> list[dict[str, Any]]:
    """Series with NaN, infinities, gaps, repeats, and values from subnormal to huge."""
    rng = random.Random(14)
    odd = (math.nan, math.inf, -math.inf, None, 0.0, -0.0, 1e308, -1.7e308, 1e200, 5e-324, 1.5e-323)
    tasks = []
    for number in range(12):
        points: list[tuple[Any, ...]] = []
        for variant in ("even", "wild", "coarse"):
            iterations = rng.sample(range(-50, 400), rng.choice([1, 2, 3, 16, 17, 40, 300]))
            for iteration in iterations:
                value = rng.gauss(1, 1) * (10.0 ** rng.randint(-5, 5) if variant == "wild" else 1)
                if variant == "coarse":
                    value = round(value)
                if variant != "even" and rng.random() < 0.2:
                    value = rng.choice(odd)  # type: ignore[assignment]  # None is a value too
                points.append(("m", variant, iteration, value))
            if rng.random() < 0.3:
                points.append(("m", variant, None, rng.gauss(0, 100)))
        points.append(("m", "single", None, rng.choice([0.5, math.nan])))
        tasks.append({"task_id": f"{number:032x}", "points": points})
    return tasks


@pytest.fixture(scope="module")
def dataset(written: MakeDataset) -> Iterator[Dataset]:
    with open_dataset(written([*nasty(), *random_tasks()])) as opened:
        yield opened


@pytest.fixture(scope="module")
def raw(dataset: Dataset) -> dict[Key, list[tuple[int | None, float]]]:
    """The points of each series by iteration, single values first."""
    rows = dataset.sql(
        "SELECT metric, variant, task_id, iteration, value FROM scalars "
        "WHERE NOT starts_with(metric, ':monitor:') ORDER BY 1, 2, 3, 4 NULLS FIRST"
    ).fetchall()
    return {key: [row[3:] for row in rows] for key, rows in groupby(rows, lambda row: row[:3])}


@pytest.fixture(scope="module")
def smoothed(dataset: Dataset) -> dict[Key, dict[int, float]]:
    """The points that ``curve`` smooths."""
    curves: dict[Key, dict[int, float]] = {}
    for row in dataset.rows(dataset.query("curve", smooth=0.7)).as_dicts():
        if row["smoothed"] is not None:
            key = (row["metric"], row["variant"], row["task_id"])
            curves.setdefault(key, {})[row["iteration"]] = row["smoothed"]
    return curves


def is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def counted(
    points: Sequence[tuple[int | None, float]], what: str, last: int | None
) -> Counted | None:
    points = points[-last:] if last else points
    if not points:
        return None
    values = [value for _, value in points]
    if what == "last":
        return points[-1][1], points[-1][0]
    if what == "mean":
        return float(sum(map(Fraction, values)) / len(values)), None
    if what == "median":
        ordered = sorted(map(Fraction, values))
        return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2), None
    value = max(values) if what == "max" else min(values)
    having = [iteration for iteration, other in points if other == value]
    return value, min((at for at in having if at is not None), default=None)


def same(value: float | None, expected: float | None, values: Sequence[float], what: str) -> bool:
    if value is None or expected is None or what != "mean":
        return value == expected
    loss = 1e-12 * max(map(abs, values), default=0)
    return bool(value == pytest.approx(expected, rel=1e-9, abs=loss))


@pytest.mark.parametrize(("name", "value", "smooth", "last"), CASES)
def test_each_value_agrees_with_python(
    dataset: Dataset,
    raw: Mapping[Key, list[tuple[int | None, float]]],
    smoothed: Mapping[Key, Mapping[int, float]],
    name: str,
    value: str | None,
    smooth: float | None,
    last: int | None,
) -> None:
    extra = {"by": "task"} if name != "leaderboard" else {"best": "lowest", "top": 1000}
    options = {"value": value, "smooth": smooth, "last": last, **extra}
    metrics = sorted({metric for metric, _, _ in raw})
    what = value or ("max" if name == "max" else "min")
    rows = dataset.rows(dataset.query(name, metric=metrics, **options)).as_dicts()
    answer = {(r["metric"], r["variant"], r["task_id"]): (r["value"], r["iteration"]) for r in rows}
    assert answer.keys() == raw.keys()
    for key, points in raw.items():
        finite = [point for point in points if is_finite(point[1])]
        if smooth is not None:
            finite = sorted(smoothed.get(key, {}).items())
        expected = counted(finite, what, last) or (None, None)
        assert same(answer[key][0], expected[0], [v for _, v in finite], what), key
        assert answer[key][1] == expected[1], key


@pytest.mark.parametrize(
    "options",
    [
        {"value": "median", "last": 3},
        {"value": "last", "smooth": 0.7},
        {"value": "last"},
    ],
)
def test_groups_are_of_the_same_values(dataset: Dataset, options: dict[str, Any]) -> None:
    """But ``last`` is the value at the last iteration, which is not always finite."""
    asked = {"metric": "*", "best": "lowest", **options}
    groups = dataset.rows(dataset.query("group", **asked)).as_dicts()
    ranked = dataset.rows(dataset.query("leaderboard", **asked, top=1000)).as_dicts()
    lasts = {
        (row["metric"], row["variant"], row["task_id"]): row["last"]
        for row in dataset.rows(dataset.sql("SELECT * FROM series")).as_dicts()
    }
    for group in groups:
        pair = (group["metric"], group["variant"])
        tasks = [row for row in ranked if (row["metric"], row["variant"]) == pair]
        values = [row["value"] for row in tasks if row["value"] is not None]
        if options == {"value": "last"}:
            values = [v for row in tasks if is_finite(v := lasts[(*pair, row["task_id"])])]
        assert (group["n"], group["n_tasks"]) == (len(values), len(tasks))
        assert group["best"] == min(values, default=None)
        assert group["counted"] == (tasks[0]["counted"])


def test_the_answer_says_what_counted(dataset: Dataset) -> None:
    def words(name: str, **options: Any) -> set[str | None]:
        rows = dataset.rows(dataset.query(name, metric="loss", **options)).as_dicts()
        return {row.get("counted") for row in rows}

    lowest = {"best": "lowest"}
    assert words("max") == words("leaderboard", **lowest) == words("group", **lowest) == {None}
    assert words("max", smooth=0.6) == {"max, smoothed 0.6"}
    assert words("min", value="median") == {"median"}
    assert words("leaderboard", **lowest, last=10) == {"min of the last 10"}
    assert words("leaderboard", **lowest, by="mean", last=10) == {"mean of the last 10"}
    assert words("group", **lowest, value="last", smooth=0.99) == {"last, smoothed 0.99"}


def test_a_value_that_counts_has_other_metrics_beside_it(make_dataset: MakeDataset) -> None:
    points = [("m", "v", at, value) for at, value in enumerate([1.0, 9.0, 1.0, 5.0, 5.0, 5.0])]
    points += [("acc", "v", at, at / 10) for at in range(6)]
    folder = make_dataset([{"task_id": "a" * 32, "points": points}])
    (row,) = ask(folder, "max", metric="m", at="acc")
    assert (row["iteration"], row["at_value"]) == (1, 0.1)
    (row,) = ask(folder, "max", metric="m", at="acc", smooth=0.9, last=2)
    assert (row["iteration"], row["at_value"], row["counted"]) == (
        5,
        0.5,
        "max of the last 2, smoothed 0.9",
    )
    with pytest.raises(UsageError, match="needs the iteration of a value; a median has none"):
        ask(folder, "max", metric="m", at="acc", value="median")


def test_what_cannot_count(make_dataset: MakeDataset) -> None:
    folder = make_dataset(nasty())
    ranked: dict[str, Any] = {"metric": "loss", "best": "lowest"}
    for smooth in (1.0, -0.1, math.nan):
        with pytest.raises(UsageError, match="use a weight from 0 to less than 1"):
            ask(folder, "max", metric="loss", smooth=smooth)
    with pytest.raises(UsageError, match="`last=0`: use a number of at least 1"):
        ask(folder, "group", **ranked, last=0)
    with pytest.raises(UsageError, match="median"):
        ask(folder, "group", **ranked, value="medium")
    with pytest.raises(UsageError, match="is another name of"):
        ask(folder, "leaderboard", **ranked, value="max", by="min")


@pytest.mark.parametrize(
    ("name", "options", "reads"),
    [
        ("max", {}, False),
        ("min", {"value": "mean"}, False),
        ("max", {"by": "task", "value": "min"}, False),
        ("max", {"value": "last"}, True),
        ("max", {"value": "median"}, True),
        ("min", {"smooth": 0.5}, True),
        ("leaderboard", {"best": "lowest"}, False),
        ("leaderboard", {"best": "lowest", "by": "mean"}, False),
        ("leaderboard", {"best": "lowest", "by": "last"}, True),
        ("leaderboard", {"best": "lowest", "last": 3}, True),
        ("group", {"best": "lowest", "value": "last"}, False),
        ("group", {"best": "lowest", "value": "median"}, True),
        ("last", {}, False),
        ("curve", {"smooth": 0.5}, False),
    ],
)
def test_points_are_read_only_if_they_count(
    make_dataset: MakeDataset, tmp_path: Path, name: str, options: dict[str, Any], reads: bool
) -> None:
    """DuckDB unpacks the points of a pack as soon as a statement names them."""
    with open_dataset(make_dataset(nasty())) as dataset:
        values = dataset.bound(name, metric="loss", **options)
    assert counts_points(find(name), values) == reads
    sql, _ = statement_for(find(name), values)
    if name not in ("last", "curve"):
        assert ("FROM again" in sql or "counted_from" in sql) == reads
        assert ("counted_from_points" in sql) == ("smooth" in options)
