"""The server itself: login, protocol, faults, the process of its own."""

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault, FaultPlan
from clearml_snapshot.exporter.standin.http.server import StandIn

Start = Callable[..., StandIn]
Call = Callable[..., tuple[int, dict[str, Any]]]


def subcode(response: requests.Response) -> tuple[int, int]:
    return response.status_code, response.json()["meta"]["result_subcode"]


def test_login_and_its_refusals(start_standin: Start) -> None:
    server = start_standin()
    login, ask = f"{server.url}/auth.login", f"{server.url}/v2.31/server.info"
    keys = (server.access_key, server.secret_key)

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    token = requests.post(login, auth=keys, json={"expiration_sec": 60}, timeout=60).json()
    headers = bearer(token["data"]["token"])
    assert requests.post(ask, headers=headers, timeout=60).status_code == 200
    assert requests.get(ask, headers=headers, json={}, timeout=60).status_code == 200
    renewed = requests.post(login, headers=headers, timeout=60).json()["data"]["token"]
    too_long = requests.post(login, auth=keys, json={"expiration_sec": 31_536_001}, timeout=60)
    assert subcode(too_long) == (400, 12)
    assert subcode(requests.post(ask, timeout=60)) == (401, 20)
    assert subcode(requests.post(ask, auth=("a", "b"), timeout=60)) == (401, 22)
    other = {"Authorization": "Digest abc"}
    assert subcode(requests.post(ask, headers=other, timeout=60)) == (401, 10)
    server.gate.revoke_all()
    revoked = requests.post(ask, headers=bearer(renewed), timeout=60)
    assert subcode(revoked) == (401, 30)
    expired = requests.post(ask, headers=bearer(server.gate.issue(-5)), timeout=60)
    assert subcode(expired) == (401, 30)
    assert "expired" in expired.json()["meta"]["result_msg"]


def test_protocol(start_standin: Start) -> None:
    server = start_standin(grid_history(1, 1, 500))
    task = next(iter(server.database.tasks))
    headers = {"Authorization": f"Bearer {server.gate.issue(None)}"}
    url = f"{server.url}/v2.31/events.get_task_events"
    body = {"task": task}
    squeezed = requests.post(url, json=body, headers=headers, timeout=60)
    assert squeezed.headers["Content-Encoding"] == "gzip"
    plain = {**headers, "Accept-Encoding": "identity"}
    unsqueezed = requests.post(url, json=body, headers=plain, timeout=60)
    assert "Content-Encoding" not in unsqueezed.headers
    assert squeezed.json()["data"] == unsqueezed.json()["data"]
    packed = {**headers, "Content-Encoding": "gzip"}
    data = gzip.compress(json.dumps(body).encode())
    refused = requests.post(url, data=data, headers=packed, timeout=60)
    assert refused.status_code == 415
    assert refused.text == "Content encoding is not supported (gzip)"
    old = requests.post(
        f"{server.url}/v2.9/events.scalar_metrics_iter_raw", headers=headers, timeout=60
    )
    assert subcode(old) == (404, 0)
    assert server.requests[0] == ("events.get_task_events", body)


def test_faults_happen_where_and_as_often_as_planned(start_standin: Start, call: Call) -> None:
    server = start_standin()
    busy = Fault("status", "tasks.*", status=429, headers={"Retry-After": "1"}, count=2, skip=1)
    server.faults.add(busy)
    statuses = [call(server, "tasks.get_all_ex")[0] for _ in range(4)]
    assert statuses == [200, 429, 429, 200]
    assert call(server, "users.get_all_ex")[0] == 200
    assert busy.fired == 2
    server.faults.add(Fault("expired", when=lambda body: bool(body.get("search_hidden"))))
    assert call(server, "tasks.get_all_ex")[0] == 200
    status, answer = call(server, "tasks.get_all_ex", search_hidden=True)
    assert (status, answer["meta"]["result_subcode"]) == (401, 30)
    server.faults.clear()
    server.faults.add(Fault("status", probability=0.5))
    statuses = [call(server, "tasks.get_all_ex")[0] for _ in range(40)]
    assert set(statuses) == {200, 503}


@pytest.mark.parametrize("kind", ["drop", "truncate"])
def test_broken_connections(start_standin: Start, call: Call, kind: Any) -> None:
    server = start_standin(grid_history(20, 1, 1), faults=[Fault(kind, count=1)])
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        call(server, "tasks.get_all_ex")
    assert call(server, "tasks.get_all_ex")[0] == 200


def test_answers_that_are_not_json(start_standin: Start) -> None:
    page, noise = Fault("html", status=502, count=1), Fault("garbage", count=1)
    server = start_standin(faults=[page, noise])
    headers = {"Authorization": f"Bearer {server.gate.issue(None)}"}
    url = f"{server.url}/server.info"
    answer = requests.post(url, headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    answer = requests.post(url, headers=headers, timeout=60)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_late_answers(start_standin: Start, call: Call) -> None:
    server = start_standin(faults=FaultPlan([Fault("slow", seconds=0.3, count=1)], latency=0.05))
    for wait in (0.35, 0.05):
        start = time.monotonic()
        assert call(server, "server.info")[0] == 200
        assert time.monotonic() - start >= wait


def test_a_stalled_answer_ends_with_the_server() -> None:
    failures: list[str] = []
    with StandIn(faults=[Fault("stall")]) as server:

        def wait() -> None:
            try:
                requests.post(f"{server.url}/server.info", timeout=600)
            except requests.RequestException as error:
                failures.append(type(error).__name__)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not any(name == "server.info" for name, _ in list(server.requests)):
            assert waiting.is_alive(), failures
            time.sleep(0.01)
        assert waiting.is_alive()
    waiting.join()
    assert failures == ["ConnectionError"]


def test_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "clearml_snapshot.exporter.standin", "--grid", "2,3,4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        hello = json.loads(process.stdout.readline())
        keys = (hello["access_key"], hello["secret_key"])
        answer = requests.post(f"{hello['url']}/tasks.get_all_ex", auth=keys, json={}, timeout=60)
        assert [task["name"] for task in answer.json()["data"]["tasks"]] == ["grid 0", "grid 1"]
        assert hello["environment"]["CLEARML_API_HOST"] == hello["url"]
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_every_endpoint_has_a_schema_and_an_answer(start_standin: Start, call: Call) -> None:
    server = start_standin(grid_history(1, 1, 1))
    [task], [project] = server.database.tasks, server.database.projects
    several = {"tasks": [task], "event_type": "training_stats_scalar"}
    bodies: dict[str, dict[str, Any]] = {
        "tasks.get_by_id_ex": {"id": [task]},
        "tasks.get_by_id": {"task": task},
        "projects.get_by_id": {"project": project},
        "users.get_by_id": {"user": "__tests__"},
        "events.get_task_metrics": several,
        "events.get_multi_task_metrics": several,
        "events.get_task_single_value_metrics": {"tasks": [task]},
        "events.scalar_metrics_iter_raw": {"task": task, "metric": {"metric": "metric 0"}},
        "events.get_scalar_metric_data": {"task": task, "metric": "metric 0"},
    }
    for name in server.endpoints:
        ours = {"task": task} if name.startswith("events.") else {}
        status, answer = call(server, name, **bodies.get(name, ours))
        assert status == 200, (name, answer["meta"]["result_msg"])
