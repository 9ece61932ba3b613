"""The traps of reading events, each as the real server sets it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import grid_history, grid_value
from clearml_snapshot.exporter.standin.http.server import StandIn

Start = Callable[..., StandIn]
Call = Callable[..., tuple[int, dict[str, Any]]]
PAGE = "events.get_task_events"
SCALAR = "training_stats_scalar"


def wide(series: int, iterations: list[int]) -> tuple[Database, str]:
    """A task with many series at the same iterations."""
    database = Database()
    task = database.add_task("wide", "p")
    for number in range(series):
        values = [float(number)] * len(iterations)
        database.report_series(task, "m", f"v{number}", iterations, values, iterations)
    return database, task


def errors(answer: tuple[int, dict[str, Any]]) -> tuple[int, int, str]:
    status, body = answer
    return status, body["meta"]["result_subcode"], body["meta"]["result_msg"]


def test_pages_give_each_point_once(start_standin: Start, call: Call) -> None:
    server = start_standin(grid_history(2, 7, 300))
    task = list(server.database.tasks)[1]
    body: dict[str, Any] = {"task": task, "event_type": SCALAR, "batch_size": 100}
    points: dict[tuple[str, str, int], float] = {}
    pages = 0
    while True:
        _, answer = call(server, PAGE, **body)
        data = answer["data"]
        assert data["total"] == 2100
        for event in data["events"]:
            points[event["metric"], event["variant"], event["iter"]] = event["value"]
        pages += 1
        if data["returned"] < 100:
            break
        assert data["returned"] % 7 == 0  # the last iteration of a page is complete
        body["scroll_id"] = data["scroll_id"]
    assert pages == 21
    assert points == {
        (f"metric {s // 4}", f"variant {s % 4}", i): grid_value(1, s, i)
        for s in range(7)
        for i in range(300)
    }


def test_more_than_ten_thousand_points_at_one_iteration_are_cut(
    start_standin: Start, call: Call
) -> None:
    database, task = wide(10_050, [5])
    server = start_standin(database)
    _, answer = call(server, PAGE, task=task, batch_size=10_000)
    data = answer["data"]
    assert (data["returned"], data["total"]) == (10_000, 10_050)
    _, rest = call(server, PAGE, task=task, batch_size=10_000, scroll_id=data["scroll_id"])
    assert rest["data"]["returned"] == 0
    metrics = [{"metric": "m", "variants": [f"v{n}" for n in range(10_000, 10_050)]}]
    _, split = call(server, PAGE, task=task, batch_size=10_000, metrics=metrics)
    assert (split["data"]["returned"], split["data"]["total"]) == (50, 50)


@pytest.mark.parametrize(("order", "iterations"), [("asc", [0, 1]), ("desc", [1, 0])])
def test_a_page_that_ends_at_iteration_0_starts_over(
    start_standin: Start, call: Call, order: str, iterations: list[int]
) -> None:
    database, task = wide(20, [0, 1])
    server = start_standin(database)
    size = 20 if order == "asc" else 40
    body = {"task": task, "batch_size": size, "order": order}
    _, first = call(server, PAGE, **body)
    _, second = call(server, PAGE, **body, scroll_id=first["data"]["scroll_id"])
    assert {event["iter"] for event in first["data"]["events"]} == set(iterations[: size // 20])
    assert second["data"]["events"] == first["data"]["events"]


def test_negative_iterations_lead_on(start_standin: Start, call: Call) -> None:
    database, task = wide(1, [-(2**63), -3, -1, 0, 2**63 - 1])
    server = start_standin(database)
    seen: list[int] = []
    scroll: dict[str, str] = {}
    for _ in range(3):
        _, answer = call(server, PAGE, task=task, batch_size=1, **scroll)
        seen += [event["iter"] for event in answer["data"]["events"]]
        scroll = {"scroll_id": answer["data"]["scroll_id"]}
    assert seen == [-(2**63), -3, -1]


def test_the_stored_request_wins_but_for_batch_size_and_task(
    start_standin: Start, call: Call
) -> None:
    database, task = wide(3, [1, 2, 3, 4])
    other = database.add_task("other", "p")
    server = start_standin(database)
    metrics = [{"metric": "m", "variants": ["v0"]}]
    _, first = call(server, PAGE, task=task, batch_size=1, metrics=metrics)
    scroll = first["data"]["scroll_id"]
    _, second = call(server, PAGE, task=task, scroll_id=scroll, order="desc")
    assert [event["iter"] for event in second["data"]["events"]] == [2, 3, 4]
    _, elsewhere = call(server, PAGE, task=other, scroll_id=scroll)
    assert (elsewhere["data"]["returned"], elsewhere["data"]["total"]) == (0, 4)


def test_the_last_entry_of_a_metric_wins(start_standin: Start, call: Call) -> None:
    database, task = wide(3, [1])
    server = start_standin(database)
    metrics = [{"metric": "m", "variants": [name]} for name in ("v0", "v1")]
    _, answer = call(server, PAGE, task=task, metrics=metrics)
    assert [event["variant"] for event in answer["data"]["events"]] == ["v1"]


def test_the_same_key_overwrites_even_across_names(start_standin: Start, call: Call) -> None:
    database = Database()
    task = database.add_task("keys", "p")
    database.report(task, [{"metric": "a-b", "variant": "c", "iter": 1, "value": 1.0}])
    database.report_series(task, "a", "b-c", [1, 2], [2.0, 3.0], [0, 0])
    server = start_standin(database)
    _, answer = call(server, PAGE, task=task)
    values = [(event["metric"], event["value"]) for event in answer["data"]["events"]]
    assert values == [("a", 2.0), ("a", 3.0)]


def odd_events() -> tuple[Database, str]:
    database = Database()
    task = database.add_task("odd", "p")
    head = f'{{"type":"{SCALAR}","task":"{task}","metric":"m"'
    for number, rest in enumerate(
        [
            '"iter":1,"value":"text"',
            '"iter":2,"value":null',
            '"iter":3',
            '"iter":4.5,"value":1.0',
            '"iter":5,"value":1e400',
            '"iter":6,"value":123456789012345678901234567890',
            '"iter":7,"value":-0.0,"more":"\\ud800"',
        ]
    ):
        database.put_raw(task, f'{head},"variant":"v{number}",{rest}}}')
    return database, task


def test_odd_events_come_byte_for_byte(start_standin: Start, call: Call) -> None:
    database, task = odd_events()
    server = start_standin(database)
    status, answer = call(server, PAGE, task=task, batch_size=10_000)
    assert status == 200
    values = [event.get("value", "none") for event in answer["data"]["events"]]
    whole = 123456789012345678901234567890
    assert values == ["text", None, "none", 1.0, float("inf"), whole, -0.0]
    assert answer["data"]["events"][-1]["more"] == "\ud800"
    # Columns cannot leave a value out.
    failed = errors(
        call(server, "events.scalar_metrics_iter_raw", task=task, metric={"metric": "m"})
    )
    assert failed == (500, 0, "'value'")


def test_a_page_must_not_end_without_an_iteration(start_standin: Start, call: Call) -> None:
    database, task = wide(1, [1, 2])
    database.put_raw(
        task, json.dumps({"type": SCALAR, "task": task, "metric": "m", "variant": "x"})
    )
    server = start_standin(database)
    status, answer = call(server, PAGE, task=task, batch_size=2)
    assert (status, answer["data"]["returned"]) == (200, 2)
    assert errors(call(server, PAGE, task=task, batch_size=3)) == (500, 0, "'iter'")
    scroll = answer["data"]["scroll_id"]
    assert errors(call(server, PAGE, task=task, scroll_id=scroll)) == (500, 0, "'iter'")


def test_a_float_iteration_does_not_continue_the_scroll(start_standin: Start, call: Call) -> None:
    database, task = odd_events()
    server = start_standin(database)
    _, answer = call(server, PAGE, task=task, batch_size=4)
    scroll = answer["data"]["scroll_id"]
    status, subcode, _ = errors(call(server, PAGE, task=task, scroll_id=scroll))
    assert (status, subcode) == (500, 0)


def test_columns_come_in_steps_of_ten_thousand(start_standin: Start, call: Call) -> None:
    database = Database()
    task = database.add_task("long", "p")
    steps = np.arange(25_000)
    database.report_series(task, "", "v", steps, steps / 2, steps)
    server = start_standin(database)
    body = {"task": task, "metric": {"metric": ""}, "batch_size": 15_000, "count_total": True}
    _, first = call(server, "events.scalar_metrics_iter_raw", **body)
    data = first["data"]
    assert (data["returned"], data["total"]) == (20_000, 25_000)
    assert data["variants"]["v"]["y"] == (steps[:20_000] / 2).tolist()
    assert data["variants"]["v"].keys() == {"y", "iter"}
    _, second = call(server, "events.scalar_metrics_iter_raw", **body, scroll_id=data["scroll_id"])
    assert second["data"]["variants"]["v"]["iter"] == steps[20_000:].tolist()


def test_variants_are_silently_cut(start_standin: Start, call: Call) -> None:
    database = Database()
    task = database.add_task("many", "p")
    for number in range(44):
        database.report_series(task, f"m{number}", "v", [1], [1.0], [1])
    for number in range(600):
        database.report_series(task, "wide", f"v{number:03}", [1], [1.0], [1])
    server = start_standin(database)
    _, answer = call(server, "events.get_scalar_metrics_and_variants", task=task)
    assert len(answer["data"]["metrics"]["wide"]) == 8000 // 45
    _, several = call(server, "events.get_multi_task_metrics", tasks=[task])
    assert len(several["data"]["metrics"][-1]["variants"]) == 8000 // 45


def test_at_most_500_tasks_a_call(start_standin: Start, call: Call) -> None:
    database = grid_history(501, 1, 1)
    server = start_standin(database)
    tasks = list(database.tasks)
    for name in ("events.get_multi_task_metrics", "events.get_task_single_value_metrics"):
        status, subcode, message = errors(call(server, name, tasks=tasks))
        assert (status, subcode) == (400, 101)
        assert tasks[500] in message
        assert call(server, name, tasks=tasks[:500])[0] == 200


def test_bad_requests_are_reported_as_bad(start_standin: Start, call: Call) -> None:
    database, task = wide(1, [1])
    server = start_standin(database)
    missing = "Validation error (error for field 'task'. field is required!)"
    assert errors(call(server, PAGE)) == (400, 12, missing)
    wrong = errors(call(server, PAGE, task=5))
    assert wrong[:2] == (400, 12)
    assert 'value is wrong, expected type "str"\', 5' in wrong[2]
    assert errors(call(server, PAGE, task=task, metrics="m"))[:2] == (400, 12)
    assert errors(call(server, PAGE, task=task, event_type="scalars"))[:2] == (400, 12)
    assert errors(call(server, PAGE, task=task, batch_size=-1))[:2] == (500, 100)
    raw = call(server, "events.scalar_metrics_iter_raw", task=task, metric={}, batch_size=1)
    assert errors(raw)[:2] == (400, 12)


def test_a_scroll_of_one_metric_is_not_cut_at_an_iteration(
    start_standin: Start, call: Call
) -> None:
    database = Database()
    task = database.add_task("wide", "p")
    names = [f"v{number}" for number in range(10_400)]
    database.report(task, [{"metric": "m", "variant": v, "iter": 5, "value": 1} for v in names])
    server = start_standin(database)
    body: dict[str, Any] = {"task": task, "metric": "m"}
    variants: set[str] = set()
    while True:
        _, answer = call(server, "events.get_scalar_metric_data", **body)
        data = answer["data"]
        assert (data["total"], len(data["events"]) <= 500) == (10_000, True)
        if not data["events"]:
            break
        variants.update(event["variant"] for event in data["events"])
        body["scroll_id"] = data["scroll_id"]
    assert len(variants) == 10_400


def test_a_request_for_too_many_metrics_is_refused(start_standin: Start, call: Call) -> None:
    database, task = wide(3, [5])
    server = start_standin(database)
    several = [{"metric": f"m{number}"} for number in range(1_025)]
    assert errors(call(server, PAGE, task=task, metrics=several))[:2] == (500, 100)
    assert call(server, PAGE, task=task, metrics=several[:-1])[0] == 200
