"""The two sides of a comparison and what differs between them, as values without DuckDB."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot

By = Literal["task", "series", "metric"]
"""What a row of the differences is."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two snapshots."""

    number: int
    created_at: datetime
    place: Path
    """Its folder, or the pack that holds it."""
    server: str | None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What happened to a task from the one snapshot to the other."""

    change: Literal["new", "changed", "gone"]
    """Gone: the later snapshot has no row of it; what the server lost has the state gone."""
    task: str | None
    """Its name."""
    task_id: str
    project: str | None
    state_before: str | None
    state_after: str | None
    points_before: int
    points_after: int
    n_new: int
    n_changed: int
    n_gone: int
    columns_changed: list[str]
    """Columns of ``tasks``, and ``params``, in alphabetical order."""


@dataclass(frozen=True, slots=True)
class MaximumChange:
    """A maximum over all tasks that is another number; None: no finite value, or no such metric."""

    metric: str
    variant: str
    max_before: float | None
    max_after: float | None
    task_before: str | None
    task_id_before: str | None
    iteration_before: int | None
    task_after: str | None
    task_id_after: str | None
    iteration_after: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How much differs, and the first of it one by one."""

    before: Side
    after: Side
    tasks_new: int
    tasks_changed: int
    tasks_gone: int
    tasks_same: int
    asked_otherwise: int
    """Of the changed tasks, those that were asked for other metrics."""
    points_new: int
    points_changed: int
    """Of another value; another wall time or worker is no change."""
    points_gone: int
    points_same: int
    maxima_moved: int
    monitor_maxima_moved: int
    """Of these, those of ``:monitor:*`` metrics."""
    tasks: tuple[TaskChange, ...]
    """The first ones, beginning with those that have become less complete."""
    maxima: tuple[MaximumChange, ...]
    """The first; none of ``:monitor:*``."""

    def as_dict(self) -> dict[str, Any]:
        """Give everything as what JSON can hold."""
        fields = asdict(self)
        for name in ("before", "after"):
            side = fields[name]
            side["created_at"] = side["created_at"].isoformat(timespec="seconds")
            side["place"] = str(side["place"])
        return fields


@dataclass(frozen=True, slots=True)
class Choice:
    """Which snapshot is meant."""

    path: Path
    """A dataset, or one snapshot handed over."""
    which: int | datetime | None = None
    """As ``open_dataset`` takes it."""

    def open(self) -> Snapshot:
        """Find it."""
        return open_snapshot(self.path, self.which)
