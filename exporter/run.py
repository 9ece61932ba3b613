"""An export from end to end: list → plan → fetch → stage → commit."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.api import Api, Identity, Limits
from clearml_snapshot.exporter.configuration import read_configuration
from clearml_snapshot.exporter.errors import NoSuchNameError, ServerError, UsageError
from clearml_snapshot.exporter.fetch import FetchedTask, FetchOptions, fetch_tasks
from clearml_snapshot.exporter.filters import ResolvedFilter, resolve
from clearml_snapshot.exporter.listing import list_series, list_tasks, read_names
from clearml_snapshot.exporter.metrics import MONITOR_PREFIX, filter_text
from clearml_snapshot.exporter.plan import KnownTask, Plan, Wanted, make_plan, merge
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.redact import Redactor
from clearml_snapshot.exporter.report import ExportReport, Problem, Result
from clearml_snapshot.exporter.selection import Selection, wanted_metrics, whole_ids
from clearml_snapshot.exporter.store.dataset import Dataset, writing
from clearml_snapshot.exporter.store.snapshots import Snapshot, current_snapshot_folder
from clearml_snapshot.exporter.store.writer import Stage
from clearml_snapshot.exporter.tasks import Task, web_url

_CHECKPOINT_POINTS: Final = 5_000_000
_CHECKPOINT_TASKS: Final = 20_000
_COMMIT_SHARE: Final = 20
"""A checkpoint waits for so many times as long as the last one took."""


@dataclass(frozen=True)
class ExportOptions:
    """How to export; what is exported says the Selection."""

    workers: int = 4
    """Tasks in flight."""
    limits: Limits = field(default_factory=Limits)
    web_host: str | None = None
    """The web UI's address, for links; None asks the configuration."""
    keep_secrets: bool = False
    """Store what looks like a credential as it is."""
    with_params: bool = True
    """Store hyperparameters and user properties."""
    wait: bool = False
    """Wait for another writer."""
    once: bool = False
    """Do not remember the selection."""


@dataclass
class _Run:
    """One export while it runs."""

    api: Api
    identity: Identity
    options: ExportOptions
    progress: Progress
    dataset: Dataset
    remembered: list[Selection]
    export_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    words: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unchanged: int = 0
    new: int = 0
    changed: int = 0
    points: int = 0
    points_bad: int = 0
    redacted: int = 0


def export(
    data: str | Path = "data",
    selection: Selection | None = None,
    *,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Take a history home: what has changed of the selected tasks, as a new snapshot.

    Args:
        data: the dataset's folder; made when it is not there.
        selection: which tasks and metrics; ``Selection()`` is everything, None all selections
            that the dataset remembers.
        options: how.
        progress: is told what happens; silent by default.

    Returns:
        What it came to; tasks that could not be read whole are its ``problems``.

    Raises:
        UsageError: a folder that is no dataset, a name that does not exist, no selection at all.
        LoginError, ServerError: no way in, or a server that died; what is committed stays.
        LockedError: another export is writing.
        DatasetError: the dataset is damaged, too new, or of another server.
        KeyboardInterrupt: a second Ctrl-C; after the first one the report says ``interrupted``.
    """
    folder, options, progress = Path(data), options or ExportOptions(), progress or Progress()
    if selection is None and current_snapshot_folder(folder) is None:
        raise UsageError(
            "the first export of a dataset needs a filter (--project, --tag, …; see "
            "`clearml-snapshot export --help`), or --all for every task"
        )
    configuration = read_configuration(options.web_host)
    api = Api(configuration, options.limits, progress.note)
    identity = api.login()
    progress.note(
        f"server {api.host} (ClearML {identity.server_version}), user {identity.user_name}"
    )
    if api.web_host is None:
        progress.note("the web address is unknown, so tasks have no links; --web-host sets it")
    with _unmade_if_refused(folder), writing(folder, wait=options.wait) as dataset:
        remembered = _remembered(dataset.snapshot, api.host)
        run = _Run(api, identity, options, progress, dataset, remembered)
        try:
            return _export(run, [selection] if selection is not None else remembered)
        finally:
            progress.end()


@contextmanager
def _unmade_if_refused(folder: Path) -> Iterator[None]:
    """Leave no new folder behind when what was asked cannot be meant."""
    is_new = not folder.exists()
    try:
        yield
    except UsageError:
        if is_new and current_snapshot_folder(folder) is None:
            # By name: another export may have begun here, and its work must not go.
            for name in (".gitignore", ".lock", "README.md"):
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
        raise


def _export(run: _Run, selections: list[Selection]) -> ExportReport:
    known = known_tasks(run.dataset.snapshot)
    asked = _asked(run, selections, known)
    context = (run.options.with_params, run.options.keep_secrets)
    plan = make_plan(asked.values(), known, context)
    run.unchanged = len(plan.unchanged)
    for selection in selections:
        if not run.options.once and selection not in run.remembered:
            run.remembered.append(selection)
    run.progress.begin(len(plan.to_read), run.unchanged)
    result, lost = _fetch_and_commit(run, plan)
    if lost is not None:
        raise lost
    return _report(run, result)


def _asked(
    run: _Run, selections: list[Selection], known: Mapping[str, KnownTask]
) -> dict[str, tuple[Task, Wanted]]:
    """List what every selection finds, each task once, with all that is asked of it."""
    asked: dict[str, tuple[Task, Wanted]] = {}
    for selection in selections:
        resolved = _resolved(run, selection, known)
        words = f"{resolved}{selection.metric_words}"
        run.words.append(words)
        run.progress.note(f"tasks: {words}")
        listing = list_tasks(run.api, resolved, run.progress)
        left_out = (*listing.left_out, *selection.left_out)
        run.left_out += [text for text in left_out if text not in run.left_out]
        _note_missing(run, resolved, listing.tasks)
        ids = [task.task_id for task in listing.tasks]
        series = list_series(run.api, ids) if selection.narrows_metrics else {}
        wanted = wanted_metrics(selection, series)
        for task in listing.tasks:
            _, before = asked.get(task.task_id, (task, ()))
            asked[task.task_id] = (task, merge(before, wanted))
    return asked


def _resolved(run: _Run, selection: Selection, known: Mapping[str, KnownTask]) -> ResolvedFilter:
    task_filter = replace(selection.filter, task_ids=whole_ids(selection.filter.task_ids, known))
    names = read_names(run.api, task_filter, run.identity.user_id)
    return resolve(task_filter, names, run.begun)


def _note_missing(run: _Run, resolved: ResolvedFilter, tasks: tuple[Task, ...]) -> None:
    """Say which of the ids that were asked for the server does not have."""
    missing = sorted((resolved.task_ids or frozenset()) - {task.task_id for task in tasks})
    if missing and not tasks:
        raise NoSuchNameError(f"the server has no task {missing[0]} that fits the filter")
    for task_id in missing:
        run.problems.append(Problem(task_id, "", "failed", "not on the server, or filtered out"))


def _fetch_and_commit(run: _Run, plan: Plan) -> tuple[Result, ServerError | None]:
    """Read the plan's tasks and commit them; whatever ends this early, what is whole is kept."""
    stage = run.dataset.new_stage()
    committed_at, commit_took = time.monotonic(), 0.0
    result: Result = "complete"
    lost = None
    how = FetchOptions(run.options.workers, run.options.with_params)
    redactor = Redactor(run.options.keep_secrets)
    fetched = fetch_tasks(run.api, plan.to_read, lambda: stage, redactor, how)
    try:
        for one in fetched:
            _take(run, stage, one)
            waited = time.monotonic() - committed_at
            if _is_due(stage) and waited > _COMMIT_SHARE * commit_took:
                committed_at, stage = time.monotonic(), _checkpoint(run, stage)
                commit_took = time.monotonic() - committed_at
    except KeyboardInterrupt:
        result = "interrupted"
        run.progress.note("interrupted; committing what is whole (Ctrl-C again stops at once)")
    except ServerError as error:
        result, lost = "server lost", error
    finally:
        fetched.close()
    if lost is not None and not stage.task_ids:
        return result, lost
    if result == "complete" and run.problems:
        result = "partial"
    _commit(run, stage, result)
    return result, lost


def _take(run: _Run, stage: Stage, one: FetchedTask) -> None:
    """Stage one task, unless what is stored of it already is worth more."""
    planned, read = one.planned, one.read
    task, stored = planned.task, planned.known
    if one.state != "complete":
        run.problems.append(Problem(task.task_id, task.name, one.state, one.reason or ""))
    run.new += stored is None
    run.changed += stored is not None
    run.points += read.stored
    run.points_bad += read.bad
    run.redacted += one.details.redacted
    run.progress.task_done(read.stored, run.api.traffic.requests)
    if one.state != "complete" and stored is not None and _is_worth_more(stored, one):
        one.discard()
        return
    row = {
        **task.row(),
        **one.details.columns,
        "web_url": web_url(run.api.web_host, task),
        "server_id": run.api.host,
        "metric_filter": filter_text(planned.wanted),
        "points_expected": read.expected if one.state != "failed" else None,
        "points_stored": read.stored,
        "points_bad": read.bad,
        "state": one.state,
        "reason": one.reason,
        "redacted": one.details.redacted,
        "fetched_at": one.at,
        "fingerprint": planned.fingerprint,
    }
    stage.add(row, one.details.hyperparams, one.points)


def _is_worth_more(stored: KnownTask, one: FetchedTask) -> bool:
    """Whether what is stored of a task should stay in place of what came of it this time."""
    if stored.points_stored != one.read.stored:
        return stored.points_stored > one.read.stored
    lacks_details = one.state == "failed" or one.details.missing is not None
    return stored.state == "complete" and lacks_details


def _is_due(stage: Stage) -> bool:
    return stage.points >= _CHECKPOINT_POINTS or len(stage.task_ids) >= _CHECKPOINT_TASKS


def _checkpoint(run: _Run, stage: Stage) -> Stage:
    following = run.dataset.new_stage()
    _commit(run, stage, "running")
    run.progress.committed(len(stage.task_ids))
    return following


def _commit(run: _Run, stage: Stage, result: str) -> None:
    is_checkpoint = result == "running"
    run.dataset.commit(
        stage,
        server={
            "host": run.api.host,
            "web": run.api.web_host,
            "version": run.identity.server_version,
            "api_version": run.identity.api_version,
            "company": run.identity.company_name,
        },
        selections=[selection.as_json() for selection in run.remembered],
        export_row=_export_row(run, result, None if is_checkpoint else datetime.now(UTC)),
        checkpoint=is_checkpoint,
    )


def _export_row(run: _Run, result: str, finished: datetime | None) -> dict[str, Any]:
    states = [problem.state for problem in run.problems]
    return {
        "export_id": run.export_id,
        "started": run.begun,
        "finished": finished,
        "server": run.api.host,
        "user": run.identity.user_name,
        "selections": json.dumps(run.words, ensure_ascii=False),
        "tasks_new": run.new,
        "tasks_changed": run.changed,
        "tasks_unchanged": run.unchanged,
        "tasks_partial": states.count("partial"),
        "tasks_failed": states.count("failed"),
        "points": run.points,
        "requests": run.api.traffic.requests,
        "bytes": run.api.traffic.bytes,
        "result": result,
        "tool_version": version("clearml-snapshot"),
    }


def _report(run: _Run, result: Result) -> ExportReport:
    snapshot = run.dataset.snapshot
    assert snapshot is not None
    traffic = run.api.traffic
    return ExportReport(
        result=result,
        server=run.api.host,
        user=run.identity.user_name,
        selections=tuple(run.words),
        tasks_new=run.new,
        tasks_changed=run.changed,
        tasks_unchanged=run.unchanged,
        problems=tuple(run.problems),
        points=run.points,
        points_bad=run.points_bad,
        redacted=run.redacted,
        requests=traffic.requests,
        retries=traffic.retries,
        bytes=traffic.bytes,
        seconds=time.monotonic() - run.clock,
        totals={name: getattr(snapshot.totals, name) for name in _TOTALS},
        monitor_points=_monitor_points(snapshot),
        left_out=tuple(run.left_out),
        snapshot=snapshot.root,
    )


_TOTALS: Final = ("tasks", "series", "points", "projects", "bytes")


def _remembered(snapshot: Snapshot | None, host: str) -> list[Selection]:
    """Read what the dataset remembers, and see that it is of this server.

    Raises:
        UsageError: it is of another server.
    """
    if snapshot is None:
        return []
    stored = snapshot.server.get("host")
    if stored is not None and stored != host:
        raise UsageError(
            f"this dataset is of {stored}, and this is {host}; give another folder with --data"
        )
    return [Selection.from_json(written) for written in snapshot.selections or ()]


def known_tasks(snapshot: Snapshot | None) -> dict[str, KnownTask]:
    """Read what the dataset holds of each task."""
    if snapshot is None:
        return {}
    columns = ["task_id", "fingerprint", "state", "metric_filter", "points_stored"]
    return {row.pop("task_id"): KnownTask(**row) for row in _rows(snapshot, "tasks", columns)}


def _monitor_points(snapshot: Snapshot) -> int:
    rows = _rows(snapshot, "series", ["metric", "n"])
    return sum(row["n"] for row in rows if row["metric"].startswith(MONITOR_PREFIX))


def _rows(snapshot: Snapshot, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for path in snapshot.paths(table):
        for batch in pq.ParquetFile(path).iter_batches(columns=columns):
            yield from batch.to_pylist()
