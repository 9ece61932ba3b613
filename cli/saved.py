"""`scalars-saved`: which tasks a person may delete, as far as scalars go."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearml_snapshot.cli.frame import add_command
from clearml_snapshot.cli.options import DEFAULT_DATA, TASKS, Data, Filters, Quiet
from clearml_snapshot.cli.output import write_text
from clearml_snapshot.cli.server import SERVER, Server
from clearml_snapshot.cli.terminal import note
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.exporter.filters import TaskFilter, parse_time

if TYPE_CHECKING:
    from clearml_snapshot.exporter.saved import CountedAgain, Reason

PANEL: Final = "Look after it"
_COLUMNS: Final = (
    "task_id, project_id, server_id, state, metric_filter, points_stored, points_bad, started, "
    "last_update, last_iteration"
)
_IN_WORDS: Final[dict["Reason", str]] = {
    "another server's": "of another server",
    "metric filter": "exported with a metric filter",
    "not whole": "not whole here (partial, failed, gone, shrunk)",
    "values differ": "with values that differ from what was sent (points_bad)",
    "gone": "gone from the server",
    "running": "not ended",
    "too young": "updated within --older-than",
    "changed": "changed since they were read: export first",
    "count differs": "the count differs: points are missing here or there",
    "not counted": "the server could not count them",
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
    data: Data = DEFAULT_DATA,
    quiet: Quiet = False,
) -> None:
    """Print ids of tasks whose every scalar is here, just counted again.

    For servers that are full. A task is listed when it has ended, is stored whole and without a
    metric filter, has not changed since, the server counts as many points as are stored, and the
    files that hold them are as they were written.
    It says nothing about console, plots, debug samples, artifacts and models: they are not here.
    """
    say: Callable[[str], None] = (lambda _: None) if quiet else note
    limit = _cut_off(older_than, say)
    found = _ask_again(
        data, filters, limits=server.limits(), older_than=limit, workers=workers, notice=say
    )
    write_text("".join(f"{task_id}\n" for task_id in found.task_ids))
    for line in summary(found):
        say(line)
    if found.count("count differs") or found.count("not counted"):
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


def _ask_again(
    data: Path, filters: TaskFilter, *, notice: Callable[[str], None], **options: Any
) -> "CountedAgain":
    """Read the candidates, have them counted, and prove the files of those that would be listed.

    The snapshot is held until then: what is proved is what was read.
    """
    from clearml_snapshot.exporter.saved import StoredTask, count_again, prove
    from clearml_snapshot.queries import open_dataset

    with open_dataset(data, filter=filters) as dataset:
        rows = dataset.rows(dataset.tasks().project(_COLUMNS))
        stored = [StoredTask(*row) for row in rows.rows]
        found = count_again(stored, notice=notice, **options)
        listed = set(found.task_ids)
        prove(dataset.snapshot, [one for one in stored if one.task_id in listed], notice)
    return found
