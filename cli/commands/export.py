"""The `export` command."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from clearml_snapshot.cli.options.dataset import DEFAULT_DATA, Data
from clearml_snapshot.cli.options.export import Run, RunOptions, Store, StoreOptions
from clearml_snapshot.cli.options.metrics import ExportedMetrics
from clearml_snapshot.cli.options.output import Json, Quiet
from clearml_snapshot.cli.options.reread import Again, AgainOptions
from clearml_snapshot.cli.options.sections import EXPORT
from clearml_snapshot.cli.options.server import RunLimitOptions, RunLimits, Server, ServerOptions
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.progress import make_progress
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.text.export import alerts, missing_tasks, summary
from clearml_snapshot.cli.text.outcome import write_outcome
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

if TYPE_CHECKING:
    from clearml_snapshot.exporter.sync.prepare import ExportOptions
    from clearml_snapshot.exporter.sync.report import ExportReport, Forecast


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "export", export, panel=EXPORT, logs=True)


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
    changed. The first export needs a filter or --all. A selection is remembered as soon as its
    export has contacted the server; if the export fails, status shows the error.
    """
    from clearml_snapshot.exporter.selection.selection import Selection
    from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
    from clearml_snapshot.exporter.store.permissions.access import naming_owner
    from clearml_snapshot.exporter.sync.dry_run import forecast
    from clearml_snapshot.exporter.sync.export import export as run_export

    options = _options(filters, run, store, again, server, run_limits)
    selection = Selection.typed(
        filters, metrics.metrics, metrics.excluded, everything=run.everything
    )
    act: Callable[..., ExportReport | Forecast] = forecast if run.dry_run else run_export
    way_out = " (or choose another folder with --data) and run it again to continue"
    with (
        disk_errors(data, "stored data is kept", way_out, only_there=True),
        naming_owner(data, writing=True),
    ):
        report = act(data, selection, options=options, progress=make_progress(quiet=quiet))
    for line in alerts(report) if quiet else summary(report):
        note(line)
    if form == "json":
        missing = missing_tasks(report)
        write_outcome("export", report.exit_code, report.as_dict(), missing=missing)
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
