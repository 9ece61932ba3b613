"""`scalars-saved`: which tasks a person may delete, as far as scalars go."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearml_snapshot.cli.options.options import DEFAULT_DATA, TASKS, Data, Filters, Quiet
from clearml_snapshot.cli.options.server import SERVER, Server
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.selection.times import parse_time

if TYPE_CHECKING:
    from clearml_snapshot.exporter.deletable.find import CountedAgain, Reason

PANEL: Final = "Look after it"
_COLUMNS: Final = (
    "task_id, project_id, server_id, state, metric_filter, points_stored, points_bad, started, "
    "last_update, last_iteration, fetched_at"
)
_ALARMS: Final[tuple["Reason", ...]] = (
    "count differs",
    "points differ",
    "not counted",
    "summary differs",
)
"""Reasons that somebody should look into: exit code 3."""
_IN_WORDS: Final[dict["Reason", str]] = {
    "another server's": "of another server",
    "metric filter": "exported with a metric filter",
    "not whole": "not complete here (partial, failed, gone, shrunk, lost, unread)",
    "values differ": "with values that differ from what was sent (points_bad)",
    "gone": "gone from the server",
    "running": "not ended",
    "too young": "updated within --older-than",
    "changed": "changed since they were read: export first",
    "count differs": "the count differs: points are missing here or there",
    "points differ": "some of their points differ from those stored: export --reread",
    "not counted": "the server could not count them",
    "summary differs": "the server's own summary contradicts what is stored: export --recount",
}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "scalars-saved", scalars_saved, panel=PANEL)


def scalars_saved(
    filters: Filters,
    server: Server,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="TIME",
            rich_help_panel=TASKS,
            help="Only tasks without an update since: an age such as 30d, or a date.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", metavar="N", min=1, max=64, rich_help_panel=SERVER, help="Tasks in flight."
        ),
    ] = 4,
    reread: Annotated[
        bool,
        typer.Option(
            "--reread",
            rich_help_panel=SERVER,
            help="Read every point of each task again and compare it with the stored one.",
        ),
    ] = False,
    data: Data = DEFAULT_DATA,
    quiet: Quiet = False,
) -> None:
    """Print ids of tasks whose every scalar is here, just counted again.

    For servers that are full. A task is listed when it has ended, is stored whole and without a
    metric filter, has not changed since, the server counts as many points as are stored, its own
    summary of them (reports, lowest and highest values) does not contradict, and the files that
    hold them are as they were written. With --reread every point is compared. The list is kept in
    the dataset: when these tasks vanish from the server, later exports expect it.
    It says nothing about console, plots, debug samples, artifacts and models: they are not here.
    """
    say: Callable[[str], None] = (lambda _: None) if quiet else note
    limit = _cut_off(older_than, say)
    found, listed = _ask_again(
        data,
        filters,
        limits=server.limits(),
        older_than=limit,
        workers=workers,
        reread=reread,
        notice=say,
    )
    write_text("".join(f"{task_id}\n" for task_id in found.task_ids))
    for line in (*summary(found), *_proof(found, reread)):
        say(line)
    _record(data, listed, note)
    if any(found.count(reason) for reason in _ALARMS):
        if quiet:
            note(f"warning: {next(summary(found))}")
        raise typer.Exit(ExitCode.PARTIAL)


def _cut_off(older_than: str | None, say: Callable[[str], None]) -> datetime | None:
    """Read an age, and say which moment it means: a list of what to delete needs a second look."""
    if older_than is None:
        return None
    try:
        limit = parse_time(older_than, datetime.now(UTC))
    except UsageError as error:
        raise UsageError(f"--older-than: {error}") from None
    say(f"only tasks last updated at or before {limit:%Y-%m-%d %H:%M} UTC (--older-than)")
    return limit


def summary(found: "CountedAgain") -> Iterator[str]:
    """Say how many are listed, why the others are not, and what being listed does not mean."""
    counts = [(found.count(reason), words) for reason, words in _IN_WORDS.items()]
    others = "; ".join(f"{count:,} {words}" for count, words in counts if count)
    yield f"tasks listed: {len(found.task_ids):,}" + (f"; not listed: {others}" if others else "")
    yield (
        "scalars only: console, plots, debug samples, artifacts and models are not here, and go "
        "with a task that is deleted"
    )


def _proof(found: "CountedAgain", reread: bool) -> Iterator[str]:
    """Say which proof a listed task has passed."""
    if not found.task_ids:
        return
    if reread:
        yield "proof: every point was read again just now and equals the stored one"
    else:
        yield (
            "proof: the server's count of points, and its own summary of each series (reports, "
            "lowest and highest values); an overwritten point that is neither shows only with "
            "--reread"
        )
    if found.without_summary and not reread:
        tasks = counted(found.without_summary, "task")
        yield f"the server has no summary of {tasks}: its count of points is the only proof"


def _record(data: Path, listed: "dict[str, datetime]", say: Callable[[str], None]) -> None:
    """Keep the list in the dataset; where that cannot be, say so and go on."""
    from clearml_snapshot.exporter.deletable.record import record

    try:
        record(data, listed, datetime.now(UTC))
    except (SnapshotError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        say(
            f"the list was not kept in the dataset ({reason}); when these tasks are deleted, tell "
            "the next export with --accept-gone @FILE"
        )


def _ask_again(
    data: Path, filters: TaskFilter, *, notice: Callable[[str], None], **options: Any
) -> "tuple[CountedAgain, dict[str, datetime]]":
    """Read the candidates, have them counted, and prove the files of those that would be listed.

    Gives what was found, and the listed tasks with the times at which they were read.
    The snapshot is held until then: what is proved is what was read.
    """
    from clearml_snapshot.exporter.deletable.find import StoredTask, count_again, verify_files
    from clearml_snapshot.queries import open_dataset

    with open_dataset(data, filter=filters) as dataset:
        rows = dataset.rows(dataset.tasks().project(_COLUMNS))
        stored = [StoredTask(*row) for row in rows.rows]
        found = count_again(dataset.snapshot, stored, notice=notice, **options)
        listed = set(found.task_ids)
        verify_files(dataset.snapshot, [one for one in stored if one.task_id in listed], notice)
    return found, {one.task_id: one.fetched_at for one in stored if one.task_id in listed}
