"""The examples of docs/queries.md work as they are printed there, and are right."""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.user_queries import load
from tests.support.nasty import INF, NAN, START, Point, curve, nasty, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
PAGE = Path(__file__).parents[3] / "docs" / "queries.md"
EXAMPLE = re.compile(r"^### `(\w+)\.sql`: .*?^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    folder = tmp_path / "queries"
    folder.mkdir()
    for name, sql in EXAMPLE.findall(PAGE.read_text(encoding="utf-8")):
        (folder / f"{name}.sql").write_text(sql, encoding="utf-8")
    own = load([folder])
    assert own.problems == ()
    assert list(own.queries) == ["area", "throughput", "weekly"]

    def answer(data: Path, name: str, **typed: Any) -> list[dict[str, Any]]:
        query = own.queries[name]
        with open_dataset(data) as dataset:
            return dataset.rows(dataset.query(query, **typed)).as_dicts()

    return answer


def test_area(make_dataset: MakeDataset, ask: Callable[..., list[dict[str, Any]]]) -> None:
    tasks = [task for task in nasty() if task["task_id"] != "3" * 32]
    rows = ask(make_dataset(tasks), "area", metric=["*"])
    areas = {(r["metric"], r["variant"], r["task_id"]): r["area"] for r in rows}
    for key, points in series(tasks, monitor=True):
        known = [
            (p.iteration, p.value)
            for p in points
            if p.iteration is not None and p.value is not None and math.isfinite(p.value)
        ]
        if known:
            steps = pairwise(known)
            area = [(x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in steps]
            assert areas.pop(key) == (pytest.approx(sum(area)) if area else None)
    assert areas == {}


def test_height(make_dataset: MakeDataset, ask: Callable[..., list[dict[str, Any]]]) -> None:
    points = [Point("loss", "t", 0, 4.0, 0), Point("loss", "t", 1, 2.0, 0)]
    points += [Point("loss", "t", 2, NAN, 0), Point("loss", "t", 5, 2.0, 0)]
    (row,) = ask(make_dataset([{"task_id": "a" * 32, "points": points}]), "area", metric="loss")
    assert (row["area"], row["height"]) == (3.0 + 8.0, 11 / 5)


def test_throughput(make_dataset: MakeDataset, ask: Callable[..., list[dict[str, Any]]]) -> None:
    monitored = Point(":monitor:gpu", "x", 10**6, 1.0, 10**6)
    fast = [*curve([1.0] * 37, step=10), *curve([INF] * 37, "acc"), monitored]
    folder = make_dataset(
        [
            {"task_id": "a" * 32, "points": fast},
            {"task_id": "b" * 32, "points": curve([1.0])},
            {"task_id": "c" * 32, "points": [Point("m", "v", n, 1.0, 5) for n in range(3)]},
        ]
    )
    rows = {r["task_id"][0]: r for r in ask(folder, "throughput")}
    assert list(rows) == ["a", "c"], "b has a single point"
    assert rows["a"]["hours"] == pytest.approx(0.1)
    assert rows["a"]["points_per_hour"] == pytest.approx(740)
    assert rows["a"]["iterations_per_hour"] == pytest.approx(3600)
    assert (rows["c"]["hours"], rows["c"]["points_per_hour"]) == (0, None)
    assert len(ask(folder, "throughput", least_points=1)) == 3


@pytest.mark.parametrize("best", ["highest", "lowest"])
def test_weekly(
    make_dataset: MakeDataset, ask: Callable[..., list[dict[str, Any]]], best: str
) -> None:
    results = [3.0, 1.0, 2.0, 5.0, 4.0, 4.5, -1.0]
    tasks = [
        {
            "task_id": f"{n:032x}",
            "created": START + timedelta(days=4 * n),
            "points": curve([result, NAN]),
        }
        for n, result in enumerate(results)
    ]
    rows = ask(make_dataset(tasks), "weekly", metric="loss", variant="train", best=best)
    weeks: dict[date, list[float]] = {}
    for n, result in enumerate(results):
        day = (START + timedelta(days=4 * n)).date()
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(result)
    pick = max if best == "highest" else min
    before: list[float] = []
    for row, (week, values) in zip(rows, sorted(weeks.items()), strict=True):
        assert (row["week"], row["n_tasks"]) == (week, len(values))
        assert (row["best"], row["median"]) == (pick(values), statistics.median(values))
        better = bool(before) and pick([*before, pick(values)]) not in before
        assert row["gain"] == (abs(pick(values) - pick(before)) if better else None)
        before += values
