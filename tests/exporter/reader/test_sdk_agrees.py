"""What the SDK reads from the same server agrees with the dataset, everywhere the SDK is right.

Where it is not, and what is compared instead:

- `get_last_scalar_metrics` is the server's running summary. Its "min" and "max" keep points that
  were overwritten later, and its "last" is the last batch's, whatever its iteration: one task here
  shows it.
- `get_all_reported_scalars` gives single values the iteration -2147483648; the dataset NULL. With
  1,000 series at iteration 0 it would never end; no task of the demo history has that many.
- `get_reported_single_values` knows no metrics and shows one value per name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.history import demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
EVERY = 8
SINGLE_VALUE = -(2**31)

SCRIPT = """
import json, sys
from clearml import Task
answers = {}
for task_id in sys.argv[1:]:
    task = Task.get_task(task_id=task_id)
    answers[task_id] = {
        "all": task.get_all_reported_scalars(),
        "last": task.get_last_scalar_metrics(),
        "single": task.get_reported_single_values(),
    }
print(json.dumps(answers))
"""


def ask_sdk(server: StandIn, task_ids: Iterable[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *task_ids],
        env={**os.environ, **server.environment(), "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def points_of(answer: dict[str, Any]) -> dict[tuple[str, str, int | None], float]:
    return {
        (metric, variant, None if x == SINGLE_VALUE else x): y
        for metric, variants in answer["all"].items()
        for variant, line in variants.items()
        for x, y in zip(line["x"], line["y"], strict=True)
    }


def test_the_sdk_agrees(take_home: TakeHome, tmp_path: Path) -> None:
    database = demo_history(7)
    chosen = [task for task in database.tasks if len(database.events[task])][::EVERY]
    overwritten = database.add_task("overwritten", "vision", status="completed")
    for value in (9.0, 1.0):  # a curve that was reported twice
        batch = [
            {"metric": "loss", "variant": "train", "iter": at, "value": value + at}
            for at in (3, 1, 2)
        ]
        database.report(overwritten, batch)
    home = take_home(database)
    home.export(Selection(TaskFilter(task_ids=(*chosen, overwritten))))
    answers = ask_sdk(home.server, [*chosen, overwritten], tmp_path)
    assert len(chosen) >= 5
    stored = home.points()
    series = {(row["task_id"], row["metric"], row["variant"]): row for row in home.rows("series")}
    compared = 0
    for task, answer in answers.items():
        mine = {key[1:]: value for key, (value, _, _) in stored.items() if key[0] == task}
        assert points_of(answer) == mine
        singles = {variant: y for (_, variant, at), y in mine.items() if at is None}
        assert answer["single"] == singles
        if task == overwritten:
            continue
        for metric, variants in answer["last"].items():
            for variant, last in variants.items():
                row = series[task, metric, variant]
                assert (row["min"], row["max"]) == pytest.approx((last["min"], last["max"]))
                assert row["last"] == pytest.approx(last["last"])
                compared += 1
    assert compared > 50
    summary = answers[overwritten]["last"]["loss"]["train"]
    row = series[overwritten, "loss", "train"]
    assert (row["min"], row["max"], row["last"]) == (2.0, 4.0, 4.0)
    assert summary["max"] == 12.0  # of the points that are no longer there
