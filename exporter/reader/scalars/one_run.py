"""Decides whether all pages of one reading of a task are of one run of it.

A reset deletes all points of a task, and its next run reports the same keys at other wall times
(docs/clearml-server.md, "Two runs of one task"). So if a point of the first page still exists
with its wall time after the last page, nothing was reset in between. The point is returned with
the last count and costs no request. If it proves nothing, the server is queried for the task's
start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.last_metrics import MOST_SERIES, ServerSummary
from clearml_snapshot.exporter.reader.summaries import read_summaries
from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.store.compare.series_outline import Name

Opening = Mapping[Name, tuple[int | None, float | None]]
"""Wall time (milliseconds since 1970) and value of each series at one iteration."""

_EARLIEST: Final = 1_420_070_400_000
"""2015-01-01 in milliseconds since 1970: before ClearML, so a time below it is not a wall time."""


def is_same_opening(before: Opening, now: Opening) -> bool | None:
    """Compare the first points of a reading with those that the server has after it.

    Returns:
        True if they still exist, False if they were replaced or deleted, None if they prove
        nothing because they have no wall time of their own.
    """
    common = before.keys() & now.keys()
    if not before:
        return None
    if not common or any(before[name] != now[name] for name in common):
        return False
    times = (before[name][0] for name in common)
    return True if any(time is not None and time >= _EARLIEST for time in times) else None


def was_run_again_since(api: Client, listed: Task, last_metrics: ServerSummary) -> bool:
    """Check once whether a task was run again since it was listed; a refusal counts as yes.

    Raises:
        ServerError: the server does not answer.
        LimitReachedError: a limit of the run is reached.
    """
    try:
        return RunWatch(api, listed, last_metrics).was_run_again()
    except RefusedError:
        return True


@dataclass
class RunWatch:
    """Checks whether a task was run again since it was listed, or since the last check."""

    api: Client
    task: Task
    """As it was listed."""
    last_metrics: ServerSummary
    """The server's summary of it before its points were read."""

    def was_run_again(self) -> bool:
        """Check with one request; a task that no longer exists counts as run again.

        A run that continues keeps its start, and the counts of its reports never fall.

        Raises:
            RefusedError, ServerError: as ``Client.get`` does.
        """
        now = read_summaries(self.api, [self.task.task_id]).get(self.task.task_id)
        if now is None:
            return True
        before, self.task = self.task, now.task
        earlier, self.last_metrics = self.last_metrics, now.last_metrics
        return _start(before) != _start(now.task) or _has_fallen(earlier, now.last_metrics)


def _start(task: Task) -> object:
    """Return what differs after a reset; a draft has no start, but its status changes."""
    return task.started or (None, task.status_changed)


def _has_fallen(before: ServerSummary, after: ServerSummary) -> bool:
    """Return whether the server counts fewer reports of a series than before."""
    if any(summary.is_ambiguous or len(summary.rows) >= MOST_SERIES for summary in (before, after)):
        return False
    now, earlier = _counts(after), _counts(before)
    return any(now.get(name, -1) < count for name, count in earlier.items())


def _counts(last_metrics: ServerSummary) -> dict[Name, int]:
    return {
        (row["metric"], row["variant"]): row["server_count"]
        for row in last_metrics.rows
        if row["server_count"] is not None
    }
