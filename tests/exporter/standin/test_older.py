"""What an older server does with a request that only a newer one understands."""

from collections.abc import Callable
from typing import Any

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn

Start = Callable[..., StandIn]
Call = Callable[..., tuple[int, dict[str, Any]]]


def test_events_before_2_16_come_by_time_whatever_metrics_are_requested(
    start_standin: Start, call: Call
) -> None:
    database = Database()
    task = database.add_task("t", "p")
    database.report_series(task, "loss", "v", range(5), [0.0] * 5, [50, 40, 30, 20, 10])
    database.report_series(task, "acc", "v", range(5), [1.0] * 5, [15, 25, 35, 45, 55])
    server = start_standin(database, versions=("2.13", "1.0.2"))
    body: dict[str, Any] = {"task": task, "batch_size": 4, "metrics": [{"metric": "acc"}]}
    times: list[int] = []
    while True:
        _, answer = call(server, "events.get_task_events", **body)
        assert answer["data"]["total"] == 10
        if not answer["data"]["returned"]:
            break
        times += [event["timestamp"] for event in answer["data"]["events"]]
        body["scroll_id"] = answer["data"]["scroll_id"]
    assert times == sorted(times)
    assert len(times) == 10
    assert call(server, "events.get_multi_task_metrics", tasks=[task])[0] == 404
    listed = call(server, "tasks.get_all_ex", size=10, scroll_id=None, filters={})[1]["data"]
    assert "scroll_id" not in listed
    assert call(server, "server.info")[1]["data"]["version"] == "1.0.2"
