"""``curve`` against the same curves, smoothed and resampled, in plain Python."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import open_dataset
from tests.support import answers
from tests.support.nasty import INF, NAN, START, Point, curve, nasty, seconds, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
Row = dict[str, Any]


def ask(folder: Path, **typed: Any) -> list[Row]:
    return answers.ask(folder, "curve", **typed)


def usual(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and abs(value) < 1e200


def ema(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Smooth as TensorBoard does: step by step, then debiased."""
    last, count, smoothed = 0.0, 0, list[float | None]()
    for value in values:
        if not usual(value) or value is None:
            smoothed.append(None)
            continue
        last = last * weight + (1 - weight) * value
        count += 1
        smoothed.append(last / (1 - weight**count))
    return smoothed


def moving_mean(values: Sequence[float | None], window: int) -> list[float | None]:
    before: list[float] = []
    smoothed: list[float | None] = []
    for value in values:
        if value is not None and usual(value):
            before = [*before, value][-window:]
            smoothed.append(sum(before) / len(before))
        else:
            smoothed.append(None)
    return smoothed


def along(points: Sequence[Point], x: str) -> list[tuple[float, Point]]:
    """Put the points of a series in the order of x."""
    points_with_iteration = [p for p in points if p.iteration is not None]
    placed = []
    for point in points_with_iteration:
        if x == "iteration":
            placed.append((float(point.iteration or 0), point))
        elif point.seconds is not None and x == "time":
            placed.append((START.timestamp() + point.seconds, point))
        elif point.seconds is not None and points_with_iteration[0].seconds is not None:
            placed.append((float(point.seconds - points_with_iteration[0].seconds), point))
    return sorted(placed, key=lambda pair: (pair[0], pair[1].iteration or 0))


def mean(values: Sequence[float | None]) -> float | None:
    numbers = [v for v in values if v is not None and math.isfinite(v)]
    return sum(numbers) / len(numbers) if numbers else None


def expected(points: Sequence[Point], typed: Mapping[str, Any]) -> list[Any]:
    """Give (iteration, value, smoothed, n) for each row of a series."""
    placed = along(points, typed.get("x", "iteration"))
    values = [p.value for _, p in placed]
    smoothed: list[float | None] = [None] * len(placed)
    if "smooth" in typed:
        smoothed = ema(values, typed["smooth"])
    if "window" in typed:
        smoothed = moving_mean(values, typed["window"])
    rows = [(x, p.iteration, p.value, s) for (x, p), s in zip(placed, smoothed, strict=True)]
    if "points" not in typed or not rows:
        return [(*row[1:], 1) for row in rows]
    low, high, parts = rows[0][0], rows[-1][0], dict[int, list[Any]]()
    for row in rows:
        share = (row[0] - low) / (high - low) if high > low else 0
        parts.setdefault(min(typed["points"] - 1, int(share * typed["points"])), []).append(row)
    answer: list[Any] = []
    for part in parts.values():
        if typed.get("keep") != "extremes":
            means = mean([row[2] for row in part]), mean([row[3] for row in part])
            answer.append((part[0][1], *means, len(part)))
            continue
        finite = [r for r in part if r[2] is not None and math.isfinite(r[2])] or part[:1]
        ends = {min(finite, key=lambda r: r[2])[1], max(finite, key=lambda r: r[2])[1]}
        answer += [(*row[1:], len(part)) for row in part if row[1] in ends]
    return answer


def near(value: float | None) -> Any:
    if value is None or not math.isfinite(value):
        return value if value is None else pytest.approx(value, nan_ok=True)
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def check(folder: Path, tasks: Sequence[Mapping[str, Any]], typed: Mapping[str, Any]) -> None:
    answer: dict[Any, list[Any]] = {}
    for row in ask(folder, **typed):
        key = (row["metric"], row["variant"], row["task_id"])
        answer.setdefault(key, []).append(row)
    for key, points in series(tasks):
        rows = answer.pop(key, [])
        read = [(r["iteration"], r["value"], r["smoothed"], r["n"]) for r in rows]
        want = expected(points, typed)
        assert [(i, n) for i, _, _, n in read] == [(i, n) for i, _, _, n in want]
        assert [v for _, v, _, _ in read] == [near(v) for _, v, _, _ in want]
        assert [s for _, _, s, _ in read] == [near(s) for _, _, s, _ in want]
    assert answer == {}


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"smooth": 0.6},
        {"smooth": 0.0},
        {"smooth": 0.999},
        {"smooth": 1e-60},
        {"window": 3},
        {"x": "time", "smooth": 0.9},
        {"x": "relative", "window": 2},
        {"points": 4},
        {"points": 1, "smooth": 0.5},
        {"points": 7, "keep": "extremes", "smooth": 0.5},
        {"points": 3, "x": "time", "window": 2},
    ],
    ids=str,
)
def test_on_a_nasty_history(make_dataset: MakeDataset, typed: dict[str, Any]) -> None:
    tasks = [task for task in nasty() if task["task_id"] != "3" * 32]
    check(make_dataset(tasks), tasks, typed)


def test_the_ends_of_int64(make_dataset: MakeDataset) -> None:
    folder = make_dataset(nasty())
    rows = [r for r in ask(folder, metric="loss", smooth=0.5) if r["task_id"][0] == "3"]
    assert [r["iteration"] for r in rows] == [-(2**63), -7, 0, 2**63 - 1]
    assert [r["smoothed"] for r in rows] == [None, None, 1e-3, None], "1e308 is beyond smoothing"
    assert [r["seconds"] for r in rows] == [0, -2, None, -4]
    assert [seconds(r["timestamp"]) for r in rows] == [5, 3, None, 1]
    rows = [r for r in ask(folder, metric="loss", x="time") if r["task_id"][0] == "3"]
    assert [r["iteration"] for r in rows] == [2**63 - 1, -7, -(2**63)], "in the order of time"
    assert [r["x"] - START.timestamp() for r in rows] == [1, 3, 5]
    rows = [r for r in ask(folder, metric="loss", points=2) if r["task_id"][0] == "3"]
    assert [(r["iteration"], r["n"]) for r in rows] == [(-(2**63), 1), (-7, 3)]


values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([NAN, INF, None]))


@given(
    several=st.lists(st.lists(values, max_size=60), min_size=3, max_size=3),
    smooth=st.floats(0, 0.9999),
    points=st.one_of(st.none(), st.integers(1, 9)),
)
@settings(max_examples=6)
def test_any_curve(
    make_dataset: MakeDataset, several: list[Any], smooth: float, points: int | None
) -> None:
    tasks = [
        {"task_id": f"{n:032x}", "points": curve(options)} for n, options in enumerate(several)
    ]
    check(make_dataset(tasks), tasks, {"smooth": smooth, **({"points": points} if points else {})})


def test_a_long_curve_is_smoothed_over_many_stretches(make_dataset: MakeDataset) -> None:
    tasks = [{"task_id": "a" * 32, "points": curve([math.sin(n) for n in range(3000)])}]
    check(make_dataset(tasks), tasks, {"smooth": 0.6})  # 450 points a stretch


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ({"smooth": 0.5, "window": 2}, "give smooth or window"),
        ({"smooth": 1.0}, "`smooth=1.0`: use a weight from 0 to less than 1"),
        ({"smooth": -0.1}, "`smooth=-0.1`: use"),
        ({"smooth": NAN}, "`smooth=nan`: use"),
        ({"window": 0}, "`window=0`: use"),
        ({"points": 0}, "`points=0`: use"),
    ],
)
def test_what_cannot_be_meant(
    make_dataset: MakeDataset, typed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        ask(make_dataset([{"task_id": "a" * 32, "points": curve([1.0, 2.0])}]), **typed)


@pytest.mark.parametrize("typed", [{"smooth": 0.97}, {"window": 300}], ids=str)
def test_smoothed_values_do_not_depend_on_the_other_series(
    make_dataset: MakeDataset, typed: dict[str, Any]
) -> None:
    """The bits of each series are those of the question about it alone, with any threads."""
    rng = random.Random(5)
    tasks = [
        {
            "task_id": f"{number:032x}",
            "points": [
                ("loss", variant, at, rng.uniform(-1, 1) * 10 ** rng.randint(-6, 6))
                for variant in ("a", "b", "c")
                for at in range(rng.randint(200, 900))
            ],
        }
        for number in range(8)
    ]
    folder = make_dataset(tasks)
    with open_dataset(folder, threads=1) as one, open_dataset(folder, threads=4) as four:
        together = [dataset.rows(dataset.query("curve", **typed)).rows for dataset in (one, four)]
        alone = [
            row
            for variant in ("a", "b", "c")
            for row in one.rows(one.query("curve", metric="loss", variant=variant, **typed)).rows
        ]
    assert together[0] == together[1]
    assert together[0] == tuple(alone)
