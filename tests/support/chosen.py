"""Histories for queries that compare tasks, and what plain Python makes of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from clearml_snapshot.queries import Dataset

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
Point = tuple[str, str, int | None, float | None]
Tasks = list[dict[str, Any]]

NAN, INF = math.nan, math.inf
LEAST = -(2**63)
odd_values = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 2.0, 1e300, NAN, INF, -INF]), st.none(), st.floats(-9, 9)
)
odd_iterations = st.one_of(st.integers(-3, 5), st.sampled_from([None, LEAST, 2**63 - 1]))
odd_texts = st.sampled_from(["0.1", 'it\'s "1"', "🚀/x", "", None])
quickly = settings(max_examples=6)
"""Each dataset is queried three times over one connection, since opening one costs the most."""


def answer(dataset: Dataset, name: str, **typed: Any) -> list[dict[str, Any]]:
    return dataset.rows(dataset.query(name, **typed)).as_dicts()


@st.composite
def histories(draw: st.DrawFn) -> Tasks:
    """Tasks with an even number of odd things in their points, parameters and tags."""
    tasks: Tasks = []
    for number in range(draw(st.integers(2, 5))):
        keys = st.tuples(st.sampled_from(["m", "a/b"]), st.just("v"), odd_iterations)
        points = draw(st.dictionaries(keys, odd_values, max_size=9))
        params = draw(st.dictionaries(st.sampled_from(["lr", "seed", "n'a/me"]), odd_texts))
        tasks.append(
            {
                "task_id": f"{number:032x}",
                "tags": draw(st.lists(st.sampled_from(["x", "🚀", "it's"]), max_size=3)),
                "project": draw(st.sampled_from([None, "p/q"])),
                "points": [(*key, value) for key, value in points.items()],
                "params": [
                    {"section": "Args", "name": name, "value": value, "type": None}
                    for name, value in params.items()
                ],
            }
        )
    # both metrics exist, or their names would be errors
    tasks.append(
        {"task_id": "f" * 32, "points": [("m", "v", 1, NAN), ("a/b", "v", 1, None)], "params": []}
    )
    tasks[-1] |= {"tags": [], "project": None}
    tasks[-1]["params"] = [{"section": "Args", "name": n, "value": "z"} for n in ("lr", "seed")]
    return tasks


def three(typed: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Three ways to query the same dataset."""
    return st.lists(st.fixed_dictionaries(typed), min_size=3, max_size=3)


def finite(task: Mapping[str, Any], metric: str) -> list[tuple[int | None, float]]:
    """Give the finite points of a series in the order of iterations, a single value first."""
    points = [
        (iteration, value)
        for name, _, iteration, value in task["points"]
        if name == metric and value is not None and math.isfinite(value)
    ]
    return sorted(points, key=lambda point: (point[0] is not None, point[0] or 0))


def has(task: Mapping[str, Any], metric: str) -> bool:
    return any(point[0] == metric for point in task["points"])


def best_of(points: list[tuple[int | None, float]], what: str) -> Any:
    """Give value and iteration of what counts; the earliest of ties, a single value last."""
    late = [(value, point is None, point or 0, point) for point, value in points]
    if not points:
        return (None, None)
    if what == "max":
        best = min(late, key=lambda point: (-point[0], *point[1:3]))
    elif what == "min":
        best = min(late, key=lambda point: point[:3])
    elif what == "last":
        best = late[-1]
    else:
        scale = 2.0**-600 if max(abs(value) for _, value in points) > 1e150 else 1.0
        return (math.fsum(v * scale for _, v in points) / len(points) / scale, None)
    return (best[0], best[3])


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or left == right or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)


def replicates(make_dataset: MakeDataset) -> Path:
    def task(letter: str, value: float, **params: str | None) -> dict[str, Any]:
        settings = [{"section": "Args", "name": n, "value": v} for n, v in params.items()]
        return {"task_id": letter * 32, "points": [("m", "v", 1, value)], "params": settings}

    return make_dataset(
        [
            task("a", 1.0, lr="0.1", seed="1", same="s"),
            task("b", 3.0, lr="0.1", seed="2", same="s"),
            task("c", 5.0, lr="it's", seed="1", same="s"),
            task("d", 7.0, seed="1", same="s"),
            task("e", NAN, lr=None, seed="9", same="s"),
            {"task_id": "0" * 32, "params": [{"section": "Args", "name": "x", "value": "1"}]},
        ]
    )
