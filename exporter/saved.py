"""Which tasks' scalars are all here: asked of the server again, and counted there just now.

For people who want to delete on a full server. So everything that is not certain is left out, and
the dataset's own word counts only where the server still says the same.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.api import Api, Limits
from clearml_snapshot.exporter.configuration import read_configuration
from clearml_snapshot.exporter.errors import DatasetError, RefusedError
from clearml_snapshot.exporter.store import layout
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.verify import damage
from clearml_snapshot.exporter.tasks import Task, read_task

Reason = Literal[
    "another server's",
    "metric filter",
    "not whole",
    "values differ",
    "gone",
    "running",
    "too young",
    "changed",
    "count differs",
    "not counted",
]
"""Why a task is not listed; the order in which they are looked at."""

_ENDED: Final = frozenset({"completed", "stopped", "failed", "published", "closed"})
_TELLING: Final = ("id", "status", "started", "last_update", "last_iteration")
"""What moves when points do; ``last_change`` moves with names and tags as well."""
_GROUP: Final = 500
"""Tasks in one request; the server cuts longer pages."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """What the dataset holds of a task: columns of ``tasks``."""

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


@dataclass(frozen=True)
class CountedAgain:
    """What came of asking again."""

    task_ids: tuple[str, ...]
    """Tasks whose every scalar is stored, in the order in which they were given."""
    left_out: dict[str, Reason]
    """The others, and why."""

    def count(self, reason: Reason) -> int:
        """Count the tasks that are left out for a reason."""
        return sum(why == reason for why in self.left_out.values())


def count_again(
    stored: Sequence[StoredTask],
    *,
    limits: Limits | None = None,
    older_than: datetime | None = None,
    workers: int = 4,
    notice: Callable[[str], None] = lambda _: None,
) -> CountedAgain:
    """Log in and ask the server about tasks that the dataset holds.

    Args:
        stored: the candidates.
        limits: how long to wait for the server.
        older_than: tasks that were updated later are left out.
        workers: counts in flight.
        notice: is told what a person should know.

    Raises:
        LoginError, ServerError: there is no way in, or the server died: nothing is certain then.
    """
    api = Api(read_configuration(), limits, notice)
    api.login()
    doubts = {one.task_id: doubt for one in stored if (doubt := _stored_doubt(one, api.host))}
    candidates = [one for one in stored if one.task_id not in doubts]
    for at in range(0, len(candidates), _GROUP):
        group = candidates[at : at + _GROUP]
        doubts |= dict(_server_doubts(api, group, older_than, workers))
    sure = tuple(one.task_id for one in stored if one.task_id not in doubts)
    return CountedAgain(sure, doubts)


def prove(
    snapshot: Snapshot,
    stored: Sequence[StoredTask],
    notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Hash the files in which tasks and their points stand: a row of ``tasks`` proves no point.

    Args:
        snapshot: the one that the tasks were read from, held.
        stored: the tasks; the points of one stand in its project's folder.
        notice: is told what takes its time.

    Raises:
        DatasetError: a file is not as it was written.
    """
    if not stored:
        return
    folders = {layout.part("scalars", one.project_id, "") for one in stored} | {"tasks/"}
    entries = [one for one in snapshot.files if one.path.startswith(tuple(folders))]
    notice(f"hashing {len(entries):,} files, {sum(one.bytes for one in entries) / 1e6:,.1f} MB")
    problem = next(damage(snapshot.root, entries), None)
    if problem is not None:
        raise DatasetError(
            f"{snapshot.root} is damaged: {problem}; no task is listed; run clearml-snapshot verify"
        )


def _stored_doubt(one: StoredTask, host: str) -> Reason | None:
    if not same_address(one.server_id, host):
        return "another server's"
    if one.metric_filter is not None:
        return "metric filter"
    if one.state != "complete":
        return "not whole"
    return None if one.points_bad == 0 else "values differ"


def _server_doubts(
    api: Api, group: Sequence[StoredTask], older_than: datetime | None, workers: int
) -> Iterator[tuple[str, Reason]]:
    """Ask for the tasks, count their points, and ask again: nothing may move meanwhile."""
    before = _ask(api, group)
    doubts = {one.task_id: _doubt(one, before.get(one.task_id), older_than) for one in group}
    sound = [one for one in group if doubts[one.task_id] is None]
    yield from ((task_id, doubt) for task_id, doubt in doubts.items() if doubt)
    counts = _count(api, sound, workers)
    after = _ask(api, sound)
    for one in sound:
        doubt = _doubt(one, after.get(one.task_id), older_than) or _count_doubt(
            one, counts[one.task_id]
        )
        if doubt:
            yield one.task_id, doubt


def _ask(api: Api, group: Sequence[StoredTask]) -> dict[str, Task]:
    """Read by id how tasks are now; hidden and archived ones too."""
    if not group:
        return {}  # an empty list of ids is no filter
    data = api.get(
        "tasks.get_all_ex",
        id=[one.task_id for one in group],
        only_fields=list(_TELLING),
        search_hidden=True,
        page=0,
        page_size=_GROUP,
    )
    return {str(entry["id"]): read_task(entry) for entry in data["tasks"]}


def _doubt(one: StoredTask, now: Task | None, older_than: datetime | None) -> Reason | None:
    if now is None:
        return "gone"
    if now.status not in _ENDED:
        return "running"
    if older_than is not None and (now.last_update is None or now.last_update > older_than):
        return "too young"
    told, known = (
        (_whole_ms(task.started), _whole_ms(task.last_update), task.last_iteration)
        for task in (now, one)
    )
    return None if told == known else "changed"


def _count_doubt(one: StoredTask, counted: int | Reason) -> Reason | None:
    if isinstance(counted, str):
        return counted
    return None if counted == one.points_stored else "count differs"


def _count(api: Api, group: Sequence[StoredTask], workers: int) -> dict[str, int | Reason]:
    """Count the points that the server holds of each task, several at once."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="count")
    futures = {one.task_id: pool.submit(_count_one, api, one.task_id) for one in group}
    try:
        return {task_id: future.result() for task_id, future in futures.items()}
    finally:
        if not all(future.done() for future in futures.values()):
            api.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _count_one(api: Api, task_id: str) -> int | Reason:
    # A page of no events: one of a single event would bring all of its iteration, and one whose
    # events lack an iteration is an error.
    body: dict[str, Any] = {"batch_size": 0, "count_total": True}
    try:
        data = api.get(
            "events.get_task_events", task=task_id, event_type="training_stats_scalar", **body
        )
    except RefusedError:
        return "not counted"  # if it is gone, asking for it again will tell
    total = data.get("total")
    return total if isinstance(total, int) else "not counted"


def _whole_ms(moment: datetime | None) -> datetime | None:
    """Cut a time to what the dataset keeps of it."""
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)
