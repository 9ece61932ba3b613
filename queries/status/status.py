"""Summarises a dataset: its contents, its age, and which tasks are not complete."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import duckdb

from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import DEFAULT
from clearml_snapshot.exporter.store.pack.provenance import PackProvenance, provenance
from clearml_snapshot.exporter.store.permissions.modes import readers
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset

By = Literal["project", "user", "task"]

PROBLEMS: Final = 10
"""Maximum number of incomplete tasks to list."""


@dataclass(frozen=True, slots=True)
class ProblemTask:
    """A task that is not stored completely, and why."""

    task_id: str
    name: str | None
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class LastExport:
    """The result of the export that began last."""

    started: datetime
    finished: datetime | None
    """None if it did not end; the snapshot is then one of its checkpoints."""
    result: str
    points: int | None
    requests: int | None
    user: str | None
    error: str | None
    """Why it failed; None if it did not fail."""


@dataclass(frozen=True, slots=True)
class Status:
    """One snapshot at a glance."""

    number: int
    created_at: datetime
    age: float
    """Seconds."""
    server: str | None
    server_version: str | None
    tool_version: str
    tasks: int
    projects: int
    series: int
    points: int
    monitor_points: int
    """Points of ``:monitor:*`` metrics."""
    bytes: int
    states: Mapping[str, int]
    """Tasks by state."""
    running: int
    archived: int
    no_longer_selected: int
    gone_as_listed: int
    """Tasks that are gone from the server and had been listed as safe to delete."""
    exports: int
    last_export: LastExport | None
    warnings: tuple[str, ...]
    """Warnings of the newest export that got far enough to have any."""
    keep: str
    """Which snapshots are kept when an export ends: the value of ``--keep``, or ``2``."""
    problems: int
    """Number of tasks that are not complete."""
    problem_tasks: tuple[ProblemTask, ...]
    """The first of them."""
    packed: PackProvenance | None
    """Which part of a snapshot this pack contains; None if it is not a pack."""
    readable_by: Literal["owner", "group", "everyone"] | None
    """Who may read it by the mode of the dataset's folder; None for a pack or a bucket, and on
    Windows."""
    root: Path | str
    """The folder to copy, or the pack; or the address of a bucket."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as types that JSON has."""
        fields = asdict(self)
        fields["created_at"] = _iso(self.created_at)
        fields["root"] = str(self.root)
        if self.last_export is not None:
            for name in ("started", "finished"):
                fields["last_export"][name] = _iso(getattr(self.last_export, name))
        return fields


def status(dataset: Dataset, *, now: datetime | None = None, problems: int = PROBLEMS) -> Status:
    """Summarise one snapshot, without reading points.

    Args:
        dataset: an open dataset.
        now: the time to compute its age with; None means the current time.
        problems: maximum number of incomplete tasks to list.
    """
    snapshot = dataset.snapshot
    (held,) = _ask(dataset, "status/status")
    last = _ask(dataset, "status/export")
    totals, packed = asdict(snapshot.totals), provenance(snapshot)
    return Status(
        number=snapshot.number,
        created_at=snapshot.created_at,
        age=((now or datetime.now(UTC)) - snapshot.created_at).total_seconds(),
        server=snapshot.server.get("host"),
        server_version=snapshot.server.get("version"),
        tool_version=snapshot.tool_version,
        **totals,
        **held,
        states={row["state"]: row["tasks"] for row in _ask(dataset, "status/states")},
        keep=snapshot.keep or DEFAULT.text,
        warnings=tuple(row["warning"] for row in _ask(dataset, "status/warnings")),
        last_export=LastExport(**last[0]) if last else None,
        problem_tasks=tuple(
            ProblemTask(**row) for row in _ask(dataset, "status/problems", {"top": problems})
        ),
        packed=packed and packed.in_full(),
        readable_by=_readers(snapshot),
        root=snapshot.location,
    )


def _readers(snapshot: Snapshot) -> Literal["owner", "group", "everyone"] | None:
    if snapshot.pack is not None or snapshot.elsewhere is not None:
        return None
    parent = snapshot.root.parent
    is_inside = parent.name == layout.SNAPSHOTS
    return readers(parent.parent if is_inside else snapshot.root)


def ranking(dataset: Dataset, by: By, top: int | None = None) -> duckdb.DuckDBPyRelation:
    """Rank projects, users or tasks by their points.

    Args:
        dataset: an open dataset.
        by: what a row describes.
        top: maximum number of rows; None means all.
    """
    return dataset.sql(read("status/by.sql"), {"by": by, "top": top})


def _ask(
    dataset: Dataset, name: str, params: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    return dataset.rows(dataset.sql(read(f"{name}.sql"), params)).as_dicts()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
