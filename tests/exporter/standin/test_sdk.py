"""The stand-in serves the real SDK's read path, in a process of its own as a user's script is."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn

SCRIPT = """
import json, sys
from clearml import Task

found = Task.get_tasks(project_name="vision", task_name="^train", tags=["gpu"])
[task] = found
print(json.dumps({
    "names": [one.name for one in found],
    "ids": Task.query_tasks(project_name="vision"),
    "by id": Task.get_task(task_id=task.id).name,
    "by name": Task.get_task(project_name="vision", task_name="draft").name,
    "project": task.get_project_name(),
    "project id": Task.get_project_id("vision"),
    "all": task.get_all_reported_scalars(),
    "averaged": task.get_reported_scalars(max_samples=0),
    "last": task.get_last_scalar_metrics(),
    "single": task.get_reported_single_values(),
    "one single": task.get_reported_single_value("best"),
    "parameters": task.get_parameters(),
    "status": task.get_status(),
}))
"""


def use_sdk(server: StandIn, folder: Path) -> dict[str, Any]:
    own = {"CLEARML_AUTH_TOKEN": "the user's", "HTTP_PROXY": "http://127.0.0.1:9"}
    environment = {**os.environ, **own, **server.environment(), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def team() -> Database:
    database = Database()
    lr = {"section": "Args", "name": "lr", "value": "0.1", "type": "float"}
    task = database.add_task(
        "training", "vision", tags=["gpu"], status="completed", hyperparams={"Args": {"lr": lr}}
    )
    losses = [
        {"metric": "loss", "variant": "val", "iter": step, "value": 1 / (step + 3)}
        for step in range(2500)
    ]
    database.report(task, losses, worker="gpu-01")
    database.report_single(task, "best", 0.1)
    database.add_task("draft", "vision")
    database.add_task("training", "speech", tags=["gpu"])
    return database


def test_sdk_reads_what_was_reported(
    team: Database, start_standin: Callable[..., StandIn], tmp_path: Path
) -> None:
    server = start_standin(team)
    seen = use_sdk(server, tmp_path)
    task, draft, _ = team.tasks
    exact = [1 / (step + 3) for step in range(2500)]
    assert seen["names"] == ["training"]
    assert sorted(seen["ids"]) == sorted([task, draft])
    assert (seen["by id"], seen["by name"]) == ("training", "draft")
    assert (seen["project"], seen["project id"]) == ("vision", team.tasks[task]["project"])
    assert seen["all"]["loss"]["val"] == {"x": list(range(2500)), "y": exact, "name": "val"}
    assert seen["all"]["Summary"]["best"]["x"] == [-(2**31)]
    halves = [(first + second) / 2 for first, second in zip(exact[::2], exact[1::2], strict=True)]
    assert seen["averaged"]["loss"]["val"]["x"] == list(range(0, 2500, 2))
    assert seen["averaged"]["loss"]["val"]["y"] == pytest.approx(halves, rel=1e-6)
    assert seen["averaged"]["loss"]["val"]["y"] != halves
    assert seen["last"]["loss"]["val"] == {"last": exact[-1], "min": exact[-1], "max": exact[0]}
    assert seen["single"] == {"best": 0.1}
    assert seen["one single"] == 0.1
    assert seen["parameters"] == {"Args/lr": "0.1"}
    assert seen["status"] == "completed"
    assert server.unknown == []
