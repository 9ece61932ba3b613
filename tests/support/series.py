"""A task of given series."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clearml_snapshot.exporter.standin.data.database import Database

if TYPE_CHECKING:
    pass


START_MS = 1_760_000_000_000


def task_with(database: Database, series: Iterable[tuple[str, str, Iterable[int]]]) -> str:
    """Add a task whose series have these iterations; every value and time is another."""
    task = database.add_task("task", "project")
    number = 0
    for metric, variant, given in series:
        iterations = list(given)
        values = [float(number + at) / 8 for at in range(len(iterations))]
        stamps = [START_MS + number + at for at in range(len(iterations))]
        database.report_series(task, metric, variant, iterations, values, stamps, worker="w")
        number += len(iterations)
    return task


def event(task: str, **fields: Any) -> str:
    """Write an event as JSON text; fields are raw JSON, but for metric and variant."""
    texts = {"metric": "loss", "variant": "odd"}
    texts |= {name: fields.pop(name) for name in list(fields) if name in texts}
    raw = {"timestamp": str(START_MS), "value": "1.5", **fields}
    head = json.dumps({"task": task, "type": "training_stats_scalar", **texts})[:-1]
    return head + "".join(f', "{name}": {value}' for name, value in raw.items()) + "}"
