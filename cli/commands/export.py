"""`export` and `whoami`: the two commands that talk to a server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.options import (
    DEFAULT_DATA,
    OUTPUT,
    TASKS,
    Data,
    ExportedMetrics,
    Filters,
    MetricOptions,
    Quiet,
)
from clearml_snapshot.cli.options.reread import Again, AgainOptions
from clearml_snapshot.cli.options.server import (
    SERVER,
    CeilingOptions,
    Ceilings,
    Json,
    Server,
    ServerOptions,
)
from clearml_snapshot.cli.options.sharing import STORED, Share
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.progress import make_progress
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.text.export import alerts, summary
from clearml_snapshot.cli.typer_ext.commands import OptionGroup, add_command
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.disk.places import is_about
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.permissions.modes import SharedWith

if TYPE_CHECKING:
    from clearml_snapshot.exporter.selection.selection import Selection
    from clearml_snapshot.exporter.sync.prepare import ExportOptions
    from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

PANEL: Final = "Take home"


@dataclass(frozen=True)
class RunOptions:
    """What a run does of its work, and when it may begin."""

    everything: bool
    once: bool
    only_failed: bool
    dry_run: bool
    wait: bool
    server_moved: bool = False


def run_options(
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
    only_failed: Annotated[
        bool,
        typer.Option(
            "--only-failed",
            rich_help_panel=TASKS,
            help="Only the tasks that are stored as partial or failed.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=OUTPUT,
            help="Only say what would be read; nothing is written.",
        ),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", rich_help_panel=STORED, help="Wait for another export of this dataset."
        ),
    ] = False,
    server_moved: Annotated[
        bool,
        typer.Option(
            "--server-moved",
            rich_help_panel=SERVER,
            help="The server of this dataset has a new address: compare its tasks with the stored "
            "ones, record the address and go on.",
        ),
    ] = False,
) -> RunOptions:
    """Gather what the run does."""
    return RunOptions(everything, once, only_failed, dry_run, wait, server_moved)


Run = Annotated[RunOptions, OptionGroup(run_options)]


@dataclass(frozen=True)
class StoreOptions:
    """What is stored, and how much of it at a time."""

    with_params: bool
    keep_secrets: bool
    accept_loss: bool
    keep: Retention | None
    workers: int
    share: SharedWith | None


def store_options(
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
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            rich_help_panel=STORED,
            help="Where the server has lost points of a task, lose them here too.",
        ),
    ] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="RULE",
            rich_help_panel=STORED,
            help="Which snapshots stay, now and later: a number of them, an age (30d), or the "
            "newest of each day, week and month in UTC (7d,4w,12m).",
            show_default="what the dataset remembers, else 2",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", metavar="N", min=1, max=64, rich_help_panel=SERVER, help="Tasks in flight."
        ),
    ] = 4,
    share: Share = None,
) -> StoreOptions:
    """Gather what is stored."""
    return StoreOptions(not no_params, keep_secrets, accept_loss, read_keep(keep), workers, share)


def read_keep(text: str | None) -> Retention | None:
    """Read which snapshots stay; None is what the dataset remembers.

    Raises:
        UsageError: it is not a number of at least 1, an age or a calendar.
    """
    try:
        return None if text is None else Retention.parse(text)
    except ValueError as error:
        raise UsageError(f"--keep {text}: {error}") from None


Store = Annotated[StoreOptions, OptionGroup(store_options)]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    add_command(app, "export", export, panel=PANEL)
    add_command(app, "whoami", whoami, panel=PANEL)


def export(
    filters: Filters,
    metrics: ExportedMetrics,
    run: Run,
    store: Store,
    again: Again,
    server: Server,
    ceilings: Ceilings,
    data: Data = DEFAULT_DATA,
    form: Json = None,
    quiet: Quiet = False,
) -> None:
    """Take scalars, metadata and parameters of the selected tasks home.

    Without a filter it repeats the selections that the dataset remembers, and reads only what
    has changed. The first export needs a filter, or --all. Once it has tried to reach a server, its
    selection is remembered even if it fails, and status shows the error.
    """
    from clearml_snapshot.exporter.sync.dry_run import forecast
    from clearml_snapshot.exporter.sync.export import export as run_export

    options = _options(filters, run, store, again, server, ceilings)
    selection = _selection(filters, metrics, run)
    act: Callable[..., ExportReport | Forecast] = forecast if run.dry_run else run_export
    with _told(data):
        report = act(data, selection, options=options, progress=make_progress(quiet=quiet))
    if form == "json":
        write_text(json_text(report.as_dict()))
    for line in alerts(report) if quiet else summary(report):
        note(line)
    raise typer.Exit(report.exit_code)


def _options(
    filters: TaskFilter,
    run: RunOptions,
    store: StoreOptions,
    again: AgainOptions,
    server: ServerOptions,
    ceilings: CeilingOptions,
) -> "ExportOptions":
    from clearml_snapshot.exporter.sync.prepare import ExportOptions

    return ExportOptions(
        workers=store.workers,
        limits=server.limits(ceilings),
        web_host=server.web_host,
        keep_secrets=store.keep_secrets,
        with_params=store.with_params,
        wait=run.wait,
        once=run.once,
        only_failed=run.only_failed,
        accept_loss=store.accept_loss,
        server_moved=run.server_moved,
        again=again.again,
        accept_gone=again.accept_gone,
        order=filters.order,
        keep=store.keep,
        share=store.share,
    )


def whoami(server: Server, form: Json = None) -> None:
    """Show which server and user the configuration leads to, and what they can see."""
    from clearml_snapshot.exporter.reader.whoami import identify

    found = identify(server.limits(), server.web_host, note)
    if form == "json":
        write_text(json_text(found))
        return
    width = max(map(len, found))
    lines = (printable(f"{name:<{width}}  {value}") for name, value in found.items())
    write_text("".join(f"{one}\n" for one in lines))


@contextmanager
def _told(data: Path) -> Iterator[None]:
    """Say in one line what a disk refuses of the dataset; what it refuses elsewhere is not that."""
    from clearml_snapshot.exporter.store.disk.disk_errors import cannot_write, way_out
    from clearml_snapshot.exporter.store.permissions.access import naming_owner

    try:
        with naming_owner(data, writing=True):
            yield
    except OSError as error:
        name = error.filename2 or error.filename
        if isinstance(name, str) and not is_about(name, data):
            raise
        raise SnapshotError(
            f"{cannot_write(error, data)}; what is stored stays; {way_out(error)} (or give another "
            "folder with --data) and run it again to go on"
        ) from error


def _selection(filters: TaskFilter, metrics: MetricOptions, run: RunOptions) -> "Selection | None":
    """Make the selection; None means all that the dataset remembers."""
    from clearml_snapshot.exporter.selection.selection import Selection

    narrows_tasks = any(
        getattr(filters, name) != getattr(TaskFilter(), name)
        for name in vars(filters)
        if name not in {"hidden", "archived", "order", "limit", "subprojects"}
    )
    if run.everything and narrows_tasks:
        raise UsageError("--all and a filter of tasks exclude each other; give one of them")
    if filters.limit is None:
        filters = replace(filters, order="newest")  # an order alone selects nothing
    if run.everything or not filters.is_empty or metrics.metrics or metrics.excluded:
        return Selection(filters, metrics.metrics, metrics.excluded)
    return None
