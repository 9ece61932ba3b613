"""Every recorded exchange with the real server, sent again to the stand-in with the same history.

The history is rebuilt from what the recordings show; compared are status, keys, types and all
values but those that are new with each run (ids of calls, tokens, signatures, write times).
"""

import base64
import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from clearml_snapshot.exporter.standin.data.database import DEFAULT_USER, Database
from clearml_snapshot.exporter.standin.http.server import StandIn

RECORDINGS = Path(__file__).parents[2] / "recordings"
ROOT = "38bd9e509afd4998bc228f61b36cd741"
VISION = "f6342c8a9e6644b99d364c6f47568dbc"
ABLATIONS = "9f165cca759e4328b1b5363773db30db"
RESNET = "8797a08557c74360bc78ad3ab1fcb6f7"
WIDE = "80caa54ed84b4ed39f81e6174c3cf1c4"
EVALUATION = "a89124a43d154cccae89cc62a0aa2b40"
STOPPED = "c49eab27bba947808ca048212583c6e7"
START = 1_750_000_000_000
# What has to be requested before an exchange that continues with a scroll id.
BEFORE = {
    "events-second-page": ["events-first-page"],
    "events-third-page": ["events-first-page", "events-second-page"],
    "tasks-scroll-second": ["tasks-scroll-first"],
    "tasks-scroll-end": ["tasks-scroll-first", "tasks-scroll-second"],
}
# What no two runs share; only the type is compared.
VOLATILE = {"id": ("meta",), "trx": ("meta",), "token": ("data",), "@timestamp": ("data",)}


def names() -> list[str]:
    return sorted(path.stem for path in RECORDINGS.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return content


def recorded_tasks() -> dict[str, dict[str, Any]]:
    answer = read("tasks-only-fields")["response"]["body"]["data"]["tasks"]
    return {task["id"]: task for task in answer}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def curves(scale: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for step in range(12):
        for offset, metric, variant, value in (
            (0, "loss", "train", 2.0 * math.exp(-step / 5) / scale),
            (3, "loss", "val", 2.2 * math.exp(-step / 6) / scale),
            (7, "accuracy", "val", 1 - math.exp(-step / 4) / scale),
            (500, ":monitor:gpu", "gpu_0_utilization", 90.0 + step % 3),
        ):
            stamp = START + 1000 * step + offset
            event = {"metric": metric, "variant": variant, "iter": step}
            events.append({**event, "value": value, "timestamp": stamp})
    single = {"metric": "Summary", "variant": "final accuracy", "iter": -(2**31)}
    return [*events, {**single, "value": 0.93 / scale, "timestamp": START + 20_000}]


def add_task(database: Database, key: str, scale: int | None) -> None:
    seen = recorded_tasks()[key]
    parent = {"parent": seen["parent"]["id"]} if "parent" in seen else {}
    database.add_task(
        seen["name"],
        seen["project"]["id"],
        id=key,
        tags=seen["tags"],
        system_tags=seen["system_tags"],
        hyperparams=seen["hyperparams"],
        **parent,
    )
    if scale is not None:
        database.report(key, curves(scale), worker="gpu-01")
    if key == RESNET:
        again = {"metric": "loss", "variant": "val", "iter": 3, "value": 0.5}
        database.report(key, [{**again, "timestamp": START + 30_000}], worker="gpu-01")
    times = ("created", "started", "completed", "last_update", "last_change", "status_changed")
    changes = {name: moment(seen[name]) for name in times if name in seen}
    rest = ("status", "active_duration", "comment")
    changes |= {name: seen[name] for name in rest if name in seen}
    database.edit(key, **changes)


def team() -> Database:
    database = Database()
    database.users[DEFAULT_USER]["created"] = moment("2026-11-22T19:18:08.923000+00:00")
    for project in read("projects-get-all-ex")["response"]["body"]["data"]["projects"]:
        name, changed = project["name"], moment(project["last_update"])
        database.add_project(name, id=project["id"], last_update=changed)
    for key, scale in ((RESNET, 1), (WIDE, 2), (EVALUATION, None), (STOPPED, 3)):
        add_task(database, key, scale)
    everything = read("tasks-get-by-id")["response"]["body"]["data"]["task"]
    script = everything["script"]
    database.tasks[RESNET] |= {"script": script, "status_reason": "", "status_message": ""}
    return database


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(team()) as running:
        yield running


def authorization(server: StandIn, name: str, recorded: str | None) -> dict[str, str]:
    if recorded is None:
        return {}
    if recorded.startswith("Basic"):
        secret = "wrong" if "bad-secret" in name else server.secret_key
        pair = base64.b64encode(f"{server.access_key}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": recorded.replace("<token>", server.gate.issue(None))}


def ask(server: StandIn, name: str) -> requests.Response:
    scroll_ids: dict[str, str] = {}
    for earlier in BEFORE.get(name, []):
        answer = send(server, earlier, scroll_ids).json()["data"]
        recorded = read(earlier)["response"]["body"]["data"]
        scroll_ids[recorded["scroll_id"]] = answer["scroll_id"]
    return send(server, name, scroll_ids)


def send(server: StandIn, name: str, scroll_ids: dict[str, str]) -> requests.Response:
    request = read(name)["request"]
    body = request["body"]
    if isinstance(body, dict) and body.get("scroll_id") in scroll_ids:
        body["scroll_id"] = scroll_ids[body["scroll_id"]]
    headers = authorization(server, name, request["headers"].get("Authorization"))
    return requests.request(
        request["method"],
        server.url + request["path"],
        headers={"Content-Type": "application/json", **headers},
        data=body if isinstance(body, str) else json.dumps(body),
        timeout=60,
    )


def compare(recorded: Any, ours: Any, path: tuple[str, ...]) -> None:
    where = ".".join(path)
    assert type(recorded) is type(ours), where
    if path[-1] in VOLATILE and path[0] in VOLATILE[path[-1]] and len(path) in (2, 4):
        return
    if isinstance(recorded, dict):
        assert recorded.keys() == ours.keys(), where
        for key in recorded:
            compare(recorded[key], ours[key], (*path, key))
    elif isinstance(recorded, list):
        assert len(recorded) == len(ours), where
        for index, pair in enumerate(zip(recorded, ours, strict=True)):
            compare(*pair, (*path, str(index)))
    elif path[-1] == "scroll_id" and "." in recorded:
        compare_payloads(recorded, ours)
    elif path[-1] == "scroll_id":
        assert len(recorded) == len(ours), where
    elif isinstance(recorded, float):
        assert ours == pytest.approx(recorded, rel=1e-12), where
    else:
        assert recorded == ours, where


def compare_payloads(recorded: str, ours: str) -> None:
    first, second = (
        jwt.decode(token, options={"verify_signature": False}) for token in (recorded, ours)
    )
    compare(first, second, ("scroll",))


@pytest.mark.parametrize("name", names())
def test_stand_in_answers_as_recorded(server: StandIn, name: str) -> None:
    response = ask(server, name)
    expected = read(name)["response"]
    assert response.status_code == expected["status"]
    for header, value in expected["headers"].items():
        assert response.headers[header] == value
    body = response.json()
    compare(expected["body"]["meta"], body["meta"], ("meta",))
    compare(expected["body"]["data"], body["data"], ("data",))


def test_a_token_has_the_claims_of_the_recorded_one(server: StandIn) -> None:
    expected = read("auth-login")["response"]["body"]["data_token_payload_decoded"]
    ours = jwt.decode(server.gate.issue(None), options={"verify_signature": False})
    assert expected.keys() == ours.keys()
    assert expected["identity"].keys() == ours["identity"].keys()
    assert ours["exp"] - ours["iat"] == expected["exp"] - expected["iat"]
    for name in ("api_version", "server_version", "server_build", "feature_set", "auth_type"):
        assert ours[name] == expected[name]
