"""`export` and `whoami`: the two commands that talk to a server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.frame import OptionGroup, add_command
from clearml_snapshot.cli.options import (
    DEFAULT_DATA,
    TASKS,
    Data,
    ExportedMetrics,
    Filters,
    MetricOptions,
    Quiet,
)
from clearml_snapshot.cli.output import write_text
from clearml_snapshot.cli.progress import make_progress
from clearml_snapshot.cli.server import SERVER, Json, Server
from clearml_snapshot.cli.terminal import note
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.filters import TaskFilter

if TYPE_CHECKING:
    from clearml_snapshot.exporter.report import ExportReport
    from clearml_snapshot.exporter.selection import Selection

PANEL: Final = "Take home"
STORED: Final = "What is stored"
_SHOWN_PROBLEMS: Final = 10


@dataclass(frozen=True)
class StoreOptions:
    """What is stored, and how the run goes."""

    everything: bool
    once: bool
    with_params: bool
    keep_secrets: bool
    workers: int
    wait: bool


def store_options(
    everything: Annotated[
        bool, typer.Option("--all", rich_help_panel=TASKS, help="Every task: no filter.")
    ] = False,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            rich_help_panel=TASKS,
            help="Do not remember this selection for later exports (--task never is).",
        ),
    ] = False,
    no_params: Annotated[
        bool,
        typer.Option(
            "--no-params", rich_help_panel=STORED, help="No hyperparameters or user properties."
        ),
    ] = False,
    keep_secrets: Annotated[
        bool,
        typer.Option(
            "--keep-secrets",
            rich_help_panel=STORED,
            help="Store what looks like a credential as it is, not as <redacted>.",
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", metavar="N", min=1, max=64, rich_help_panel=SERVER, help="Tasks in flight."
        ),
    ] = 4,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", rich_help_panel=STORED, help="Wait for another export of this dataset."
        ),
    ] = False,
) -> StoreOptions:
    """Gather what is stored."""
    return StoreOptions(everything, once, not no_params, keep_secrets, workers, wait)


Store = Annotated[StoreOptions, OptionGroup(store_options)]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    add_command(app, "export", export, panel=PANEL)
    add_command(app, "whoami", whoami, panel=PANEL)


def export(
    filters: Filters,
    metrics: ExportedMetrics,
    store: Store,
    server: Server,
    data: Data = DEFAULT_DATA,
    form: Json = None,
    quiet: Quiet = False,
) -> None:
    """Take scalars, metadata and parameters of the selected tasks home.

    Without a filter it repeats the selections that the dataset remembers, and reads only what
    has changed. The first export needs a filter, or --all.
    """
    from clearml_snapshot.exporter.run import ExportOptions
    from clearml_snapshot.exporter.run import export as run_export

    options = ExportOptions(
        workers=store.workers,
        limits=server.limits(),
        web_host=server.web_host,
        keep_secrets=store.keep_secrets,
        with_params=store.with_params,
        wait=store.wait,
        once=store.once or bool(filters.task_ids),
    )
    selection = _selection(filters, metrics, store.everything)
    with _told(data):
        report = run_export(data, selection, options=options, progress=make_progress(quiet=quiet))
    if form == "json":
        write_text(json.dumps(report.as_dict(), ensure_ascii=False) + "\n")
    for line in () if quiet else summary(report):
        note(line)
    raise typer.Exit(report.exit_code)


def whoami(server: Server, form: Json = None) -> None:
    """Show which server and user the configuration leads to, and what they can see."""
    from clearml_snapshot.exporter.whoami import look_around

    found = look_around(server.limits(), server.web_host, note)
    if form == "json":
        write_text(json.dumps(found, ensure_ascii=False) + "\n")
        return
    width = max(map(len, found))
    write_text("".join(f"{name:<{width}}  {value}\n" for name, value in found.items()))


def summary(report: "ExportReport") -> Iterator[str]:
    """Say in a few lines what an export came to; the last one is the folder to copy."""
    yield (
        f"tasks: {report.tasks_new:,} new, {report.tasks_changed:,} read again, "
        f"{report.tasks_unchanged:,} unchanged, {report.tasks_partial:,} partial, "
        f"{report.tasks_failed:,} failed"
    )
    if not (report.tasks_new or report.tasks_changed or report.tasks_unchanged):
        yield "no task matches the filter; the dataset is valid"
    held = report.totals["points"]
    share = f", {report.monitor_points / held:.0%} of them :monitor:" if held else ""
    yield f"points: {report.points:,} fetched; the snapshot holds {held:,}{share}"
    if report.points_bad:
        yield f"odd values: {report.points_bad:,} points differ from what was sent (points_bad)"
    if report.redacted:
        yield f"redacted: {report.redacted:,} values look like credentials (--keep-secrets)"
    yield from (f"left out: {text}" for text in report.left_out)
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        yield f"{problem.state}: {problem.task_id[:8]} {problem.name[:40]}: {problem.reason}"
    if len(report.problems) > _SHOWN_PROBLEMS:
        yield f"… and {len(report.problems) - _SHOWN_PROBLEMS:,} more (SELECT * FROM tasks)"
    yield (
        f"{report.server}: {report.requests:,} requests ({report.retries:,} repeated), "
        f"{report.bytes / 1e6:,.1f} MB, {report.seconds:,.1f} s"
    )
    yield f"{report.result}; the folder to copy: {report.snapshot}"


@contextmanager
def _told(data: Path) -> Iterator[None]:
    """Say in one line what a disk refuses: it is full, or not ours to write to."""
    try:
        yield
    except OSError as error:
        # Arrow's errors have their reason in the text only.
        reason = error.strerror or str(error).splitlines()[0]
        raise SnapshotError(
            f"cannot write {error.filename or data}: {reason}; what is committed stays, make room "
            "(or give another folder with --data) and run it again"
        ) from error


def _selection(filters: TaskFilter, metrics: MetricOptions, everything: bool) -> "Selection | None":
    """Make the selection; None means all that the dataset remembers."""
    from clearml_snapshot.exporter.selection import Selection

    narrows_tasks = any(
        getattr(filters, name) != getattr(TaskFilter(), name)
        for name in vars(filters)
        if name not in {"hidden", "archived", "order", "limit", "subprojects"}
    )
    if everything and narrows_tasks:
        raise UsageError("--all and a filter of tasks exclude each other; give one of them")
    if everything or not filters.is_empty or metrics.metrics or metrics.excluded:
        return Selection(filters, metrics.metrics, metrics.excluded)
    return None
