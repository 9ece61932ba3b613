"""The `safe-to-delete` command."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearml_snapshot.cli.options.dataset import DEFAULT_DATA, Data
from clearml_snapshot.cli.options.export import Workers
from clearml_snapshot.cli.options.output import Json, Quiet
from clearml_snapshot.cli.options.sections import MAINTAIN, SERVER, TASKS
from clearml_snapshot.cli.options.server import Server
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.text.outcome import write_outcome
from clearml_snapshot.cli.text.safe_to_delete import facts, proof, summary
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.selection.times import parse_time
from clearml_snapshot.exporter.spans import moment_in_utc

if TYPE_CHECKING:
    from clearml_snapshot.exporter.deletable.find import CountedAgain, Reason

_COLUMNS: Final = (
    "task_id, project_id, server_id, state, metric_filter, points_stored, points_bad, started, "
    "last_update, last_iteration, fetched_at"
)
_WARNINGS: Final[tuple["Reason", ...]] = (
    "count differs",
    "points differ",
    "not counted",
    "summary differs",
)
"""Reasons that need attention: exit code 3."""

_OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than",
        metavar="TIME",
        rich_help_panel=TASKS,
        help="Only tasks without an update since then: an age such as 30d, or a date.",
    ),
]
_Reread = Annotated[
    bool,
    typer.Option(
        "--reread",
        rich_help_panel=SERVER,
        help="Read every point of each task again and compare it with the stored one.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "safe-to-delete", safe_to_delete, panel=MAINTAIN, logs=True)


def safe_to_delete(
    filters: Filters,
    server: Server,
    older_than: _OlderThan = None,
    workers: Workers = 4,
    reread: _Reread = False,
    data: Data = DEFAULT_DATA,
    form: Json = None,
    quiet: Quiet = False,
) -> None:
    """List tasks that are safe to delete: their scalars are fully stored.

    Prints one task id per line. A task is listed if it has ended, is stored completely and without
    a metric filter, and has not changed since; if the server counts as many points as are stored,
    and its summary of each series (number of reports, lowest and highest value) agrees; and if the
    stored files are unchanged. With --reread, every point is compared. The list is recorded in the
    dataset, so that later exports expect these tasks to disappear from the server.
    Console logs, plots, debug samples, artifacts and models are not checked: they are not stored.
    """
    narrate: Callable[[str], None] = (lambda _: None) if quiet else note
    limit = _cut_off(older_than, narrate)
    result, listed = _verified(
        data,
        filters,
        limits=server.limits(),
        older_than=limit,
        workers=workers,
        reread=reread,
        notice=narrate,
    )
    if form is None:
        write_text("".join(f"{task_id}\n" for task_id in result.task_ids))
    for line in (*summary(result), *proof(result, reread)):
        narrate(line)
    is_recorded = _record(data, listed, note)
    doubts: dict[str, int] = {reason: result.count(reason) for reason in _WARNINGS}
    code = ExitCode.PARTIAL if any(doubts.values()) else ExitCode.COMPLETE
    if quiet and code:
        note(f"warning: {next(summary(result))}")
    if form == "json":
        details = facts(result, reread=reread, older_than=limit, recorded=is_recorded)
        write_outcome("safe-to-delete", code, details, missing=doubts)
    raise typer.Exit(code)


def _cut_off(older_than: str | None, narrate: Callable[[str], None]) -> datetime | None:
    """Parse an age or date, and report the time it means, so that the user can check it."""
    if older_than is None:
        return None
    try:
        limit = parse_time(older_than, datetime.now(UTC))
    except UsageError as error:
        raise UsageError(f"--older-than: {error}") from None
    narrate(f"only tasks last updated at or before {moment_in_utc(limit)} (--older-than)")
    return limit


def _record(data: Path, listed: "dict[str, datetime]", warn: Callable[[str], None]) -> bool:
    """Record the list in the dataset; a failure is reported, and the command continues."""
    from clearml_snapshot.exporter.deletable.record import record

    try:
        record(data, listed, datetime.now(UTC))
    except (SnapshotError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warn(
            f"the list was not recorded in the dataset ({reason}); after deleting these tasks, "
            "pass them to the next export with --accept-gone @FILE"
        )
        return False
    return True


def _verified(
    data: Path, filters: TaskFilter, *, notice: Callable[[str], None], **options: Any
) -> "tuple[CountedAgain, dict[str, datetime]]":
    """Count the stored tasks on the server again, and verify the files of those to be listed.

    The snapshot is held throughout, so that what is verified is what was read.

    Returns:
        The result, and the listed tasks with the times at which they were read.
    """
    from clearml_snapshot.exporter.deletable.files import with_files
    from clearml_snapshot.exporter.deletable.find import StoredTask, count_again, verify_files
    from clearml_snapshot.queries import open_dataset

    with (
        open_dataset(data, filter=filters) as dataset,
        with_files(dataset.unpacked()) as snapshot,
    ):
        rows = dataset.rows(dataset.tasks().project(_COLUMNS))
        stored = [StoredTask(*row) for row in rows.rows]
        result = count_again(snapshot, stored, notice=notice, **options)
        listed = set(result.task_ids)
        verify_files(snapshot, [task for task in stored if task.task_id in listed], notice)
    return result, {task.task_id: task.fetched_at for task in stored if task.task_id in listed}
