"""The `export` command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clearml_snapshot.cli.options.dataset import DEFAULT_DATA, Data
from clearml_snapshot.cli.options.export import Run, RunOptions, Store, StoreOptions
from clearml_snapshot.cli.options.metrics import ExportedMetrics, MetricOptions
from clearml_snapshot.cli.options.output import Json, Quiet
from clearml_snapshot.cli.options.reread import Again, AgainOptions
from clearml_snapshot.cli.options.sections import EXPORT
from clearml_snapshot.cli.options.server import RunLimitOptions, RunLimits, Server, ServerOptions
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.progress import make_progress
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.text.export import alerts, summary
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.disk.places import is_about

if TYPE_CHECKING:
    from clearml_snapshot.exporter.selection.selection import Selection
    from clearml_snapshot.exporter.sync.prepare import ExportOptions
    from clearml_snapshot.exporter.sync.report import ExportReport, Forecast


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "export", export, panel=EXPORT)


def export(
    filters: Filters,
    metrics: ExportedMetrics,
    run: Run,
    store: Store,
    again: Again,
    server: Server,
    run_limits: RunLimits,
    data: Data = DEFAULT_DATA,
    form: Json = None,
    quiet: Quiet = False,
) -> None:
    """Export scalars, metadata and parameters of the selected tasks.

    Without a filter, repeats the selections that the dataset remembers and reads only what has
    changed. The first export needs a filter or --all. Once an export has tried to reach a server,
    its selection is remembered even if it fails, and status shows the error.
    """
    from clearml_snapshot.exporter.sync.dry_run import forecast
    from clearml_snapshot.exporter.sync.export import export as run_export

    options = _options(filters, run, store, again, server, run_limits)
    selection = _selection(filters, metrics, run)
    act: Callable[..., ExportReport | Forecast] = forecast if run.dry_run else run_export
    with _disk_errors(data):
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
    run_limits: RunLimitOptions,
) -> "ExportOptions":
    from clearml_snapshot.exporter.sync.prepare import ExportOptions

    return ExportOptions(
        workers=store.workers,
        limits=server.limits(run_limits),
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


@contextmanager
def _disk_errors(data: Path) -> Iterator[None]:
    """Report an error of the dataset's disk in one line; errors of other files pass through."""
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
            f"{cannot_write(error, data)}; stored data is kept; {way_out(error)} (or choose "
            "another folder with --data) and run it again to continue"
        ) from error


def _selection(filters: TaskFilter, metrics: MetricOptions, run: RunOptions) -> "Selection | None":
    """Build the selection; None means the selections that the dataset remembers."""
    from clearml_snapshot.exporter.selection.selection import Selection

    narrows_tasks = any(
        getattr(filters, name) != getattr(TaskFilter(), name)
        for name in vars(filters)
        if name not in {"hidden", "archived", "order", "limit", "subprojects"}
    )
    if run.everything and narrows_tasks:
        raise UsageError("--all and a task filter cannot be combined")
    if filters.limit is None:
        filters = replace(filters, order="newest")  # an order alone selects nothing
    if run.everything or not filters.is_empty or metrics.metrics or metrics.excluded:
        return Selection(filters, metrics.metrics, metrics.excluded)
    return None
