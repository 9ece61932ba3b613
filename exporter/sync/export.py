"""Runs an export from end to end: list → plan → fetch → stage → commit."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.client.budget import StoppedError
from clearml_snapshot.exporter.errors import LimitReachedError, ServerError, UsageError
from clearml_snapshot.exporter.interrupt import Interrupt, first_interrupt
from clearml_snapshot.exporter.merge.rebase import rebase
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.scalars.one_run import was_run_again_since
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import check_typed
from clearml_snapshot.exporter.settings import a_selection, setting
from clearml_snapshot.exporter.store.compare.digest import StoredDigests
from clearml_snapshot.exporter.store.compare.overlap import StoredPoints
from clearml_snapshot.exporter.store.compare.series_outline import StoredOutlines
from clearml_snapshot.exporter.store.disk.reserve import is_full_disk
from clearml_snapshot.exporter.store.objects.address import as_typed
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.permissions.modes import sharing
from clearml_snapshot.exporter.store.writing.place import Place, place_at
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter
from clearml_snapshot.exporter.sync.apply import Applier
from clearml_snapshot.exporter.sync.failed_run import (
    WHILE_WRITING,
    Attempt,
    commit_row,
)
from clearml_snapshot.exporter.sync.fetch import FetchOptions, fetch_tasks
from clearml_snapshot.exporter.sync.planning.plan import Plan
from clearml_snapshot.exporter.sync.planning.stored_state import read_stored_tasks, stored_reports
from clearml_snapshot.exporter.sync.prepare import (
    ExportOptions,
    PreparedExport,
    Server,
    connect,
    log_in,
    prepare_export,
)
from clearml_snapshot.exporter.sync.report import ExportReport, Result
from clearml_snapshot.exporter.sync.run_result import Run, export_row, make_report
from clearml_snapshot.exporter.sync.server_moved import follow_server, server_record

_CHECKPOINT_POINTS: Final = 5_000_000
_CHECKPOINT_TASKS: Final = 20_000
_COMMIT_SHARE: Final = 20
"""Time between checkpoints, as a multiple of the duration of the last one."""


def export(
    data: str | Path = "data",
    selection: Selection | None = None,
    *,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Export what has changed of the selected tasks, as a new snapshot.

    Args:
        data: the dataset's folder; it is created if it does not exist.
        selection: which tasks and metrics; ``Selection()`` is everything, None all selections that
            the dataset remembers.
        options: how to export.
        progress: receives the progress; silent by default.

    Returns:
        The results; tasks that could not be read completely are its ``problems``.

    Raises:
        UsageError: a folder that is not a dataset, a name that does not exist, no selection.
        LoginError, ServerError: the login or the server failed; what is committed is kept.
        LockedError: another export is writing.
        DatasetError: the dataset is damaged, too new, or of another server.
        LimitReachedError: a limit was reached before a task was read.
        KeyboardInterrupt: a second Ctrl-C; after the first one the result is ``interrupted``.
    """
    folder, options, progress = Path(data), options or ExportOptions(), progress or Progress()
    clock = time.monotonic()
    place = place_at(folder, rebase)
    place.check(options.share)
    has_dataset = place.has_dataset()
    check_asked(folder, selection, options, has_dataset=has_dataset)
    if options.share is not None and has_dataset:
        with place.writing(wait=options.wait, share=options.share):
            _note_sharing(folder, progress)  # needs no server, so it is done before the login
    attempt = Attempt(place, selection, options)
    with attempt.configuring():
        api = connect(options, progress)
    with attempt.logging_in(api):
        server = log_in(api, progress)
    with place.unmade_if_empty(), _made(place, folder, options, progress) as dataset:
        try:
            with attempt.listing(dataset, server):
                run = _prepare(attempt, server, dataset, progress, clock)
            return _export(run)
        finally:
            server.api.stop()  # otherwise threads in a request would delay a second Ctrl-C
            progress.end()


def _prepare(
    attempt: Attempt, server: Server, dataset: DatasetWriter, progress: Progress, clock: float
) -> Run:
    """List what is selected, and open the stored points of tasks that will be read again."""
    options = attempt.options
    if options.server_moved:
        follow_server(server, dataset, progress, accept_gone=options.accept_gone)
    prepared = _prepared(server, dataset, attempt.selection, options, progress)
    api, snapshot = server.api, dataset.snapshot
    again = {
        planned.task.task_id: (planned.stored.project_id, planned.stored.points_stored or 0)
        for planned in prepared.plan.to_read
        if planned.stored is not None and planned.may_replace
    }
    applier = Applier(
        api.host,
        api.web_host,
        snapshot,
        StoredOutlines(snapshot, again),
        StoredDigests(snapshot, _to_compare(prepared.plan)),
        StoredPoints(snapshot, again),
        lambda fetched: was_run_again_since(
            api, fetched.planned.task, fetched.details.last_metrics
        ),
        accept_loss=options.accept_loss,
    )
    stage = dataset.new_stage()
    return Run(server, options, progress, dataset, prepared, applier, stage, clock, attempt)


def _prepared(
    server: Server,
    dataset: DatasetWriter,
    selection: Selection | None,
    options: ExportOptions,
    progress: Progress,
) -> PreparedExport:
    try:
        return prepare_export(server, dataset.snapshot, selection, options, progress)
    except LimitReachedError:
        reached = server.api.limit_reached
        if reached is None:
            raise
        raise LimitReachedError(f"{reached} before a task was read; use a higher limit") from None


@contextmanager
def _made(
    place: Place, folder: Path, options: ExportOptions, progress: Progress
) -> Iterator[DatasetWriter]:
    """Become a writer of the dataset; a new one is shared when it is created."""
    share = None if options.share is None or place.has_dataset() else options.share
    with place.writing(wait=options.wait, share=share) as dataset:
        if share is not None:
            _note_sharing(folder, progress)
        yield dataset


def _note_sharing(folder: Path, progress: Progress) -> None:
    for sentence in sharing(folder):
        progress.note(sentence)


def check_asked(
    folder: Path, selection: Selection | None, options: ExportOptions, *, has_dataset: bool
) -> None:
    """Check the arguments before the server is contacted.

    Raises:
        UsageError: a first export without a selection, a selection with ``only_failed``, or one
            that is not valid on any server.
    """
    if selection is not None:
        check_typed(selection.filter)
    is_first = not has_dataset
    if options.server_moved and is_first:
        raise UsageError(
            f"{setting('server_moved', True)} needs an existing dataset; omit it for the first "
            "export"
        )
    only_failed = setting("only_failed", True)
    if options.only_failed and (selection is not None or is_first):
        raise UsageError(
            f"{only_failed}: there is no dataset at {as_typed(folder)} yet"
            if is_first
            else f"{only_failed} and a filter cannot be combined"
        )
    if selection is None and is_first:
        raise UsageError(f"the first export of a dataset needs {a_selection()}")


def _export(run: Run) -> ExportReport:
    plan = run.prepared.plan
    run.progress.begin(len(plan.to_read), len(plan.unchanged))
    try:
        result, lost = _fetch_and_commit(run)
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(*WHILE_WRITING):
            _start_over(run)
            _commit_row(run, "failed", error)
        raise
    if lost is not None:
        raise lost
    return make_report(run, result)


_Lost = ServerError | OSError | None


def _fetch_and_commit(run: Run) -> tuple[Result, _Lost]:
    """Read the planned tasks and commit them; complete ones are kept even if this ends early."""
    discovery = run.prepared.discovery
    run.applier.mark_gone(run.stage, discovery.gone, run.prepared.begun, discovery.gone_expected)
    with first_interrupt(run.server.api.stop) as interrupt:
        result, lost = _fetch_to_an_end(run, interrupt)
        try:
            if not run.is_torn:
                result = _commit_all(run, result, lost)
        except OSError as error:
            result, lost, run.is_torn = "disk full", _full_disk(error), True
        if run.is_torn and lost is not None:
            _commit_names(run, lost)
    return result, lost


def _fetch_to_an_end(run: Run, interrupt: Interrupt) -> tuple[Result, _Lost]:
    """Read the planned tasks; returns how it ended, and the error to raise."""
    try:
        _fetch(run)
    except StoppedError:
        if not interrupt.was_pressed:
            raise
        run.progress.note("interrupted; committing complete tasks (Ctrl-C again stops immediately)")
        return "interrupted", None
    except LimitReachedError as reached:
        run.progress.note(f"{reached}; committing complete tasks")
        return "ceiling", None
    except ServerError as error:
        return "server lost", error
    except OSError as error:
        run.dataset.use_reserve()
        return "disk full", _full_disk(error)
    return "complete", None


def _commit_all(run: Run, result: Result, lost: _Lost) -> Result:
    """Commit what was read; returns the result of the run."""
    run.mark_unread(run.stage)
    if lost is not None and _has_nothing(run):
        with suppress(*WHILE_WRITING):
            _commit_row(run, result, lost)
        return result
    if result == "complete" and (run.problems or run.warnings):
        result = "partial"
    _commit(run, result, error=lost)
    return result


def _full_disk(error: OSError) -> OSError:
    """Return the error of a full disk; any other one is raised and ends the run."""
    if not is_full_disk(error):
        raise error
    return error


def _commit_names(run: Run, error: Exception) -> None:
    """Commit what a full disk still has room for once the stage is dropped: the tasks to be read.

    So the next export, without a filter, continues from here.
    """
    _start_over(run)
    stage = run.dataset.new_stage()
    run.mark_unread(stage)
    with suppress(
        OSError
    ):  # no room even for that: the error is raised, the last checkpoint is kept
        _commit(run, "disk full", stage, error)


def _start_over(run: Run) -> None:
    """Drop what is staged, which fills the disk, and subtract it from the counts."""
    run.dataset.clear_stages()
    run.applier.start_over(read_stored_tasks(run.dataset.snapshot).keys())


def _has_nothing(run: Run) -> bool:
    """Return whether there is nothing to commit, and no checkpoint to complete."""
    last = run.dataset.snapshot
    return not run.stage.task_ids and not (last is not None and last.checkpoint)


def _fetch(run: Run) -> None:
    """Read and apply every task of the plan, with checkpoints."""
    committed_at, commit_took = time.monotonic(), 0.0
    redactor = Redactor(run.options.keep_secrets)
    to_read, api = run.prepared.plan.to_read, run.server.api
    api.breaker.compare_with(_others(run.prepared.plan))
    with closing(fetch_tasks(api, to_read, lambda: run.stage, redactor, _how(run))) as fetched:
        for task in fetched:
            run.applier.apply(run.stage, task)
            run.progress.task_done(task.read.received, api.traffic.requests)
            waited = time.monotonic() - committed_at
            if _is_due(run.stage) and waited > _COMMIT_SHARE * commit_took:
                committed_at = time.monotonic()
                _checkpoint(run)
                commit_took = time.monotonic() - committed_at


def _others(plan: Plan) -> list[str]:
    """Choose tasks other than the first ones: one stored completely, a middle one, the last one."""
    ids = [planned.task.task_id for planned in plan.to_read]
    return [*plan.unchanged[-1:], *ids[len(ids) // 2 :][:1], *ids[-1:]]


def _how(run: Run) -> FetchOptions:
    reports = stored_reports(run.dataset.snapshot, run.prepared.plan.in_doubt)
    series = run.applier.series.of
    return FetchOptions(run.options.workers, run.options.with_params, reports, series)


def _to_compare(plan: Plan) -> dict[str, str | None]:
    """Return the project of each task whose points are compared with the stored ones."""
    quiet = (planned for planned in plan.to_read if planned.is_quiet and planned.points != "keep")
    return {
        planned.task.task_id: None if planned.stored is None else planned.stored.project_id
        for planned in quiet
    }


def _is_due(stage: Stage) -> bool:
    return stage.points >= _CHECKPOINT_POINTS or len(stage.task_ids) >= _CHECKPOINT_TASKS


def _checkpoint(run: Run) -> None:
    stage, run.stage = run.stage, run.dataset.new_stage()
    read = len(stage.task_ids)
    run.mark_unread(stage)
    _commit(run, "running", stage)
    run.progress.committed(read)


def _commit_row(run: Run, result: str, error: Exception) -> None:
    """Commit only that a run failed, and what was selected."""
    row = export_row(run, result, datetime.now(UTC), error)
    selections = [remembered.as_json() for remembered in run.prepared.remembered]
    about_server = server_record(run.server, None)
    commit_row(run.dataset, about_server, selections, row, run.options.keep)


def _commit(
    run: Run, result: str, stage: Stage | None = None, error: Exception | None = None
) -> None:
    is_checkpoint, run.is_torn = result == "running", True
    run.dataset.commit(
        stage or run.stage,
        server=server_record(run.server, run.dataset.snapshot),
        selections=[remembered.as_json() for remembered in run.prepared.remembered],
        export_row=export_row(run, result, None if is_checkpoint else datetime.now(UTC), error),
        keep=run.options.keep,
        checkpoint=is_checkpoint,
        prune=error is None,
        spare=run.spared,
        compact=result in ("complete", "partial"),  # whoever stops the run should not wait for it
    )
    run.is_torn = False
    run.applier.mark_committed()
