"""The results of an export, and of a forecast."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from clearml_snapshot.exporter.errors import ExitCode

Result = Literal["complete", "partial", "ceiling", "interrupted", "server lost", "disk full"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A task that is not completely stored, and why."""

    task_id: str
    name: str
    state: Literal["partial", "failed", "skipped", "lost"]
    reason: str


def partial_tasks(problems: Iterable[Problem], ahead: int) -> int:
    """Count the tasks stored with fewer points than the server has."""
    return sum(problem.state == "partial" for problem in problems) + ahead


def failed_tasks(problems: Iterable[Problem]) -> int:
    """Count the tasks that could not be read."""
    return sum(problem.state == "failed" for problem in problems)


@dataclass(frozen=True)
class ExportReport:
    """The numbers of one run; counts of tasks are disjoint except for ``problems``."""

    result: Result
    server: str
    user: str
    selections: tuple[str, ...]
    """A description of each filter."""
    tasks_new: int
    tasks_changed: int
    """Stored tasks whose points were read again."""
    tasks_refreshed: int
    """Stored tasks of which only the metadata was read again."""
    tasks_unchanged: int
    tasks_gone: int
    """Stored tasks that the server no longer has; everything stored of them is kept."""
    tasks_shrunk: int
    """Of those read again, tasks of which the server has fewer points than stored; all are kept."""
    tasks_rerun: int
    """Of those read again, tasks that were run again: their earlier run's points were replaced."""
    points_replaced: int
    """Stored points of those earlier runs."""
    snapshot_before: int | None
    """The snapshot that still has what was replaced; None if nothing was."""
    tasks_ahead: int
    """Running tasks whose newest points are not visible yet: partial, but not a problem."""
    tasks_lost: int
    """Of those read, tasks of which the server lost points before they were read."""
    tasks_unread: int
    """Selected tasks that were not read before the run ended; stored ones are unchanged."""
    tasks_outdated: int
    """Of these, tasks that are stored, but outdated."""
    tasks_changed_silently: int
    """Of those read, tasks whose points had changed although none of their dates had changed."""
    tasks_gone_expected: int
    """Of those gone, tasks that were listed as safe to delete, or accepted as gone."""
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    """Warnings that are not about a single task."""
    points: int
    """Fetched by this run."""
    points_bad: int
    redacted: int
    """Values of this run stored as ``<redacted>``."""
    requests: int
    retries: int
    bytes: int
    """Bytes received, compressed."""
    seconds: float
    totals: Mapping[str, int]
    """What the snapshot now contains: tasks, series, points, projects, bytes."""
    monitor_points: int
    """Of the snapshot's points, those of ``:monitor:*`` metrics."""
    left_out: tuple[str, ...]
    """What the filters did not include, and the option that includes it."""
    removed: tuple[int, ...]
    """Numbers of the older snapshots that this run removed."""
    keep: str
    """A description of the retention, which keeps the others."""
    snapshot: Path
    """The folder to copy; of a dataset in a bucket there is none."""
    number: int
    """The number of the snapshot."""
    address: str | None = None
    """Of a dataset in a bucket."""

    @property
    def tasks_partial(self) -> int:
        """Tasks stored with fewer points than the server has."""
        return partial_tasks(self.problems, self.tasks_ahead)

    @property
    def tasks_failed(self) -> int:
        """Tasks that could not be read."""
        return failed_tasks(self.problems)

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self.result == "interrupted":
            return ExitCode.INTERRUPTED
        if self.result == "ceiling":
            return ExitCode.LIMIT
        return ExitCode.PARTIAL if self.problems or self.warnings else ExitCode.COMPLETE

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        counts = {"tasks_partial": self.tasks_partial, "tasks_failed": self.tasks_failed}
        return {**asdict(self), **counts, "snapshot": self.address or str(self.snapshot)}


@dataclass(frozen=True)
class Forecast:
    """What an export would do; nothing was written."""

    server: str
    user: str
    selections: tuple[str, ...]
    tasks_new: int
    tasks_changed: int
    tasks_refreshed: int
    """At most this number of tasks only need their metadata."""
    tasks_unchanged: int
    tasks_gone: int
    warnings: tuple[str, ...]
    points: int | None
    """Points to read, by the server's own summaries; overwritten ones count more than once. None if
    it counts none of the tasks."""
    tasks_uncounted: int
    """Tasks to read whose points the server does not count; they are not in ``points``."""
    requests: int
    """Requests that the export would send, including those of its listing."""
    requests_spent: int
    """Requests that this forecast took."""
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        return ExitCode.PARTIAL if self.warnings else ExitCode.COMPLETE

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return asdict(self)
