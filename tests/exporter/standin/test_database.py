"""What happens to tasks and projects moves the fields that it moves on the real server (2.3.0)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn

Start = Callable[..., StandIn]
Call = Callable[..., tuple[int, dict[str, Any]]]


class Clock:
    """A minute later at each call."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(minutes=1)
        return self.moment


@pytest.fixture
def database() -> Database:
    return Database(now=Clock())


@pytest.fixture
def task(database: Database) -> str:
    """A task that has run: three points of one series, one of another."""
    task = database.add_task(
        "busy", "p", hyperparams={"Args": {"lr": {"value": "1"}}}, output={"error": "none"}
    )
    database.set_status(task, "in_progress")
    database.report_series(task, "loss", "train", [1, 2, 3], [3.0, 2.0, 1.0], [1, 2, 3])
    database.report_single(task, "best", 1.0)
    database.set_status(task, "completed")
    return task


def moved(database: Database, task: str, action: Callable[[], object]) -> set[str]:
    """Return the fields of the task that an action changes."""
    before = dict(database.tasks[task])
    action()
    after = database.tasks[task]
    return {key for key in before | after if before.get(key) != after.get(key)}


def test_edits_of_labels_move_last_change_alone(database: Database, task: str) -> None:
    for fields in ({"name": "x"}, {"tags": ["b"]}, {"comment": "c"}, {"system_tags": ["hidden"]}):
        done = moved(database, task, lambda fields=fields: database.edit(task, **fields))  # type: ignore[misc]
        assert done == {*fields, "last_change"}
    assert moved(database, task, lambda: database.archive(task)) == {"system_tags", "last_change"}
    assert moved(database, task, lambda: database.move(task, "q")) == {"project", "last_change"}


def test_edits_of_parameters_move_last_update_too_but_for_properties(
    database: Database, task: str
) -> None:
    both = {"hyperparams", "last_change", "last_update"}
    old = database.tasks[task]["hyperparams"]
    noted = {**old, "properties": {"note": {"value": "good"}}}
    changed = {**noted, "Args": {"lr": {"value": "2"}}}
    assert moved(database, task, lambda: database.edit(task, hyperparams=noted)) < both
    assert moved(database, task, lambda: database.edit(task, hyperparams=changed)) == both


def test_a_change_of_status_moves_three_times_together(database: Database, task: str) -> None:
    done = moved(database, task, lambda: database.set_status(task, "published"))
    assert done == {"status", "published", "status_changed", "last_update", "last_change"}
    document = database.tasks[task]
    assert len({document[name] for name in ("status_changed", "last_update", "last_change")}) == 1
    started = document["started"]
    database.set_status(task, "stopped")
    assert (document["status"], document["started"]) == ("stopped", started)


def test_continuing_starts_anew_and_keeps_the_points(database: Database, task: str) -> None:
    started = database.tasks[task]["started"]
    database.continue_task(task)
    document = database.tasks[task]
    assert (document["status"], len(database.events[task])) == ("in_progress", 4)
    again = document["started"]
    assert again > started
    assert "completed" not in document
    database.continue_task(task)
    assert document["started"] == again, "a running task keeps its start"


def test_a_ping_looks_like_a_change_and_is_none(database: Database, task: str) -> None:
    assert moved(database, task, lambda: database.ping(task)) == {"last_update", "last_change"}


def test_lost_events_leave_no_trace_on_the_task(
    database: Database, task: str, start_standin: Start, call: Call
) -> None:
    server = start_standin(database)

    def held() -> list[tuple[str, int]]:
        _, answer = call(server, "events.get_task_events", task=task, count_total=True)
        assert answer["data"]["total"] == answer["data"]["returned"]
        return [(event["metric"], event["iter"]) for event in answer["data"]["events"]]

    assert len(held()) == 4
    later = moved(
        database, task, lambda: database.lose(task, lambda m, v, i: (m, v, i) > ("loss", "", 0))
    )
    assert later == set()
    assert held() == [("loss", 1), ("loss", 2), ("loss", 3)]
    database.lose(task, lambda metric, variant, iteration: iteration != 2)
    assert held() == [("loss", 1), ("loss", 3)]
    database.lose(task)
    assert held() == []
    database.report_series(task, "loss", "train", [7], [1.0], [7])
    assert held() == [("loss", 7)]


def test_a_reset_leaves_what_was_configured(database: Database, task: str) -> None:
    document = database.tasks[task]
    document |= {"last_worker": "gpu-01", "runtime": {"a": "b"}}
    database.reset(task)
    assert len(database.events[task]) == 0
    gone = {"started", "completed", "published", "active_duration", "last_worker"}
    assert not gone & set(document)
    assert (document["status"], document["last_iteration"]) == ("created", 0)
    assert document["last_metrics"] == document["metric_stats"] == document["runtime"] == {}
    assert document["output"] == {}
    assert document["hyperparams"] == {"Args": {"lr": {"value": "1"}}}
    assert document["status_changed"] == document["last_update"] == document["last_change"]


def test_a_renamed_project_takes_its_children_along_and_touches_no_task(
    database: Database, start_standin: Start, call: Call
) -> None:
    top = database.add_project("vision")
    deep = database.add_project("vision/detection/small")
    other = database.add_project("visionary")
    task = database.add_task("t", deep)
    before = dict(database.tasks[task])
    database.rename_project(top, "sight")
    assert database.tasks[task] == before
    names = {key: project["name"] for key, project in database.projects.items()}
    assert (names[top], names[deep], names[other]) == (
        "sight",
        "sight/detection/small",
        "visionary",
    )
    assert database.projects[top]["last_update"] > database.projects[top]["created"]
    database.rename_project(database.projects[deep]["parent"], "other/boxes")
    assert database.projects[deep]["name"] == "other/boxes/small"
    assert deep not in database.with_children([top])
    assert deep in database.with_children([database.add_project("other")])
    _, answer = call(start_standin(database), "tasks.get_all_ex", only_fields=["project.name"])
    assert answer["data"]["tasks"][0]["project"]["name"] == "other/boxes/small"


def test_summaries_alone_can_be_requested(
    database: Database, task: str, start_standin: Start, call: Call
) -> None:
    body = {"id": [task], "only_fields": ["last_metrics"]}
    _, answer = call(start_standin(database), "tasks.get_all_ex", **body)
    (entry,) = answer["data"]["tasks"]
    assert set(entry) == {"id", "last_metrics"}
    summaries = [
        summary for variants in entry["last_metrics"].values() for summary in variants.values()
    ]
    assert {(summary["metric"], summary["variant"], summary["count"]) for summary in summaries} == {
        ("loss", "train", 3),
        ("Summary", "best", 1),
    }
