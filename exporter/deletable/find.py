"""Finds tasks whose scalars are completely stored, verified against the server.

For users who want to delete tasks on a full server. So everything that is uncertain is left out,
and what the dataset states counts only if the server still confirms it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Literal

import duckdb

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.deletable.evidence import contradicted
from clearml_snapshot.exporter.deletable.files import first_problem
from clearml_snapshot.exporter.errors import DatasetError, RefusedError, SnapshotError
from clearml_snapshot.exporter.reader.scalars.fetch import count_scalars, fetch_scalars, pages_of
from clearml_snapshot.exporter.reader.summaries import MOST_TASKS, TaskSummary, read_summaries
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.compare.digest import DigestSink, StoredDigests, files_of
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import is_settled
from clearml_snapshot.exporter.store.snapshots import Snapshot

Reason = Literal[
    "another server's",
    "metric filter",
    "not complete",
    "values differ",
    "gone",
    "running",
    "too young",
    "changed",
    "count differs",
    "points differ",
    "not counted",
    "summary differs",
]
"""Why a task is not listed, in the order of the checks."""

_GROUP: Final = MOST_TASKS


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A stored task: columns of ``tasks``."""

    task_id: str
    project_id: str | None
    server_id: str
    state: str
    metric_filter: str | None
    points_stored: int | None
    points_bad: int | None
    started: datetime | None
    last_update: datetime | None
    last_iteration: int | None
    fetched_at: datetime


@dataclass(frozen=True)
class CountedAgain:
    """The result of the verification."""

    task_ids: tuple[str, ...]
    """Tasks whose scalars are completely stored, in the given order."""
    left_out: dict[str, Reason]
    """The others, and why."""
    without_summary: int = 0
    """Listed tasks with points of which the server has no summary."""

    def count(self, reason: Reason) -> int:
        """Count the tasks that are left out for a reason."""
        return sum(why == reason for why in self.left_out.values())


@dataclass(frozen=True)
class _How:
    """How to check each task."""

    older_than: datetime | None
    workers: int
    reread: bool
    without_summary: list[str] = field(default_factory=list)
    """Receives the tasks without a summary to compare."""


def count_again(
    snapshot: Snapshot,
    stored: Sequence[StoredTask],
    *,
    limits: RequestLimits | None = None,
    older_than: datetime | None = None,
    workers: int = 4,
    reread: bool = False,
    notice: Callable[[str], None] = lambda _: None,
) -> CountedAgain:
    """Log in and check stored tasks against the server.

    Args:
        snapshot: the snapshot with the tasks, held.
        stored: the candidates.
        limits: how long to wait for the server.
        older_than: tasks that were updated later are left out.
        workers: tasks that are counted, or read, in parallel.
        reread: read every point again and compare it with the stored one.
        notice: receives a sentence for the user.

    Raises:
        LoginError, ServerError: the login or the server failed, so nothing is certain.
    """
    api = Client(read_configuration(), limits, notice)
    api.login()
    doubts = {task.task_id: doubt for task in stored if (doubt := _stored_doubt(task, api.host))}
    candidates = [task for task in stored if task.task_id not in doubts]
    if reread:
        requests = sum(pages_of(task.points_stored) for task in candidates)
        notice(f"reading the points of {len(candidates):,} tasks takes about {requests:,} requests")
    how = _How(older_than, workers, reread)
    for at in range(0, len(candidates), _GROUP):
        doubts |= dict(_server_doubts(api, snapshot, candidates[at : at + _GROUP], how))
    sure = tuple(task.task_id for task in stored if task.task_id not in doubts)
    return CountedAgain(sure, doubts, len(how.without_summary))


def verify_files(
    snapshot: Snapshot,
    stored: Sequence[StoredTask],
    notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Hash the files of tasks and their points: a row of ``tasks`` does not prove its points.

    Args:
        snapshot: the one that the tasks were read from, held.
        stored: the tasks; their points are in the folders of their projects.
        notice: receives a sentence about the work.

    Raises:
        DatasetError: a file was changed since it was written.
    """
    if not stored:
        return
    folders = {layout.part("scalars", task.project_id, "") for task in stored} | {"tasks/"}
    entries = [entry for entry in snapshot.files if entry.path.startswith(tuple(folders))]
    notice(
        f"hashing {len(entries):,} files, {size_in_words(sum(entry.bytes for entry in entries))}"
    )
    problem = first_problem(snapshot, entries)
    if problem is not None:
        raise DatasetError(
            f"{snapshot.location} is damaged: {problem}; no task is listed; "
            "run clearml-snapshot verify"
        )


def _stored_doubt(task: StoredTask, host: str) -> Reason | None:
    if not same_address(task.server_id, host):
        return "another server's"
    if task.metric_filter is not None:
        return "metric filter"
    if task.state != "complete":
        return "not complete"
    return None if task.points_bad == 0 else "values differ"


def _server_doubts(
    api: Client, snapshot: Snapshot, group: Sequence[StoredTask], how: _How
) -> Iterator[tuple[str, Reason]]:
    """Read the summaries, compare the points, and read again: nothing may change in between."""
    before = read_summaries(api, [task.task_id for task in group])
    doubts = {task.task_id: _doubt(task, before.get(task.task_id), how) for task in group}
    sound = [task for task in group if doubts[task.task_id] is None]
    yield from ((task_id, doubt) for task_id, doubt in doubts.items() if doubt)
    summaries = {task.task_id: before[task.task_id].last_metrics for task in sound}
    projects = {task.project_id for task in sound}
    with _readable(snapshot):
        counts = _check(api, snapshot, sound, how)
        denied = contradicted(snapshot, summaries, projects, is_reread=how.reread)
    after = read_summaries(api, [task.task_id for task in sound], with_last_metrics=False)
    for task in sound:
        doubt = _doubt(task, after.get(task.task_id), how) or counts[task.task_id]
        if doubt is None and (task.task_id in denied or _has_no_trace(task, before[task.task_id])):
            doubt = "summary differs"
        if doubt:
            yield task.task_id, doubt
        elif not summaries[task.task_id].rows and task.points_stored:
            how.without_summary.append(task.task_id)


@contextmanager
def _readable(snapshot: Snapshot) -> Iterator[None]:
    """Translate DuckDB's error about a damaged file."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"no task is listed: {error}") from error
    except duckdb.Error as error:
        if is_out_of_room(error):
            raise SnapshotError("the disk is full; no task is listed; free some space") from error
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{snapshot.location} is damaged: {reason}; no task is listed; "
            "run clearml-snapshot verify"
        ) from error


def _has_no_trace(stored: StoredTask, now: TaskSummary) -> bool:
    """Return whether a task has iterations, but neither points nor a summary.

    Weak evidence of a lost index, as plots and images also count iterations. Leaving a task out
    costs nothing, while listing it may cost its points.
    """
    return (
        not (stored.points_stored or now.last_metrics.rows) and (now.task.last_iteration or 0) > 0
    )


def _doubt(stored: StoredTask, now: TaskSummary | None, how: _How) -> Reason | None:
    if now is None:
        return "gone"
    task = now.task
    if not is_settled(task.status, "complete"):
        return "running"
    if how.older_than and (task.last_update is None or task.last_update > how.older_than):
        return "too young"
    current = (task.started, task.last_update, task.last_iteration)
    at_the_export = (stored.started, stored.last_update, stored.last_iteration)
    return None if current == at_the_export else "changed"


def _check(
    api: Client, snapshot: Snapshot, group: Sequence[StoredTask], how: _How
) -> dict[str, Reason | None]:
    """Count, or read, the points of each task on the server, several tasks in parallel."""
    digests = StoredDigests(snapshot, {task.task_id: task.project_id for task in group})
    if how.reread:
        files_of(snapshot, {task.project_id for task in group})  # before several threads need them
    check = partial(_read_one, api, digests) if how.reread else partial(_count_one, api)
    pool = ThreadPoolExecutor(how.workers, thread_name_prefix="count")
    futures = {task.task_id: pool.submit(check, task) for task in group}
    try:
        return {task_id: future.result() for task_id, future in futures.items()}
    finally:
        if not all(future.done() for future in futures.values()):
            api.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _count_one(api: Client, task: StoredTask) -> Reason | None:
    try:
        counted = count_scalars(api, task.task_id, None)
    except RefusedError:
        return "not counted"  # if it is gone, the second summary shows it
    return None if counted == task.points_stored else "count differs"


def _read_one(api: Client, digests: StoredDigests, task: StoredTask) -> Reason | None:
    sink = DigestSink()
    try:
        read = fetch_scalars(api, task.task_id, None, sink)
    except RefusedError:
        return "not counted"
    if read.received != task.points_stored:
        return "count differs"
    is_same = read.reason is None and sink.digest == digests.of(task.task_id)
    return None if is_same else "points differ"
