"""The horizontal axis of ``curve``: another metric against pandas, and resumed tasks."""

import itertools
import math
from collections.abc import Sequence
from statistics import median_low
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset
from tests.support.chosen import MakeDataset, Tasks, answer, quickly

NAN = float("nan")
VALUES = st.sampled_from([0.0, 1.0, -2.5, 3.25, 1e-3, 7e5, NAN, math.inf])


@st.composite
def pairs_of_series(draw: st.DrawFn) -> Tasks:
    """Tasks with two metrics at iterations that are seldom the same; some have only one of them."""
    tasks = []
    for number in range(draw(st.integers(1, 4))):
        points: list[Any] = []
        for metric in ("m", "x"):
            places = sorted(draw(st.sets(st.integers(0, 9), max_size=6)))
            points += [(metric, "v", at, draw(VALUES), at) for at in places]
        tasks.append({"task_id": f"{number:032x}", "points": points or [("m", "v", 0, 1.0, 0)]})
    return tasks


def read(task: Any, metric: str) -> pd.DataFrame:
    rows = [(at, value) for name, _, at, value, _ in task["points"] if name == metric]
    frame = pd.DataFrame(rows, columns=["iteration", metric])
    return frame.astype({"iteration": "int64", metric: "float64"})


def against(task: Any) -> list[tuple[float, int, float]]:
    """Pair the points of a task as pandas does."""
    paired = pd.merge_asof(read(task, "m"), read(task, "x"), on="iteration")
    kept = paired[np.isfinite(paired["x"])].sort_values(["x", "iteration"])
    return list(zip(kept["x"], kept["iteration"], kept["m"], strict=True))


@given(tasks=pairs_of_series())
@quickly
def test_another_metric_is_the_horizontal_axis(make_dataset: MakeDataset, tasks: Tasks) -> None:
    tasks = [*tasks, {"task_id": "f" * 32, "points": [(m, "v", 0, 2.0, 0) for m in "mx"]}]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", x="x")
    for task in tasks:
        found = [
            (row["x"], row["iteration"], row["value"])
            for row in rows
            if row["task_id"] == task["task_id"]
        ]
        wanted = against(task)
        assert [row[:2] for row in found] == [row[:2] for row in wanted]
        values = [row[2] for row in wanted]
        assert [row[2] for row in found] == pytest.approx(values, nan_ok=True)


def ramp(iterations: Sequence[int], start: float = 0.0, metric: str = "m") -> list[Any]:
    """Give a point per iteration, one a second, with its place in time as its value."""
    return [(metric, "v", at, start + n, start + n) for n, at in enumerate(iterations)]


def joined(iterations: Sequence[int]) -> list[int]:
    """Join iterations in the order of their wall time, one by one; an independent definition."""
    steps = [after - before for before, after in itertools.pairwise(iterations)]
    forward = [step for step in steps if step > 0]
    usual = median_low(forward) if forward else 1
    stretches = [[iterations[0]]]
    for n, step in enumerate(steps):
        around = [usual, *steps[max(n - 1, 0) : n], *steps[n + 1 : n + 2]]
        if step < -2 * usual or step > 10 * max(around):
            stretches.append([])
        stretches[-1].append(iterations[n + 1])
    placed, end = [], min(stretches[0]) - usual
    for stretch in stretches:
        placed += [end + usual + at - min(stretch) for at in stretch]
        end = max(placed)
    return placed


RESUMED = {
    "usual": [0, 1, 2, 3, 4],
    "anew": [*range(51, 101), *range(51)],
    "a jump": [*range(10), *range(500, 520)],
    "both": [*range(0, 100, 10), *range(900, 990, 10), *range(5, 45, 10)],
    "written in another order": [0, 2, 1, 3, 5, 4, 6],
    "longer and longer": [1, 10, 100, 1000, 10_000, 100_000],
    "one": [7],
}


@pytest.mark.parametrize("name", RESUMED)
def test_resumed_tasks_are_joined(make_dataset: MakeDataset, name: str) -> None:
    iterations = RESUMED[name]
    tasks = [{"task_id": "a" * 32, "points": ramp(iterations)}]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", offset_resumed=True)
        groups = answer(dataset, "curve", metric="m", offset_resumed=True, by="project")
    by_time = sorted(rows, key=lambda row: row["value"])
    assert [row["iteration"] for row in by_time] == iterations, "as they were logged"
    assert [row["x"] for row in by_time] == joined(iterations)
    assert [(row["iteration"], row["mean"]) for row in groups] == [
        (row["x"], row["value"]) for row in rows
    ]


@given(iterations=st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True))
@quickly
def test_any_iterations_are_joined(make_dataset: MakeDataset, iterations: list[int]) -> None:
    with open_dataset(make_dataset([{"task_id": "a" * 32, "points": ramp(iterations)}])) as dataset:
        rows = answer(dataset, "curve", metric="m", offset_resumed=True)
    by_time = sorted(rows, key=lambda row: row["value"])
    assert [row["x"] for row in by_time] == joined(iterations)


def test_what_was_moved_or_left_out_is_said(make_dataset: MakeDataset) -> None:
    anew = [*range(6, 12), *range(6)]
    tasks = [
        {"task_id": "a" * 32, "name": "resumed", "points": ramp(anew)},
        {"task_id": "b" * 32, "points": ramp(range(5)) + ramp(range(2, 4), metric="x")},
        {"task_id": "c" * 32, "points": [("m", "v", 0, 1.0, 0), ("x", "v", 0, NAN, 0)]},
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        notes = dataset.answer("curve", metric="m", offset_resumed=True).notes
        assert (
            "`offset_resumed=True`: 1 break in the iterations of 1 curve of 1 task joined; m/v of "
            "'resumed' has 0 after 11"
        ) in notes
        notes = dataset.answer("curve", metric="x", offset_resumed=True).notes
        assert (
            "`offset_resumed=True`: no iterations begin anew or jump, so nothing was moved" in notes
        )
        notes = dataset.answer("curve", metric="m", x="x").notes
        assert "1 of 3 tasks has no points of x/v and are left out" not in notes
        assert "1 of 3 tasks has no points of x/v and is left out" in notes
        assert "1 of 3 tasks: points before the first one of x/v are left out" in notes
        assert "1 of 3 tasks: points where x/v is not finite are left out" in notes


def test_nothing_is_carried_along_a_metric(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": letter * 32, "points": [("m", "v", n, value, n) for n, value in enumerate(m)]}
        for letter, m in {"a": [0.0, 10.0], "b": [1.0, 2.0, 9.0], "c": [4.0, 5.0, 6.0]}.items()
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", by="project", x="m", points=10)
        assert [(row["x"], row["mean"], row["n"]) for row in rows] == [
            *((x, x, 1) for x in (0.0, 1.0, 2.0, 4.0, 5.0, 6.0)),
            (9.0, 9.5, 2),  # the last part has its upper end
        ]
        assert {row["n_filled"] for row in rows} == {0}
        carried = answer(dataset, "curve", metric="m", by="project", x="m", points=10, align="last")
        assert [row["mean"] for row in carried][1:3] == [0.5, 1.0]


def test_a_horizontal_axis_that_goes_up_and_down_is_named(make_dataset: MakeDataset) -> None:
    def task(letter: str, xs: Sequence[float]) -> dict[str, Any]:
        points = [("x", "v", n, x, n) for n, x in enumerate(xs)]
        return {"task_id": letter * 32, "points": ramp(range(len(xs))) + points}

    falling, rising, both = task("a", [3, 2, 1]), task("b", [1, 1, 2]), task("c", [1, 5, 2])
    line = "x/v goes up and down; points are in its order, not in that of the iterations"
    with open_dataset(make_dataset([falling, rising, both])) as dataset:
        notes = dataset.answer("curve", metric="m", x="x").notes
        assert f"1 of 3 tasks: {line}" in notes
    with open_dataset(make_dataset([falling, rising])) as dataset:
        notes = dataset.answer("curve", metric="m", x="x").notes
        assert not [note for note in notes if line in note]


@pytest.mark.parametrize("suspect_zeros", ["include", "exclude"])
def test_suspect_zeros_of_the_horizontal_axis_are_counted(
    make_dataset: MakeDataset, suspect_zeros: str
) -> None:
    xs = [4.0 - n / 100 if n != 55 else 0.0 for n in range(80)]
    points = [("x", "v", n, x, n) for n, x in enumerate(xs)]
    others = [{"task_id": "b" * 32, "points": points}]
    task = {"task_id": "a" * 32, "points": ramp(range(80)) + points}
    with open_dataset(make_dataset([task, *others])) as dataset:
        asked = dataset.answer("curve", metric="m", x="x", suspect_zeros=suspect_zeros)
        rows = answer(dataset, "curve", metric="m", x="x", suspect_zeros=suspect_zeros)
        is_out = suspect_zeros == "exclude"
        assert len([row for row in rows if row["x"] == 0]) == (not is_out)
        [line] = [note for note in asked.notes if "probably NaN" in note]
        assert line.startswith("x/v: 1 value of 1 task is probably NaN")
        assert line.endswith("left out") == is_out


def test_a_metric_with_the_name_of_a_time(make_dataset: MakeDataset) -> None:
    points = ramp(range(3)) + [("time", "s", n, 10.0 * n, n) for n in range(3)]
    with open_dataset(make_dataset([{"task_id": "a" * 32, "points": points}])) as dataset:
        assert answer(dataset, "curve", metric="m", x="time")[0]["x"] > 1e9
        rows = answer(dataset, "curve", metric="m", x="time/s")
        assert [row["x"] for row in rows] == [0.0, 10.0, 20.0]


@pytest.mark.parametrize(
    ("typed", "error", "complaint"),
    [
        ({"x": "tim"}, NoSuchNameError, "no `x` 'tim'; did you mean 'time'"),
        ({"x": "y"}, NoSuchNameError, "no metric 'y'"),
        ({"x": "m*"}, UsageError, "is several metrics; name one of m/v, mm/v"),
        ({"x": "time", "offset_resumed": True}, UsageError, "moves iterations; omit `x`"),
        (
            {"metric": "far", "by": "project", "offset_resumed": True},
            SnapshotError,
            "too far apart",
        ),
    ],
)
def test_what_cannot_be_meant(
    make_dataset: MakeDataset, typed: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    ends = [("far", "v", 2**63 - 1, 1.0, 0), ("far", "v", -(2**63), 1.0, 1)]
    points = ramp(range(2)) + ramp(range(2), metric="mm") + ends
    with (
        open_dataset(make_dataset([{"task_id": "a" * 32, "points": points}])) as dataset,
        pytest.raises(error, match=complaint),
    ):
        answer(dataset, "curve", **{"metric": "m", **typed})
