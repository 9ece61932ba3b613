"""Decides what to read by comparing listed tasks with stored ones. Pure, no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.metric_filter import EVERY_METRIC, MetricFilter

Points = Literal["read", "keep", "ask", "recount"]
"""How to handle a task's points: ``read`` them; ``keep`` them, as they cannot have changed; let the
server count them because a date changed (``ask``), or although none did (``recount``)."""

Again = Literal["counts", "points"]
"""What is compared of stored tasks although no date changed: counts, or all points."""

_SETTLED: Final = timedelta(minutes=5)
"""How long a task must be unchanged before its summary is trusted: it is written last."""


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A stored task; field names are those of the table ``tasks``."""

    fingerprint: str
    state: str
    metric_filter: str | None
    points_stored: int
    reason: str | None = None
    points_expected: int | None = None
    points_bad: int | None = None
    fetched_at: datetime | None = None
    server_id: str | None = None
    project_id: str | None = None
    started: datetime | None = None
    last_update: datetime | None = None
    last_iteration: int | None = None
    selected: bool | None = None
    safe_to_delete_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SelectedTask:
    """A task that this run brings up to date."""

    task: Task
    metrics: MetricFilter = EVERY_METRIC
    selected: bool = True
    """False if it is stored, but no selection lists it any longer."""
    doubt: str | None = None
    """Why these may not be all selected metrics; None if they are."""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task that will be read, at least in part."""

    task: Task
    fingerprint: str
    metrics: MetricFilter
    stored: KnownTask | None
    """The stored task; None if it is new."""
    points: Points = "read"
    selected: bool = True
    is_same: bool = False
    """Nothing in its listing has changed."""
    is_quiet: bool = False
    """According to its dates, its points cannot have changed."""
    doubt: str | None = None
    """Why these may not be all selected metrics; the task stays partial."""

    @property
    def is_new(self) -> bool:
        """Whether its points were never read: it is not stored, or only as ``unread``."""
        return self.stored is None or self.stored.state == "unread"

    @property
    def may_replace(self) -> bool:
        """Whether its points may replace stored ones."""
        return self.stored is not None and self.points != "keep"


@dataclass(frozen=True)
class Plan:
    """What one run reads."""

    to_read: tuple[PlannedTask, ...]
    unchanged: tuple[str, ...]
    """Task ids."""

    @property
    def in_doubt(self) -> list[str]:
        """Ids of tasks for which the server is queried whether their points have changed."""
        return [
            planned.task.task_id for planned in self.to_read if planned.points in ("ask", "recount")
        ]


def make_plan(
    selected: Iterable[SelectedTask],
    stored_tasks: Mapping[str, KnownTask],
    now: datetime,
    context: Sequence[object] = (),
    *,
    accept_loss: bool = False,
    again: Again | None = None,
) -> Plan:
    """Decide for each task what to read.

    A task is not read if nothing in its listing has changed, all of its points are stored, and it
    was read for at least the selected metrics. Otherwise it is read for both the stored and the
    selected metrics, so that a narrower selection drops nothing.

    Args:
        selected: the tasks, with the selected metrics of each.
        stored_tasks: the stored tasks, by id.
        now: the moment of the listing.
        context: options that change the rows, such as whether parameters are stored.
        accept_loss: read tasks again that have fewer points on the server than stored.
        again: check more of the stored tasks than their dates require: a partly refused batch, or
            an overwritten point, moves none (docs/clearml-server.md, "Values").
    """
    to_read, unchanged = [], []
    for selected_task in selected:
        planned = _planned(
            selected_task,
            stored_tasks.get(selected_task.task.task_id),
            selected_task.task.fingerprint(*context),
        )
        if planned.stored is not None and _has_all(planned, accept_loss):
            is_same = not _differs(planned, planned.stored)
            if is_same and again is None:
                unchanged.append(selected_task.task.task_id)
                continue
            points: Points = "keep" if is_same else _points(selected_task.task, planned.stored, now)
            planned = replace(
                planned,
                points=_more(points, again),
                is_same=is_same,
                is_quiet=points == "keep",
            )
        to_read.append(planned)
    return Plan(tuple(to_read), tuple(unchanged))


def _planned(selected: SelectedTask, stored: KnownTask | None, fingerprint: str) -> PlannedTask:
    metrics = selected.metrics
    if stored is not None:
        metrics = metrics.merged(MetricFilter.read(stored.metric_filter))
    doubt = None if metrics.choices is None else selected.doubt
    return PlannedTask(
        selected.task, fingerprint, metrics, stored, selected=selected.selected, doubt=doubt
    )


def _has_all(planned: PlannedTask, accept_loss: bool) -> bool:
    """Return whether all selected points are stored, as far as the server had them at that time."""
    stored = planned.stored
    assert stored is not None
    settled = ("complete", "lost") if accept_loss else ("complete", "lost", "shrunk")
    is_complete = stored.state in settled and planned.doubt is None
    return (
        is_complete and planned.metrics.choices == MetricFilter.read(stored.metric_filter).choices
    )


def _more(points: Points, again: Again | None) -> Points:
    if again == "points":
        return "read"
    return "recount" if again == "counts" and points == "keep" else points


def _differs(planned: PlannedTask, stored: KnownTask) -> bool:
    return (
        stored.fingerprint != planned.fingerprint
        or stored.metric_filter != planned.metrics.text
        or stored.selected != planned.selected
    )


def _points(task: Task, stored: KnownTask, now: datetime) -> Points:
    """Return whether the points of a stored task can have changed.

    Each report changes ``last_update``, but so do a change of status and a sign of life.
    """
    if (task.started, task.last_iteration) != (stored.started, stored.last_iteration):
        return "read"
    if task.last_update == stored.last_update:
        return "keep"
    # Without a start a reset is not visible; within a minute the summary may not be written yet.
    if task.started is None or task.last_update is None or now - task.last_update < _SETTLED:
        return "read"
    return "ask"
