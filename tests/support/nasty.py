"""A history with everything odd in it: what each query of the catalogue is tested on.

NaN, infinities, values that are not a number, ties, single values, gaps, unequal lengths, empty
tasks, times that are missing or run backwards, the ends of int64, and names that hold anything.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

NAN, INF = math.nan, math.inf
START = datetime(2026, 1, 1, tzinfo=UTC)
QUOTED, SLASHED, ROCKET = 'it\'s "quoted"; --', "loss/train", "🚀 lift-off"


class Point(NamedTuple):
    """A point as ``conftest.write`` takes it."""

    metric: str
    variant: str
    iteration: int | None
    value: float | None
    seconds: int | None
    """Since 2026."""


def curve(
    values: Sequence[float | None], metric: str = "loss", variant: str = "train", step: int = 1
) -> list[Point]:
    """Give points at 0, step, 2 × step, … ten seconds apart."""
    return [Point(metric, variant, at * step, value, at * 10) for at, value in enumerate(values)]


def _wave(length: int) -> list[float | None]:
    return [2.0 / (1 + n) + math.sin(n) / 10 for n in range(length)]


def _param(name: str, value: str | None, section: str = "Args") -> dict[str, Any]:
    return {"section": section, "name": name, "value": value, "type": "float"}


def nasty() -> list[dict[str, Any]]:
    """Return the tasks; each query's test states what it expects of them."""
    a, b = (
        {"project_id": "a" * 32, "project": "team/a"},
        {"project_id": "b" * 32, "project": ROCKET},
    )
    return [
        {
            "task_id": "1" * 32,
            "name": QUOTED,
            "created": START,
            "started": START,
            "completed": START + timedelta(seconds=90, milliseconds=700),
            "tags": ["v1", "it's"],
            "last_iteration": 39,
            "points": [
                *curve(_wave(40)),
                *curve([0.5, NAN, 0.9, None, 0.9, INF, -INF, 0.1], "acc", "val"),
                Point("acc", "val", None, 0.99, 3),
                Point(":monitor:gpu", "gpu_0", 0, 50.0, 0),
            ],
            "params": [_param("lr", "0.1"), _param("seed", "1"), _param("lr", "x", "a/b")],
            **a,
        },
        {
            "task_id": "2" * 32,
            "name": ROCKET,
            "created": START + timedelta(days=1),
            "active_duration": 7,
            "started": START,
            "points": [
                *curve([NAN, *_wave(7), NAN], step=10),
                *curve([3.0, 3.0, 3.0], SLASHED, "x/y"),
                *curve([1.0, 5.0, 5.0, 1.0], QUOTED, ROCKET, 1000),
            ],
            "params": [_param("lr", "0.1"), _param("seed", "2"), _param("b/lr", "y", "a")],
            **b,
        },
        {
            "task_id": "3" * 32,
            "name": ROCKET,
            "created": START + timedelta(days=1),
            "status": "in_progress",
            "started": START,
            "last_update": START + timedelta(hours=1),
            "archived": True,
            "points": [
                Point("loss", "train", -(2**63), 1e308, 5),
                Point("loss", "train", -7, -1e308, 3),
                Point("loss", "train", 0, 1e-3, None),
                Point("loss", "train", 2**63 - 1, 1e308, 1),
                Point(SLASHED, "x/y", None, -2.5, 1),
            ],
            "params": [_param("lr", None), _param("LR", "1e-3", "General")],
            **a,
        },
        {
            "task_id": "4" * 32,
            "name": None,
            "points": [*curve([NAN, INF, None], QUOTED, ROCKET), Point("acc", "val", 4, 0.0, 9)],
            "state": "shrunk",
            "reason": "the server holds 1 of its 4 points",
        },
        {"task_id": "5" * 32, "name": "empty", "created": START - timedelta(days=400)},
        {"task_id": "6" * 32, "name": "failed", "state": "failed", "reason": "no answer"},
    ]


Key = tuple[str, str, str]
"""Metric, variant, task id."""


def series(
    tasks: Sequence[Mapping[str, Any]], *, monitor: bool = False
) -> Iterator[tuple[Key, list[Point]]]:
    """Give the points of each series by iteration, single values last."""
    points: dict[Key, list[Point]] = {}
    for task in tasks:
        for point in map(Point._make, task.get("points", ())):
            if monitor or not point.metric.startswith(":monitor:"):
                points.setdefault((point.metric, point.variant, task["task_id"]), []).append(point)
    for key in sorted(points):
        yield key, sorted(points[key], key=lambda p: (p.iteration is None, p.iteration or 0))


def finite(points: Sequence[Point]) -> list[float]:
    """Give the finite values in the order of the points."""
    return [p.value for p in points if p.value is not None and math.isfinite(p.value)]


def seconds(moment: datetime | None) -> float | None:
    """Turn a time of an answer back into seconds since 2026."""
    return None if moment is None else (moment - START).total_seconds()
