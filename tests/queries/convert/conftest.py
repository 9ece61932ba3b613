"""Datasets to copy, and what of them a copy must have."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.convert.copying import convert
from clearml_snapshot.queries.convert.model import Copied, CopyOptions, Viewer
from tests.queries.convert.test_names import HOSTILE

HOSTILE_TASKS = [
    {
        "task_id": f"{number:032x}",
        "name": name.encode(errors="ignore").decode(),
        "project": f"{name.encode(errors='ignore').decode()}/sub",
        "project_id": f"p{number}",
        "points": [(f"loss {number}", name.encode(errors="ignore").decode(), 0, float(number))],
        "params": [
            {"section": "Args", "name": name.encode(errors="ignore").decode(), "value": "1"}
        ],
    }
    for number, name in enumerate(HOSTILE)
]

Curve = list[tuple[int, float, float | None]]
"""Step, value and seconds since 2026."""


def copy(data: Path, viewer: Viewer, target: Path, options: CopyOptions | None = None) -> Copied:
    with open_dataset(data) as dataset:
        return convert(dataset, viewer, target, options)


def expected(tasks: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """The curves of each task as a copy names them, computed without the dataset."""
    points = [
        (task["task_id"], *(*point, at)[:5])
        for task in tasks
        for at, point in enumerate(task.get("points", ()))
    ]
    with_curve = {(metric, variant) for _, metric, variant, step, *_ in points if step is not None}
    curves: dict[str, dict[str, Curve]] = {}
    for task_id, metric, variant, step, value, seconds in points:
        if metric.startswith(":monitor:") or value is None:
            continue
        name = f"{metric}/{variant}" if variant else metric
        if step is None and (metric, variant) in with_curve:
            name += " (single value)"
        curve = curves.setdefault(task_id, {}).setdefault(name, [])
        curve.append((step or 0, value, seconds))
        curve.sort(key=lambda point: point[0])
    return curves


def same(found: Sequence[float], wanted: Sequence[float]) -> bool:
    """Whether numbers are equal bit for bit, but for the payload of NaN."""
    return len(found) == len(wanted) and all(
        (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
        for a, b in zip(found, wanted, strict=True)
    )
