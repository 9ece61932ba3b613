"""Two datasets to compare."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from clearml_snapshot.queries.diff.model import Choice
from tests.queries.conftest import write

NAN, INF = math.nan, math.inf

Key = tuple[str, str, int | None]
Tasks = dict[str, dict[Key, float | None]]
"""Points by task id."""


def rows_of(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def tasks_of(tasks: Tasks, **columns: Any) -> list[dict[str, Any]]:
    return [
        {
            "task_id": task_id,
            "points": [(*key, value) for key, value in points.items()],
            **columns,
        }
        for task_id, points in tasks.items()
    ]


def differing(first: float | None, second: float | None) -> bool:
    both_nan = first is not None and second is not None and math.isnan(first) and math.isnan(second)
    return first != second and not both_nan


def maxima(tasks: Tasks) -> dict[tuple[str, str], tuple[float, int | None, str]]:
    """Find the maximum of each series over all tasks, ties as the query max decides them."""
    by_series: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for task_id, points in tasks.items():
        for (metric, variant, iteration), value in points.items():
            if value is not None and math.isfinite(value):
                order = INF if iteration is None else iteration
                by_series.setdefault((metric, variant), []).append((-value, order, task_id))
    best = {series: min(ranked) for series, ranked in by_series.items()}
    return {s: (-v, None if at == INF else int(at), t) for s, (v, at, t) in best.items()}


LINE: dict[Key, float | None] = {("loss", "x", at): float(at) for at in range(3)}


def both(tmp_path: Path, *exports: Sequence[Mapping[str, Any]]) -> tuple[Choice, Choice]:
    """Take two exports of one dataset."""
    for tasks in exports:
        write(tmp_path / "data", tasks)
    return Choice(tmp_path / "data", -1), Choice(tmp_path / "data")


def of_values(*values: float | None) -> dict[Key, float | None]:
    return {("loss", "x", at): value for at, value in enumerate(values)}
