"""The histories: repeatable, believable, and honest about what the server would keep."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import (
    ANCHOR,
    demo_history,
    grid_history,
    grid_value,
)
from clearml_snapshot.exporter.standin.data.points import SCALAR


def points(database: Database, task: str) -> list[tuple[str, str, int, float]]:
    table = database.events[task].table()
    rows = table.select(SCALAR, None)
    series = [table.series[code] for code in table.code[rows]]
    pairs = zip(table.iterations[rows].tolist(), table.values[rows].tolist(), strict=True)
    return [(s.metric, s.variant, i, v) for s, (i, v) in zip(series, pairs, strict=True)]


def last(task: dict[str, Any], metric: str, variant: str) -> dict[str, Any]:
    entries = (entry for part in task["last_metrics"].values() for entry in part.values())
    return next(e for e in entries if (e["metric"], e["variant"]) == (metric, variant))


def test_the_same_seed_gives_the_same_history() -> None:
    first, second, other = demo_history(7), demo_history(7), demo_history(8)
    assert first.tasks == second.tasks
    assert all(points(first, task) == points(second, task) for task in list(first.tasks)[:5])
    assert first.tasks.keys() != other.tasks.keys()


def test_the_demo_history_has_everything_a_team_has() -> None:
    database = demo_history()
    tasks = database.tasks.values()
    assert 60 <= len(tasks) <= 100
    assert 200_000 <= sum(len(events) for events in database.events.values()) <= 400_000
    statuses = {task["status"] for task in tasks}
    assert statuses >= {"created", "queued", "in_progress", "completed", "failed", "stopped"}
    assert "published" in statuses
    system_tags = {tag for task in tasks for tag in task["system_tags"]}
    assert system_tags == {"archived", "hidden", "dataset"}
    assert len(database.projects) >= 6
    assert all(task["last_update"] <= ANCHOR for task in tasks)
    assert any("/" in project["name"] for project in database.projects.values())
    diverged = [task for task in tasks if "resnet50 lr=0.1" in task["name"]]
    stored = points(database, diverged[0]["id"])
    losses = [v for metric, variant, _, v in stored if (metric, variant) == ("loss", "train")]
    assert losses[-1] == 0.0
    assert max(losses) > 100


def test_summaries_agree_with_the_points() -> None:
    database = demo_history()
    for task in list(database.tasks.values())[:10]:
        stored = points(database, task["id"])
        for metric, variant in {(m, v) for m, v, _, _ in stored}:
            values = [value for m, v, _, value in stored if (m, v) == (metric, variant)]
            summary = last(task, metric, variant)
            assert summary["count"] == len(values)
            assert (summary["min_value"], summary["max_value"]) == (min(values), max(values))


def test_the_grid_follows_its_formula() -> None:
    database = grid_history(3, 6, 50)
    for number, task in enumerate(database.tasks):
        assert {(m, v, i): value for m, v, i, value in points(database, task)} == {
            (f"metric {s // 4}", f"variant {s % 4}", i): grid_value(number, s, i)
            for s in range(6)
            for i in range(50)
        }


def test_summaries_are_not_the_data() -> None:
    database = Database()
    task = database.add_task("summaries", "p")
    series = {"metric": "m", "variant": "v"}
    database.report(task, [{**series, "iter": i, "value": v} for i, v in ((5, 9.0), (1, 2.0))])
    database.report(task, [{**series, "iter": 5, "value": 4.0}])
    summary = last(database.tasks[task], "m", "v")
    assert (summary["value"], summary["count"], summary["max_value"]) == (4.0, 3, 9.0)
    assert (summary["first_value"], summary["first_value_iteration"]) == (2.0, 1)
    assert len(database.events[task]) == 2
    many = [{**series, "variant": f"v{n}", "iter": -1, "value": 0} for n in range(2100)]
    database.report(task, many)
    kept = database.tasks[task]["last_metrics"]
    assert sum(len(variants) for variants in kept.values()) == 2000
    assert database.tasks[task]["last_iteration"] == 5


def test_nan_is_refused_as_the_server_refuses_it() -> None:
    database = Database()
    task = database.add_task("nan", "p")
    with pytest.raises(ValueError, match="refuses NaN"):
        database.report(task, [{"metric": "m", "variant": "v", "iter": 1, "value": math.nan}])
    with pytest.raises(ValueError, match="refuses NaN"):
        database.report_series(task, "m", "v", [1], [math.inf], [1])


def test_what_people_do_to_tasks_moves_the_right_times() -> None:
    moments = iter(datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 32))
    database = Database(now=lambda: next(moments))
    task = database.add_task("busy", "p")
    created = database.tasks[task]["last_update"]
    database.archive(task)
    database.rename(task, "renamed")
    document = database.tasks[task]
    assert document["last_update"] == created < document["last_change"]
    database.set_status(task, "in_progress")
    database.report_single(task, "best", 1.0)
    assert document["active_duration"] > 0
    assert document["last_update"] == document["last_change"]
    database.reset(task)
    assert (len(database.events[task]), document["last_metrics"]) == (0, {})
    assert (document["status"], "started" in document) == ("created", False)
    database.delete_task(task)
    assert database.tasks == {}
