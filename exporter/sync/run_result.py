"""Describes one run of ``export``: its row in ``exports``, and its report."""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter
from clearml_snapshot.exporter.sync.apply import Applier
from clearml_snapshot.exporter.sync.failed_run import Attempt, sentence, without_secrets
from clearml_snapshot.exporter.sync.planning.plan import PlannedTask
from clearml_snapshot.exporter.sync.planning.stored_state import monitor_points
from clearml_snapshot.exporter.sync.prepare import ExportOptions, PreparedExport, Server
from clearml_snapshot.exporter.sync.report import (
    ExportReport,
    Problem,
    Result,
    failed_tasks,
    partial_tasks,
)


@dataclass
class Run:
    """A running export."""

    server: Server
    options: ExportOptions
    progress: Progress
    dataset: DatasetWriter
    prepared: PreparedExport
    applier: Applier
    stage: Stage
    """Collects results until the next commit."""
    clock: float
    attempt: Attempt
    is_torn: bool = False
    """A commit began and did not complete: what was staged for it is lost."""

    @property
    def problems(self) -> list[Problem]:
        """The tasks that are not complete, from the listing and from reading."""
        return [*self.prepared.discovery.problems, *self.applier.problems]

    @property
    def left(self) -> list[PlannedTask]:
        """Tasks of the plan that this run has not read."""
        return self.applier.left_of(self.prepared.plan.to_read)

    @property
    def warnings(self) -> list[str]:
        """Warnings, from the listing and from reading."""
        return [*self.prepared.discovery.warnings, *self.applier.warnings, *self._not_compared()]

    def _not_compared(self) -> list[str]:
        """Report how many stored tasks an export with ``again`` did not compare."""
        unchanged = [planned for planned in self.prepared.plan.to_read if planned.is_same]
        left = sum(planned.task.task_id not in self.applier.done for planned in unchanged)
        if not left:
            return []
        option = setting("again", self.options.again)
        return [
            f"{option}: {left:,} of {len(unchanged):,} stored tasks whose dates did not change "
            f"were not compared before the run ended; use {option} again, with a higher limit if "
            "there was one"
        ]

    @property
    def spared(self) -> int | None:
        """The only snapshot that has what this run replaced; None if it replaced nothing."""
        last = self.applier.snapshot
        return last.number if last is not None and self.applier.has_given_up else None

    def mark_unread(self, stage: Stage) -> None:
        """Make sure that a commit contains every task of the plan, read or not."""
        self.applier.mark_unread(stage, self.prepared.plan.to_read, self.prepared.begun)


def export_row(
    run: Run, result: str, finished: datetime | None, error: Exception | None = None
) -> dict[str, Any]:
    """Return the row of ``exports`` for a run so far.

    Args:
        run: the run.
        result: ``running`` for a checkpoint, otherwise how it ended.
        finished: when it ended; None for a checkpoint.
        error: the error that ended it, if it failed.
    """
    return {
        "export_id": run.attempt.export_id,
        "started": run.prepared.begun,
        "finished": finished,
        "server": run.server.api.host,
        "user": run.server.identity.user_name,
        "selections": json.dumps(run.prepared.discovery.words, ensure_ascii=False),
        **_counts(run),
        "tasks_partial": partial_tasks(run.problems, run.applier.counts.ahead),
        "tasks_failed": failed_tasks(run.problems),
        "result": result,
        "warnings": _warnings(run),
        "error": None if error is None else sentence(error),
        "tool_version": version("clearml-snapshot"),
    }


def _counts(run: Run) -> dict[str, int]:
    """Return the numbers that are columns of ``exports`` and fields of the report."""
    counts, traffic = run.applier.counts, run.server.api.traffic
    return {
        "tasks_new": counts.new,
        "tasks_changed": counts.changed,
        "tasks_refreshed": counts.refreshed,
        "tasks_unchanged": len(run.prepared.plan.unchanged) + counts.unchanged,
        "tasks_gone": counts.gone,
        "tasks_lost": counts.lost,
        "tasks_shrunk": counts.shrunk,
        "tasks_unread": len(run.left),
        "points": counts.points,
        "requests": traffic.requests,
        "bytes": traffic.bytes,
    }


def _warnings(run: Run) -> list[str] | None:
    """Return the warnings; None if this run could not know them all.

    A run of one selection of several, or of failed tasks only, does not check the others.
    """
    warnings = run.warnings
    if not warnings and not run.prepared.discovery.covers_remembered:
        return None
    return [without_secrets(text) for text in warnings]


def make_report(run: Run, result: Result) -> ExportReport:
    """Return the report of a run that has committed."""
    snapshot = run.dataset.snapshot
    assert snapshot is not None
    counts, discovery = run.applier.counts, run.prepared.discovery
    return ExportReport(
        result=result,
        server=run.server.api.host,
        user=run.server.identity.user_name,
        selections=tuple(discovery.words),
        **_counts(run),
        tasks_rerun=counts.rerun,
        points_replaced=counts.points_replaced,
        snapshot_before=run.spared,
        tasks_ahead=counts.ahead,
        tasks_outdated=sum(not planned.is_new for planned in run.left),
        tasks_changed_silently=counts.silent,
        tasks_gone_expected=counts.gone_expected,
        problems=tuple(run.problems),
        warnings=(*run.warnings, *run.dataset.warnings),
        points_bad=counts.points_bad,
        redacted=counts.redacted,
        retries=run.server.api.traffic.retries,
        seconds=time.monotonic() - run.clock,
        totals=asdict(snapshot.totals),
        monitor_points=monitor_points(snapshot),
        left_out=tuple(discovery.left_out),
        removed=run.dataset.removed,
        keep=run.dataset.retention.described(datetime.now(UTC)),
        snapshot=snapshot.root,
        number=snapshot.number,
        address=None if snapshot.elsewhere is None else snapshot.elsewhere.place,
    )
