"""Zeros that may be NaN and are the only values of their series: named, never left out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from tests.queries.conftest import MakeDataset

soak = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 includes them everywhere")

USUAL = [0.31, 0.36, 0.4, 0.41, 0.45, 0.39]


def tasks(*values: float | None, iteration: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """Write a task for each value, with a single value and a curve that is in order."""
    curve = [("loss", "v", at, 2.0 - at / 10) for at in range(10)]
    return [
        {
            "task_id": f"{number:x}" * 32,
            "points": [*curve, ("final", "rouge", iteration, value)],
            "user": "Ada",
            **more,
        }
        for number, value in enumerate(values)
    ]


def notes(folder: Path, name: str, filter: TaskFilter | None = None, **typed: Any) -> list[str]:
    with open_dataset(folder, filter=filter) as dataset:
        every = dataset.answer(name, **typed).notes
    return [line for line in every if "NaN" in line]


NOTE = (
    "final/rouge: the 0.0 of task 00000000 may be a NaN (the SDK logs NaN as 0; other tasks have "
    "0.31 to 0.45); it is the only value of its series and cannot be checked"
)
KEPT = f"{NOTE}, so `suspect_zeros='exclude'` keeps it"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("min", {}),
        ("max", {"by": "task"}),
        ("last", {"by": "task"}),
        ("min", {"value": "mean"}),
        ("max", {"metric": "loss", "at": "final", "by": "task", "value": "last"}),
        ("best", {"metric": "final", "best": "min"}),
        ("leaderboard", {"metric": "final", "best": "min", "top": 1}),
        ("leaderboard", {"metric": "loss", "best": "min", "also": "final"}),
        ("group", {"metric": "final", "best": "max", "by": "user"}),
        ("stats", {"metric": "final"}),
        ("compare", {"tasks": ["0" * 32, "1" * 32]}),
        ("wide", {}),
        ("wide", {"per": "task", "metric": "final"}),
        ("metrics", {}),
    ],
)
@pytest.mark.parametrize("choice", ["exclude", pytest.param("include", marks=soak)])
def test_a_zero_in_an_answer_is_named(
    written: MakeDataset, name: str, typed: dict[str, Any], choice: str
) -> None:
    single = None if "at" not in typed else 9  # --at takes the value at an iteration
    folder = written(tasks(0.0, *USUAL, iteration=single))
    assert notes(folder, name, **typed, suspect_zeros=choice) == [KEPT]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("max", {}),
        ("best", {"metric": "final", "best": "max"}),
        ("leaderboard", {"metric": "final", "best": "max", "top": 3}),
        ("group", {"metric": "loss", "best": "min"}),
        ("group", {"metric": "final", "best": "max", "smooth": 0.5}),
        ("stats", {"metric": "final", "iterations": "0:"}),
        ("compare", {"tasks": ["1" * 32, "2" * 32]}),
        ("curve", {"metric": "final"}),
        ("health", {"kind": ["gap"]}),
        ("tasks", {}),
    ],
)
def test_a_zero_outside_an_answer_is_not(
    written: MakeDataset, name: str, typed: dict[str, Any]
) -> None:
    assert notes(written(tasks(0.0, *USUAL)), name, **typed) == []


@pytest.mark.parametrize(
    ("name", "typed"),
    [("min", {}), ("leaderboard", {"metric": "final", "best": "min"}), ("wide", {})],
)
def test_a_zero_is_named_where_it_was_to_be_included(
    written: MakeDataset, name: str, typed: dict[str, Any]
) -> None:
    assert notes(written(tasks(0.0, *USUAL)), name, **typed, suspect_zeros="include") == [KEPT]


def test_health_names_it_too(written: MakeDataset) -> None:
    folder = written(tasks(0.0, *USUAL))
    assert notes(folder, "health") == notes(folder, "health", kind="zero") == [NOTE]


@pytest.mark.parametrize("name", ["curve", "first"])
def test_a_curve_of_one_point_has_no_neighbours_either(written: MakeDataset, name: str) -> None:
    folder = written(tasks(0.0, *USUAL, iteration=7))
    typed: dict[str, Any] = {"above": 0.5} if name == "first" else {}
    assert notes(folder, name, metric="final", **typed) == [KEPT]
    assert notes(folder, "min", metric="final") == [KEPT]


def test_a_filter_does_not_change_what_is_compared(written: MakeDataset) -> None:
    folder = written(tasks(0.0, *USUAL))
    assert notes(folder, "min", TaskFilter(task_ids=("0" * 32,))) == [KEPT]
    assert notes(folder, "min", TaskFilter(task_ids=("1" * 32,))) == []


def test_several_tasks_are_one_line(written: MakeDataset) -> None:
    folder = written(tasks(*[0.0] * 3, *USUAL, *USUAL))
    (line,) = notes(folder, "group", metric="final", best="max")
    assert "the 0.0 of 3 tasks (00000000, 11111111, 22222222) may be a NaN" in line


def test_what_the_user_set_counts_as_nan(written: MakeDataset) -> None:
    folder = written(tasks(-1.0, *USUAL))
    (line,) = notes(folder, "min", metric="final", nan_value=-1)
    assert "the -1.0 of task 00000000 may be a NaN (NaN was logged as -1; other tasks" in line
    assert notes(folder, "min", metric="final") == []


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.0, *USUAL[:3]], id="few others"),
        pytest.param([0.0, 0.0, *USUAL], id="more than a fifth"),
        pytest.param([0.0, *USUAL, 0.1], id="one of the others is near 0"),
        pytest.param([0.0, *USUAL, -0.4], id="on both sides"),
        pytest.param([0.0, 31.0, 36.0, 40.0, 41.0, 45.0], id="counts"),
        pytest.param([0.5, *USUAL], id="no zero"),
        pytest.param([float("nan"), None, *USUAL], id="NaN itself"),
    ],
)
def test_other_zeros_are_left_alone(written: MakeDataset, values: Sequence[float | None]) -> None:
    folder = written(tasks(*values))
    assert notes(folder, "group", metric="final", best="max") == []
