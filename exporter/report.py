"""What an export came to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from clearml_snapshot.exporter.errors import ExitCode

Result = Literal["complete", "partial", "ceiling", "interrupted", "server lost"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A task that is not whole here, and why."""

    task_id: str
    name: str
    state: Literal["partial", "failed"]
    reason: str


@dataclass(frozen=True)
class ExportReport:
    """The numbers of one run; counts of tasks are disjoint but for ``problems``."""

    result: Result
    server: str
    user: str
    selections: tuple[str, ...]
    """The filters in words."""
    tasks_new: int
    tasks_changed: int
    tasks_unchanged: int
    problems: tuple[Problem, ...]
    points: int
    """Fetched by this run."""
    points_bad: int
    redacted: int
    """Values of this run stored as ``<redacted>``."""
    requests: int
    retries: int
    bytes: int
    """Received, as they came over the wire."""
    seconds: float
    totals: Mapping[str, int]
    """What the snapshot now holds: tasks, series, points, projects, bytes."""
    monitor_points: int
    """Of the snapshot's points, those of ``:monitor:*`` metrics."""
    left_out: tuple[str, ...]
    """What the filters left out, and the option that brings it."""
    snapshot: Path
    """The folder to copy."""

    @property
    def tasks_partial(self) -> int:
        """Tasks stored with less than the server holds."""
        return sum(problem.state == "partial" for problem in self.problems)

    @property
    def tasks_failed(self) -> int:
        """Tasks that could not be read."""
        return sum(problem.state == "failed" for problem in self.problems)

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self.result == "interrupted":
            return ExitCode.INTERRUPTED
        if self.result == "ceiling":
            return ExitCode.CEILING
        return ExitCode.PARTIAL if self.problems else ExitCode.COMPLETE

    def as_dict(self) -> dict[str, Any]:
        """Give everything as what JSON can hold."""
        counts = {"tasks_partial": self.tasks_partial, "tasks_failed": self.tasks_failed}
        return {**asdict(self), **counts, "snapshot": str(self.snapshot)}
