"""The two sides of a comparison and what differs between them, as values without DuckDB."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot

By = Literal["task", "series", "metric"]
"""What one row of the differences describes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two snapshots."""

    number: int
    created_at: datetime
    place: Path | str
    """Its folder, the pack that holds it, or the address of a dataset in a bucket."""
    server: str | None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What happened to a task between the two snapshots."""

    change: Literal["new", "changed", "gone"]
    """Gone: the later snapshot has no row for it; a task that the server lost has the state
    gone."""
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
    """A maximum over all tasks that changed; None: no finite value, or no such metric."""

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
    """The number of differences, and the first ones in detail."""

    before: Side
    after: Side
    tasks_new: int
    tasks_changed: int
    tasks_gone: int
    tasks_same: int
    asked_otherwise: int
    """Changed tasks that were read for other metrics than before."""
    points_new: int
    points_changed: int
    """Points with another value; another wall time or worker is not a change."""
    points_gone: int
    points_same: int
    maxima_moved: int
    monitor_maxima_moved: int
    """The part of these that belongs to ``:monitor:*`` metrics."""
    tasks: tuple[TaskChange, ...]
    """The first ones; tasks that have become less complete come first."""
    maxima: tuple[MaximumChange, ...]
    """The first ones, without ``:monitor:*``."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as types that JSON has."""
        fields = asdict(self)
        for name in ("before", "after"):
            side = fields[name]
            side["created_at"] = side["created_at"].isoformat(timespec="seconds")
            side["place"] = str(side["place"])
        return fields


@dataclass(frozen=True, slots=True)
class Choice:
    """Identifies a snapshot."""

    path: Path
    """A dataset, a snapshot folder or a pack; or the address of a dataset in a bucket."""
    which: int | datetime | None = None
    """As the argument ``snapshot`` of ``open_dataset``."""

    def open(self) -> Snapshot:
        """Open the snapshot."""
        return open_snapshot(self.path, self.which)
