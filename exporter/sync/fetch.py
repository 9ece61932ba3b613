"""Fetches several tasks in parallel, and yields each as soon as it is complete."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import LimitReachedError, RefusedError, ServerError
from clearml_snapshot.exporter.reader.listing import read_all_details
from clearml_snapshot.exporter.reader.missing_points import (
    Contradiction,
    is_beyond,
    judge,
    missing_points,
)
from clearml_snapshot.exporter.reader.scalars.fetch import ScalarsRead, count_scalars, fetch_scalars
from clearml_snapshot.exporter.reader.scalars.one_run import RunWatch
from clearml_snapshot.exporter.reader.summaries import read_summaries
from clearml_snapshot.exporter.reader.tasks import TaskDetails
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, Stage, TaskPoints, discard
from clearml_snapshot.exporter.sync.planning.plan import PlannedTask

_FIRST_GROUP: Final = 10
MOST_DETAILS: Final = 100
"""Tasks whose heavy fields are read in one request."""
_MOST_CLAIMS: Final = 5_000
"""Series that the tasks of one such request should have in total: 350 bytes each."""
_GONE: Final = TaskDetails({}, (), missing="its metadata: deleted from the server in the meantime")

State = Literal["complete", "partial", "failed", "kept"]
"""``kept``: the stored points are still valid; only the metadata was read."""


@dataclass(frozen=True, slots=True)
class FetchedTask:
    """One task, read as far as possible."""

    planned: PlannedTask
    details: TaskDetails
    read: ScalarsRead
    points: TaskPoints | None
    state: State
    reason: str | None
    at: datetime
    """When reading its points began, UTC."""
    failed_at: datetime | None = None
    """When the server refused the last of its requests, UTC; set if it failed."""
    contradiction: Contradiction | None = None
    """Set if all points that the server counts were read, but its summary names others."""

    def discard(self) -> None:
        """Delete its files; its points will not be used."""
        if self.points is not None:
            discard(self.points)


@dataclass(frozen=True)
class FetchOptions:
    """How to fetch tasks."""

    workers: int
    with_params: bool
    reports: Mapping[str, int] = field(default_factory=dict)
    """Reports that the server had counted when the stored points were read, by task id."""
    stored_series: Callable[[str], Mapping[Name, SeriesOutline]] = lambda _: {}
    """Returns the stored series of a task that is counted again."""


def fetch_tasks(
    api: Client,
    to_read: Sequence[PlannedTask],
    stage: Callable[[], Stage],
    redactor: Redactor,
    options: FetchOptions,
) -> Generator[FetchedTask]:
    """Read tasks, several in parallel, and yield each when it is done.

    A failed task is yielded only after one that was begun later and succeeded, or at the end: if
    all fail from then on, the server has failed, and ServerError ends the run before they could
    count as failed. An earlier task proves nothing: its answers may have come before.

    Args:
        api: a client that is logged in.
        to_read: the tasks, in the order in which they are started.
        stage: returns the stage to which points may currently be spilled.
        redactor: replaces credentials in the heavy fields.
        options: how to fetch.

    Raises:
        ServerError: the server does not answer.
        LimitReachedError: a limit of the run is reached.
    """
    failed: list[FetchedTask] = []
    with closing(_fetched(api, to_read, stage, redactor, options)) as fetched:
        for task in fetched:
            if task.state == "failed":
                failed.append(task)
                continue
            yield from (other for other in failed if _is_before(other, task))
            failed = [other for other in failed if not _is_before(other, task)]
            yield task
    yield from failed


def _is_before(failed: FetchedTask, succeeded: FetchedTask) -> bool:
    """Return whether a task had failed before the other was begun."""
    return failed.failed_at is not None and failed.failed_at <= succeeded.at


def _fetched(
    api: Client,
    to_read: Sequence[PlannedTask],
    stage: Callable[[], Stage],
    redactor: Redactor,
    options: FetchOptions,
) -> Generator[FetchedTask]:
    pending: set[Future[FetchedTask]] = set()
    queue = with_details(api, to_read, redactor, options.with_params)
    pool = ThreadPoolExecutor(options.workers, thread_name_prefix="fetch")
    try:
        for planned, details in queue:
            pending.add(pool.submit(_fetch, api, planned, details, stage(), options))
            if len(pending) > options.workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from _complete_first(done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from _complete_first(done)
    finally:
        if pending:
            api.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _complete_first(done: set[Future[FetchedTask]]) -> Iterator[FetchedTask]:
    """Yield completed tasks before an error is raised, which ends the run."""
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield future.result()


def with_details(
    api: Client, to_read: Sequence[PlannedTask], redactor: Redactor, with_params: bool
) -> Iterator[tuple[PlannedTask, TaskDetails]]:
    """Read the heavy fields in groups; a refused group is halved until only one task is refused."""
    at, size = 0, _FIRST_GROUP
    while at < len(to_read):
        group = to_read[at : at + size]
        ids = [planned.task.task_id for planned in group]
        try:
            details = dict(read_all_details(api, ids, redactor, with_params=with_params))
        except RefusedError as error:
            if len(group) > 1:
                size = len(group) // 2
                continue
            details = {ids[0]: TaskDetails({}, (), missing=f"its metadata: {error}")}
        at += len(group)
        size = _next_size(details.values())
        for planned in group:
            yield (
                planned,
                _with_odd(planned, details.get(planned.task.task_id, _GONE)),
            )


def _with_odd(planned: PlannedTask, details: TaskDetails) -> TaskDetails:
    """Add fields of the listing that could not be read: they make the task partial."""
    if planned.task.odd is None:
        return details
    missing = _together(details.missing, f"its entry in the list of tasks: {planned.task.odd}")
    return replace(details, missing=missing)


def _next_size(details: Collection[TaskDetails]) -> int:
    """Choose how many tasks come next: summaries of thousands of series are megabytes."""
    most = max((len(task_details.last_metrics.rows) for task_details in details), default=0)
    return max(1, min(MOST_DETAILS, _MOST_CLAIMS // max(most, 1)))


def _fetch(
    api: Client, planned: PlannedTask, details: TaskDetails, stage: Stage, options: FetchOptions
) -> FetchedTask:
    """Read one task's points; a refusal makes this task fail, not the run."""
    buffer = PointBuffer(stage, planned.task.project_id)
    at = datetime.now(UTC)
    try:
        if _can_keep(api, planned, details, options):
            none = ScalarsRead(0, 0)
            return FetchedTask(planned, details, none, None, "kept", details.missing, at)
        watch = RunWatch(api, planned.task, details.last_metrics)
        task_id, choices = planned.task.task_id, planned.metrics.choices
        read = fetch_scalars(api, task_id, choices, buffer, watch.was_run_again)
    except RefusedError as error:
        buffer.discard()
        why, now = _together(str(error), planned.doubt), datetime.now(UTC)
        return FetchedTask(planned, details, ScalarsRead(0, 0), None, "failed", why, at, now)
    except (ServerError, LimitReachedError, OSError):
        buffer.discard()
        raise
    reason = _together(read.reason, planned.doubt) or details.missing
    state: State = "complete" if reason is None else "partial"
    points = buffer.finish()
    against = None
    if reason is None:
        try:
            against = _contradiction(api, planned, details, points)
        except RefusedError as error:
            state, reason = "partial", f"its summary could not be read again: {error}"
    return FetchedTask(planned, details, read, points, state, reason, at, contradiction=against)


def _together(*reasons: str | None) -> str | None:
    return "; ".join(filter(None, reasons)) or None


def _contradiction(
    api: Client, planned: PlannedTask, details: TaskDetails, points: TaskPoints
) -> Contradiction | None:
    """Compare the points with the server's summary, which is read again before it counts.

    A task may be reset, or report, between the reading of its summary and that of its points.
    """
    missing = missing_points(details.last_metrics, planned.metrics.choices, points)
    if not missing:
        return None
    task_id = planned.task.task_id
    now = read_summaries(api, [task_id]).get(task_id)
    if now is None:  # deleted in the meantime; the next export notices it
        return judge(missing, planned.task, True, datetime.now(UTC))
    still_missing = missing_points(now.last_metrics, planned.metrics.choices, points)
    return judge(
        still_missing, now.task, now.last_metrics != details.last_metrics, datetime.now(UTC)
    )


def _can_keep(
    api: Client, planned: PlannedTask, details: TaskDetails, options: FetchOptions
) -> bool:
    """Return whether the server's points are unchanged: no new reports, and the same count.

    The count alone would miss an overwritten point, the reports a point without a number. If a
    server does not count reports, its count of points is enough if no date changed.
    """
    if planned.points in ("read", "keep"):
        return planned.points == "keep"
    task_id, choices = planned.task.task_id, planned.metrics.choices
    stored, now = options.reports.get(task_id), details.last_metrics.reports(choices)
    is_counted = None not in (stored, now)
    if stored != now if is_counted else planned.points == "ask":
        return False
    assert planned.stored is not None
    is_proof = planned.points == "recount" and planned.stored.state == "complete"
    if is_proof and is_beyond(details.last_metrics, choices, options.stored_series(task_id)):
        return False
    return count_scalars(api, task_id, choices) == planned.stored.points_expected
