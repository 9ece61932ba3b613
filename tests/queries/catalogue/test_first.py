"""``first`` against the same search in plain Python."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import UsageError
from tests.support import answers
from tests.support.nasty import INF, NAN, Point, curve, nasty, seconds, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


def ask(folder: Path, **typed: Any) -> list[dict[str, Any]]:
    return answers.ask(folder, "first", **typed)


def search(points: Sequence[Point], typed: Mapping[str, Any]) -> Point | None:
    """Find the first of K points in a row that are all beyond the threshold."""
    length = typed.get("for_", 1)

    def beyond(value: float | None) -> bool:
        if value is None or not math.isfinite(value):
            return False
        return bool(value > typed["above"] if "above" in typed else value < typed["below"])

    for at in range(len(points) - length + 1):
        if all(beyond(p.value) for p in points[at : at + length]):
            return points[at]
    return None


def check(folder: Path, tasks: Sequence[Mapping[str, Any]], typed: Mapping[str, Any]) -> None:
    expected = {}
    for key, points in series(tasks):
        known = [p for p in points if p.iteration is not None]
        if known:
            expected[key] = (known[0], search(known, typed))
    rows = ask(folder, **typed)
    assert {(r["metric"], r["variant"], r["task_id"]) for r in rows} == set(expected)
    assert len(rows) == len(expected)
    for row in rows:
        start, expected_first = expected[row["metric"], row["variant"], row["task_id"]]
        assert row["reached"] == (expected_first is not None)
        if expected_first is None:
            assert (row["iteration"], row["value"], row["seconds"]) == (None, None, None)
            continue
        assert (row["iteration"], row["value"]) == (expected_first.iteration, expected_first.value)
        assert seconds(row["timestamp"]) == expected_first.seconds
        both = expected_first.seconds is not None and start.seconds is not None
        assert row["seconds"] == (expected_first.seconds - start.seconds if both else None)  # type: ignore[operator]  # both are known


@pytest.mark.parametrize(
    "typed",
    [
        {"above": 0.5},
        {"above": 0.0, "for_": 2},
        {"below": 0.5},
        {"below": 0.2, "for_": 3},
        {"below": -1e300},
        {"above": 5.0},
        {"above": 4.0, "for_": 2},
        {"above": 4.0, "for_": 1000},
    ],
)
def test_on_a_nasty_history(make_dataset: MakeDataset, typed: dict[str, Any]) -> None:
    check(make_dataset(nasty()), nasty(), typed)


values = st.sampled_from([0.0, 1.0, 2.0, NAN, INF, -INF, None])
thresholds = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, INF, -INF])


@given(
    curves=st.lists(st.lists(values, max_size=7), min_size=4, max_size=6),
    side=st.sampled_from(["above", "below"]),
    threshold=thresholds,
    length=st.integers(1, 4),
)
@settings(max_examples=9)
def test_on_any_history(
    make_dataset: MakeDataset, curves: list[Any], side: str, threshold: float, length: int
) -> None:
    tasks = [{"task_id": f"{n:032x}", "points": curve(one)} for n, one in enumerate(curves)]
    check(make_dataset(tasks), tasks, {side: threshold, "for_": length})


def test_the_earliest_come_first_and_the_others_last(make_dataset: MakeDataset) -> None:
    curves = {"a": [0.0, 0.0], "b": [0.0, 0.0, 0.9], "c": [0.0, 0.9]}
    folder = make_dataset([{"task_id": k * 32, "points": curve(v)} for k, v in curves.items()])
    rows = ask(folder, metric="loss", above=0.5)
    assert [(r["task_id"][0], r["reached"]) for r in rows] == [
        ("c", True),
        ("b", True),
        ("a", False),
    ]


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ({}, "either above or below"),
        ({"above": 1.0, "below": 0.0}, "either above or below"),
        ({"above": 1.0, "for_": 0}, "`for_=0`: use a number of at least 1"),
    ],
)
def test_what_cannot_be_meant(
    make_dataset: MakeDataset, typed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        ask(make_dataset([{"task_id": "a" * 32, "points": curve([1.0])}]), **typed)
