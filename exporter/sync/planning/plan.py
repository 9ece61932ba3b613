"""What to read: listed tasks against stored ones. Pure, no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.metric_filter import EVERY_METRIC, MetricFilter

Points = Literal["read", "keep", "ask", "recount"]
"""What becomes of a task's points: they are read; they cannot have changed; the server is asked
because a date moved (``ask``), or although none did (``recount``)."""

Again = Literal["counts", "points"]
"""What is asked of known tasks although no date moved: the server's counts, or all points."""

_SETTLED: Final = timedelta(minutes=5)
"""A task must rest for so long before the server's summary of it is trusted: it is written last."""


@dataclass(frozen=True, slots=True)
class KnownTask:
    """What the dataset holds of a task; field names are those of the table ``tasks``."""

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
    """A task that this run is to bring up to date."""

    task: Task
    metrics: MetricFilter = EVERY_METRIC
    selected: bool = True
    """False: the dataset holds it, and no selection lists it any more."""
    doubt: str | None = None
    """Why these may not be all the metrics that were meant; None when they are."""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of which something is to be read."""

    task: Task
    fingerprint: str
    metrics: MetricFilter
    known: KnownTask | None
    """None: it is new."""
    points: Points = "read"
    selected: bool = True
    is_same: bool = False
    """Nothing that the listing says of it has changed."""
    is_quiet: bool = False
    """By its dates no point of it can have changed."""
    doubt: str | None = None
    """Why these may not be all the metrics that were meant: it stays partial."""

    @property
    def is_new(self) -> bool:
        """Whether its points were never read: it is not stored, or only as ``unread``."""
        return self.known is None or self.known.state == "unread"

    @property
    def may_replace(self) -> bool:
        """Whether points may come in place of stored ones."""
        return self.known is not None and self.points != "keep"


@dataclass(frozen=True)
class Plan:
    """The work of one run."""

    to_read: tuple[PlannedTask, ...]
    unchanged: tuple[str, ...]
    """Task ids."""

    @property
    def in_doubt(self) -> list[str]:
        """Ids of tasks of which the server is asked whether their points have changed."""
        return [one.task.task_id for one in self.to_read if one.points in ("ask", "recount")]


def make_plan(
    asked: Iterable[SelectedTask],
    known: Mapping[str, KnownTask],
    now: datetime,
    context: Sequence[object] = (),
    *,
    accept_loss: bool = False,
    again: Again | None = None,
) -> Plan:
    """Decide for each task what of it is read.

    A task is left as it is when nothing that the listing says has changed, all of its points are
    stored, and it was asked for at least what is asked now. Otherwise it is read for what is
    stored and what is asked together, so that a narrower question drops nothing.

    Args:
        asked: the tasks, and the metrics asked of each.
        known: what the dataset holds, by task id.
        now: the moment of the listing.
        context: what else decides about the rows, such as whether parameters are taken.
        accept_loss: read again what is stored of tasks whose copy on the server has shrunk.
        again: ask for more of stored tasks than their dates ask for: a partly refused batch, or an
            overwritten point, moves none (docs/clearml-server.md, "Values").
    """
    to_read, unchanged = [], []
    for one in asked:
        planned = _planned(one, known.get(one.task.task_id), one.task.fingerprint(*context))
        if planned.known is not None and _has_all(planned, accept_loss):
            is_same = not _differs(planned, planned.known)
            if is_same and again is None:
                unchanged.append(one.task.task_id)
                continue
            points: Points = "keep" if is_same else _points(one.task, planned.known, now)
            planned = replace(
                planned,
                points=_more(points, again),
                is_same=is_same,
                is_quiet=points == "keep",
            )
        to_read.append(planned)
    return Plan(tuple(to_read), tuple(unchanged))


def _planned(one: SelectedTask, stored: KnownTask | None, fingerprint: str) -> PlannedTask:
    metrics = one.metrics
    if stored is not None:
        metrics = metrics.merged(MetricFilter.read(stored.metric_filter))
    doubt = None if metrics.wanted is None else one.doubt
    return PlannedTask(one.task, fingerprint, metrics, stored, selected=one.selected, doubt=doubt)


def _has_all(planned: PlannedTask, accept_loss: bool) -> bool:
    """Whether all points were stored that are asked for, as far as the server had them then."""
    stored = planned.known
    assert stored is not None
    settled = ("complete", "lost") if accept_loss else ("complete", "lost", "shrunk")
    is_whole = stored.state in settled and planned.doubt is None
    return is_whole and planned.metrics.wanted == MetricFilter.read(stored.metric_filter).wanted


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
    """Tell whether the points of a stored task can have changed.

    Each report moves ``last_update``, but so do a change of the status and a sign of life.
    """
    if (task.started, task.last_iteration) != (stored.started, stored.last_iteration):
        return "read"
    if task.last_update == stored.last_update:
        return "keep"
    # Without a start nobody sees that a task was reset; a minute ago its summary may be unwritten.
    if task.started is None or task.last_update is None or now - task.last_update < _SETTLED:
        return "read"
    return "ask"
