"""Applies the decision about a task to the stage, and counts the results."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from clearml_snapshot.exporter.errors import LimitReachedError, ServerError
from clearml_snapshot.exporter.reader.tasks import web_url
from clearml_snapshot.exporter.store.compare.digest import StoredDigests, digest_of
from clearml_snapshot.exporter.store.compare.overlap import StoredPoints, fetched_points, overlap
from clearml_snapshot.exporter.store.compare.series_outline import StoredOutlines
from clearml_snapshot.exporter.store.parts.staging import Stage, TaskPoints
from clearml_snapshot.exporter.store.parts.stored import task_rows, with_stored
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.sync.fetch import FetchedTask
from clearml_snapshot.exporter.sync.not_read import is_widened, unread_row, widened_row
from clearml_snapshot.exporter.sync.planning.plan import KnownTask, PlannedTask
from clearml_snapshot.exporter.sync.reconcile import Decision, decide
from clearml_snapshot.exporter.sync.report import Problem

_DOUBTS_LISTED: Final = 20
"""Tasks that get their own sentence."""
_ROWS_AT_ONCE: Final = 5_000
"""Rows of ``tasks`` held while they are changed."""


@dataclass
class Counts:
    """The results of a run so far, in tasks and points."""

    new: int = 0
    changed: int = 0
    refreshed: int = 0
    gone: int = 0
    shrunk: int = 0
    rerun: int = 0
    points_replaced: int = 0
    """Stored points of earlier runs, of tasks that were run again."""
    lost: int = 0
    ahead: int = 0
    """Running tasks whose newest points are not visible yet: partial, as expected."""
    unchanged: int = 0
    """Tasks that were checked although no date had changed, and that are in fact unchanged."""
    silent: int = 0
    """Tasks whose points had changed although no date had changed."""
    gone_expected: int = 0
    points: int = 0
    points_bad: int = 0
    redacted: int = 0


@dataclass
class Applier:
    """Adds what was read to a stage, unless what is stored is worth more."""

    host: str
    web_host: str | None
    snapshot: Snapshot | None
    """What was stored when the run began."""
    series: StoredOutlines
    """The series of stored tasks that are read again."""
    digests: StoredDigests
    """The digests of those that are read again although no date changed."""
    points: StoredPoints
    """The points of all that are read again."""
    was_run_again: Callable[[FetchedTask], bool]
    """Asks the server whether a task was run again since it was listed."""
    accept_loss: bool = False
    counts: Counts = field(default_factory=Counts)
    problems: list[Problem] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    """Tasks of the plan that were read, or could not be read."""
    _doubts: list[str] = field(default_factory=list)
    """Points given up without proof that they are obsolete, one sentence per task."""
    _committed: tuple[set[str], Counts, int] = field(default_factory=lambda: (set(), Counts(), 0))
    """``done``, ``counts`` and the number of ``problems`` at the last commit."""
    _committed_doubts: int = 0
    _has_marked_unread: bool = False
    _has_row: Set[str] = frozenset()
    """Tasks of the plan that have a row by this run, after ``start_over``."""

    def apply(self, stage: Stage, fetched: FetchedTask) -> None:
        """Apply one task that was read.

        Raises:
            ServerError: the server had to be queried again and does not answer.
            LimitReachedError: the server had to be queried again, but a limit is reached.
        """
        task_id, stored = fetched.planned.task.task_id, fetched.planned.stored
        if self._is_unchanged(fetched):
            self.done.add(task_id)
            fetched.discard()
            return
        decided = self._decide(fetched)
        self.done.add(task_id)
        self._count(fetched)
        if decided.given_up is not None:
            self._give_up(fetched, decided)
        match decided.action:
            case "replace":
                self._replace(stage, fetched, fetched.points, **self._contradicted(fetched))
            case "merge":
                self._merge(stage, fetched)
            case "refresh":
                stage.refresh(self._row(fetched, _kept(stored)), fetched.details.hyperparams)
            case "keep":
                self._keep(stage, fetched)
            case "skip":
                fetched.discard()

    def _decide(self, fetched: FetchedTask) -> Decision:
        task_id = fetched.planned.task.task_id
        try:
            return decide(
                fetched,
                lambda: self.series.of(task_id),
                lambda: overlap(self.points.of(task_id), fetched_points(fetched.points)),
                lambda: self.was_run_again(fetched),
                accept_loss=self.accept_loss,
            )
        except (ServerError, LimitReachedError):
            fetched.discard()
            raise

    def _is_unchanged(self, fetched: FetchedTask) -> bool:
        """Return whether a task that was checked although no date changed is as it is stored.

        Its points are compared one by one if they were read, except for a shrunk task, which has
        more stored points than the server.
        """
        planned, stored = fetched.planned, fetched.planned.stored
        if stored is None or not planned.is_quiet or fetched.reason is not None:
            return False
        if fetched.state == "kept":
            self.counts.unchanged += planned.is_same
            return planned.is_same
        if stored.state == "shrunk":
            return False
        task_id = planned.task.task_id
        if digest_of(fetched.points) != self.digests.of(task_id):
            self.counts.silent += 1
            return False
        state = fetched.contradiction.state if fetched.contradiction else "complete"
        if not planned.is_same or state != stored.state:
            return False
        self.counts.unchanged += 1
        self.counts.points += fetched.read.received
        return True

    def mark_gone(
        self, stage: Stage, task_ids: Sequence[str], now: datetime, expected: Collection[str] = ()
    ) -> None:
        """Mark stored tasks that the server no longer has; everything stored of them is kept.

        Args:
            stage: receives their rows.
            task_ids: the tasks.
            now: when it was noticed.
            expected: those that were known to be deleted.
        """
        if self.snapshot is None or not task_ids:
            return
        for row in task_rows(self.snapshot, task_ids):
            reason = f"gone from the server, noticed {now:%Y-%m-%d}"
            if row["safe_to_delete_at"] is not None:
                reason += f", listed as safe to delete on {row['safe_to_delete_at']:%Y-%m-%d}"
            before = "" if row["state"] == "complete" else f"; was {row['state']}: {row['reason']}"
            stage.refresh({**row, "state": "gone", "reason": reason + before}, None)
            self.counts.gone += 1
            self.counts.gone_expected += row["task_id"] in expected

    def left_of(self, to_read: Sequence[PlannedTask]) -> list[PlannedTask]:
        """List the tasks of a plan that were not read yet, except those known to be unchanged."""
        return [
            planned
            for planned in to_read
            if planned.task.task_id not in self.done and not planned.is_same
        ]

    def mark_unread(self, stage: Stage, to_read: Sequence[PlannedTask], now: datetime) -> None:
        """Add a row for each task that was not read yet, once per run.

        So the dataset itself shows what a selection matched and what is missing: a new task is
        ``unread``, a stored one for which more metrics were selected is ``partial``. The next
        reading of the task replaces the row.
        """
        if self._has_marked_unread:
            return
        self._has_marked_unread = True
        left = self.left_of(to_read)
        for planned in left:
            if planned.stored is None and planned.task.task_id not in self._has_row:
                stage.add(unread_row(planned, self.host, self.web_host, now))
        widened = {planned.task.task_id: planned for planned in left if is_widened(planned)}
        ids = sorted(widened) if self.snapshot is not None else []
        for at in range(0, len(ids), _ROWS_AT_ONCE):
            assert self.snapshot is not None
            for row in task_rows(self.snapshot, ids[at : at + _ROWS_AT_ONCE]):
                stage.refresh(widened_row(row, widened[row["task_id"]]), None)

    def mark_committed(self) -> None:
        """Note that everything applied so far is in the dataset."""
        self._committed = (set(self.done), replace(self.counts), len(self.problems))
        self._committed_doubts = len(self._doubts)

    def start_over(self, stored: Set[str]) -> None:
        """Forget what was applied since the last commit: it could not be committed.

        Args:
            stored: the tasks that have a row now.
        """
        taken, counts, problems = self._committed
        self.done, self.counts = set(taken), replace(counts)
        del self.problems[problems:], self._doubts[self._committed_doubts :]
        self._has_row, self._has_marked_unread = stored, False

    def _count(self, fetched: FetchedTask) -> None:
        counts, task = self.counts, fetched.planned.task
        if fetched.reason is not None:
            state: Literal["failed", "partial"] = (
                "failed" if fetched.state == "failed" else "partial"
            )
            self.problems.append(Problem(task.task_id, task.name, state, fetched.reason))
        counts.new += fetched.planned.is_new
        counts.changed += not fetched.planned.is_new and fetched.state != "kept"
        counts.refreshed += fetched.state == "kept"
        counts.points += fetched.read.received
        counts.points_bad += fetched.read.bad
        counts.redacted += fetched.details.redacted

    @property
    def warnings(self) -> list[str]:
        """Warnings about stored points that were given up in doubt."""
        more = len(self._doubts) - _DOUBTS_LISTED
        listed = self._doubts[:_DOUBTS_LISTED]
        return [*listed, f"the same for {more:,} more tasks"] if more > 0 else listed

    @property
    def has_given_up(self) -> bool:
        """Whether points were replaced that only the previous snapshot still has."""
        return bool(self.counts.rerun or self._doubts)

    def _give_up(self, fetched: FetchedTask, decided: Decision) -> None:
        """Count stored points that neither the server nor the new snapshot has."""
        assert self.snapshot is not None
        if decided.given_up == "another run":
            self.counts.rerun += 1
            self.counts.points_replaced += decided.points
            return
        why = {
            "in doubt": "nothing proves that they are of the current run",
            "read in part": "it could be read only in part, with more points than were stored",
        }[decided.given_up or "in doubt"]
        task = fetched.planned.task
        self._doubts.append(
            f"task {task.task_id} ({task.name[:40]}): the server did not return "
            f"{decided.points:,} of the stored points, and {why}; they were replaced by the points "
            f"that it returned, and snapshot {self.snapshot.number} still has them"
        )

    def _replace(
        self, stage: Stage, fetched: FetchedTask, points: TaskPoints | None, **columns: Any
    ) -> None:
        row = {**self._row(fetched, _read(fetched)), **columns}
        stage.add(row, fetched.details.hyperparams, points, fetched.details.last_metrics.table())

    def _contradicted(self, fetched: FetchedTask) -> dict[str, str]:
        """Return the state of a task whose points the server's summary contradicts, and report it.

        A contradiction is not reported if it is known, accepted (--accept-loss) or expected.
        """
        against, stored, task = fetched.contradiction, fetched.planned.stored, fetched.planned.task
        if against is None:
            return {}
        is_lost = against.state == "lost"
        self.counts.lost += is_lost
        self.counts.ahead += against.is_expected
        is_known = is_lost and stored is not None and stored.reason == against.reason
        is_known |= is_lost and stored is not None and self.accept_loss
        if not (is_known or against.is_expected):
            self.problems.append(Problem(task.task_id, task.name, against.state, against.reason))
        return {"state": against.state, "reason": against.reason}

    def _merge(self, stage: Stage, fetched: FetchedTask) -> None:
        """Keep points that the server has lost; those that it has replace equal keys."""
        stored, task = fetched.planned.stored, fetched.planned.task
        assert stored is not None
        assert self.snapshot is not None
        points = with_stored(
            stage, fetched.points, self.snapshot, task.task_id, stored.project_id, task.project_id
        )
        if points.rows == fetched.read.received:  # the server has all of them after all
            self._replace(stage, fetched, points, **self._contradicted(fetched))
            return
        self.counts.shrunk += 1
        self._replace(
            stage,
            fetched,
            points,
            points_stored=points.rows,
            points_bad=max(fetched.read.bad, stored.points_bad or 0),
            state="shrunk",
            reason=_shrunk(fetched.read.received, points.rows, stored),
        )

    def _keep(self, stage: Stage, fetched: FetchedTask) -> None:
        """Keep the stored points with new metadata: those of the server were not read, or are none.

        The start remains that of the run to which the points belong.
        """
        fetched.discard()
        stored = fetched.planned.stored
        assert stored is not None
        columns = {**_kept(stored), "started": stored.started}
        if fetched.state == "complete":
            self.counts.shrunk += 1
            reason = _shrunk(0, stored.points_stored, stored)
            columns |= {"state": "shrunk", "reason": reason, "points_expected": 0}
        else:
            reason = f"{fetched.reason}; the stored points are kept"
            columns |= {
                "state": fetched.state,
                "reason": reason,
                "metric_filter": stored.metric_filter,
            }
        stage.refresh(self._row(fetched, columns), fetched.details.hyperparams)

    def _row(self, fetched: FetchedTask, about_points: Mapping[str, Any]) -> dict[str, Any]:
        """Make the row of ``tasks``."""
        planned = fetched.planned
        return {
            **planned.task.row(),
            **fetched.details.columns,
            "web_url": web_url(self.web_host, planned.task),
            "server_id": self.host,
            "metric_filter": planned.metrics.text,
            "redacted": fetched.details.redacted,
            "fingerprint": planned.fingerprint,
            "selected": planned.selected,
            **about_points,
        }


def _shrunk(there: int, here: int, stored: KnownTask) -> str:
    earlier = f"; {stored.reason}" if stored.state == "lost" else ""
    return f"the server has {there:,} of its {here:,} points{earlier}"


def _read(fetched: FetchedTask) -> dict[str, Any]:
    return {
        "points_expected": fetched.read.expected if fetched.state != "failed" else None,
        "points_stored": fetched.read.received,
        "points_bad": fetched.read.bad,
        "state": fetched.state,
        "reason": fetched.reason,
        "fetched_at": fetched.at,
    }


def _kept(stored: KnownTask | None) -> dict[str, Any]:
    assert stored is not None, "only stored points can be kept"
    names = ("points_expected", "points_stored", "points_bad", "state", "reason", "fetched_at")
    return {name: getattr(stored, name) for name in (*names, "safe_to_delete_at")}
