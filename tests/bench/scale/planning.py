"""What 100,000 tasks cost before the first point is read: listing them, and planning a night.

The list comes from the stand-in for ClearML, with a part of the tasks: it looks at every task for
every request, which takes minutes for all. What is stored comes from a dataset with 100,000 tasks,
the one of 10⁹ points that `make bench-data BENCH_SIZES=1e9` writes.
"""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench.memory import server
from tests.bench.scale.asking import contents
from tests.bench.scale.record import PROGRAM, run

LISTED: Final = (1_000, 4_000)
"""Tasks of the stand-in, two numbers: the difference is without the start of the program."""

STORED: Final = Path("/tmp/bench/1e9")


def measure(folder: Path) -> Mapping[str, Any]:
    """Plan first exports, and a night in which nothing has changed."""
    return {
        "dataset": contents(STORED),
        "listed": {str(number): _listed(number, folder) for number in LISTED},
        "stored": _child("stored", folder),
        "empty": _child("empty", folder),
    }


def _listed(number: int, folder: Path) -> Mapping[str, Any]:
    command = [PROGRAM, "export", "--all", "--dry-run", "--data", str(folder / "nothing")]
    with server(f"{number},1,1") as environment:
        log = folder / "listed.log"
        used = run(command, environment, log)
    said = log.read_text(encoding="utf-8") + log.with_suffix(".err").read_text(encoding="utf-8")
    took = re.search(r"about ([\d,]+) requests; this dry run took ([\d,]+)", said)
    assert took is not None, said
    every, listing = (int(figure.replace(",", "")) for figure in took.groups())
    print(number, used, every, listing, flush=True)
    return {**used.as_record(), "requests": listing, "requests_of_export": every}


def _child(name: str, folder: Path) -> Mapping[str, Any]:
    log = folder / f"{name}.log"
    used = run([sys.executable, "-m", __spec__.name, name], os.environ, log)
    inside: dict[str, Any] = json.loads(log.read_text(encoding="utf-8"))
    print(name, used, inside, flush=True)
    return {**used.as_record(), **inside}


def plan_a_night() -> Mapping[str, Any]:
    """Read what is stored and compare it with a list of the same tasks, unchanged."""
    from dataclasses import fields, replace
    from datetime import UTC, datetime

    from clearml_snapshot.exporter.reader.tasks import Task
    from clearml_snapshot.exporter.store.opening import open_snapshot
    from clearml_snapshot.exporter.store.parts.stored import rows
    from clearml_snapshot.exporter.sync.planning.plan import SelectedTask, make_plan
    from clearml_snapshot.exporter.sync.planning.stored_state import read_stored_tasks

    snapshot = open_snapshot(STORED)
    begun = time.process_time()
    stored = read_stored_tasks(snapshot)
    read = time.process_time()
    columns = [field.name for field in fields(Task) if field.name != "odd"]
    listed = [
        Task(**{**row, "tags": tuple(row["tags"]), "system_tags": tuple(row["system_tags"])})
        for row in rows(snapshot, "tasks", columns)
    ]
    for task in listed:  # those of the benchmark are invented
        known = stored[task.task_id]
        stored[task.task_id] = replace(known, fingerprint=task.fingerprint(True, False))
    listed_at = time.process_time()
    selected = (SelectedTask(task) for task in listed)
    plan = make_plan(selected, stored, datetime.now(UTC), (True, False))
    planned = time.process_time()
    return {
        "tasks": len(stored),
        "unchanged": len(plan.unchanged),
        "read_cpu_seconds": round(read - begun, 2),
        "plan_cpu_seconds": round(planned - listed_at, 2),
    }


def main() -> None:
    """Plan in a process of its own: ``empty`` only loads the modules."""
    from clearml_snapshot.exporter.sync import export as _loaded  # noqa: F401

    print(json.dumps(plan_a_night() if sys.argv[1] == "stored" else {}))


if __name__ == "__main__":
    main()
