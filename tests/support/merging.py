"""Tasks as two datasets hold them, and what is read of the merged one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, MetricFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from tests.support.fitting import write_fitting

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]
Name = tuple[str, str]

HOST = "http://localhost:8008"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
TRAIN, VAL, ACCURACY = ("loss", "train"), ("loss", "val"), ("accuracy", "val")
EVERY = None
LOSS = MetricFilter((MetricChoice("loss"),), frozenset({"loss"}))
LOSS_VAL = MetricFilter((MetricChoice("loss", frozenset({"val"})),), frozenset({"loss/val"}))
ONLY_ACCURACY = MetricFilter((MetricChoice("accuracy"),), frozenset({"accuracy"}))


@dataclass(frozen=True)
class Stored:
    """A task as a dataset is to hold it."""

    task_id: str
    series: Mapping[Name, Sequence[float]]
    day: int = 0
    """When it was read."""
    asked: MetricFilter | None = EVERY
    state: str = "complete"
    project_id: str | None = "p"
    started: datetime | None = DAY
    last_update: datetime | None = DAY
    missing: int = 0
    status: str = "completed"
    params: str = "1"
    selected: bool | None = True
    claim: tuple[float, float, int] | None = None
    """The server's smallest and largest value of loss/train, and its count of reports."""

    @property
    def n(self) -> int:
        return sum(map(len, self.series.values()))

    def row(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "name": f"{self.task_id} of day {self.day}",
            "project_id": self.project_id,
            "project": self.project_id,
            "status": self.status,
            "server_id": HOST,
            "state": self.state,
            "reason": None if self.state == "complete" else f"why {self.state}",
            "metric_filter": None if self.asked is None else self.asked.text,
            "points_expected": None if self.state == "failed" else self.n + self.missing,
            "points_stored": self.n,
            "points_bad": 0,
            "fetched_at": DAY + timedelta(days=self.day),
            "started": self.started,
            "last_update": self.last_update,
            "fingerprint": f"{self.day}",
            "selected": self.selected,
        }


Write = Callable[..., Snapshot]


def claims(task: Stored) -> pa.Table | None:
    if task.claim is None:
        return None
    claim = (task.task_id, *TRAIN, None, *task.claim, None, None)
    return pa.Table.from_pylist([dict(zip(SERVER_VALUES.names, claim, strict=True))], SERVER_VALUES)


Held = dict[str, dict[Name, list[float]]]


def values_of(ask: Ask, folder: Path) -> Held:
    """Read all values by task and series, in the order of their iterations."""
    held: Held = {}
    for task_id, metric, variant, values in ask(
        folder,
        "SELECT task_id, metric, variant, list(value ORDER BY iteration) FROM scalars GROUP BY ALL",
    ):
        held.setdefault(task_id, {})[metric, variant] = values
    return held


def row_of(folder: Path, task_id: str) -> dict[str, Any]:
    columns = pq.read_table(folder / "tasks").schema.names
    stored = rows(open_snapshot(folder), "tasks", columns)
    return next(row for row in stored if row["task_id"] == task_id)


def is_selected(task: Stored, name: Name) -> bool:
    return task.asked is None or any(
        name[0] == choice.metric and (choice.variants is None or name[1] in choice.variants)
        for choice in task.asked.choices or ()
    )


def mark_as_packed(root: Path, taken_out: list[str]) -> None:
    path = root / "snapshot.json"
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps({**header, "packed": {"taken_out": taken_out}}))
    write_fitting(root)
