"""The `convert` command: a copy that another program draws, or a catalogue that one reads."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from clearml_snapshot.cli.options.dataset import At, Dataset, DatasetChoice, chosen
from clearml_snapshot.cli.options.metrics import Aliases, MetricOptions, Metrics
from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import LimitOptions, Limits, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, SHARE
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.progress import parts_bar
from clearml_snapshot.cli.output.stdout import refuse_stdout, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import UsageError

_Viewer = Annotated[
    Literal["tensorboard", "trackio", "iceberg"],
    typer.Option(
        "--to",
        metavar="tensorboard|trackio|iceberg",
        rich_help_panel=OUTPUT,
        help="The program that will open it.",
    ),
]
_Target = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="A new or empty folder."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "convert", convert, panel=SHARE)


def convert(
    viewer: _Viewer,
    target: _Target,
    *,
    path: At = None,
    metrics: Metrics,
    aliases: Aliases = None,
    filters: Filters,
    dataset: Dataset,
    limits: Limits,
    quiet: Quiet = False,
) -> None:
    """Copy curves into a folder that TensorBoard or trackio opens.

    The copy is for looking: these programs round values, draw only some of the points, or do not
    know what ClearML stores. What changes is counted on stderr. Each task becomes a run with its
    hyperparameters. The folder appears when it is complete. Later exports do not change it.

    With --to iceberg, nothing is copied: the folder has a catalogue for clients of Iceberg, whose
    tables are the files of the snapshot. It has all tasks and metrics, so filters are refused.

    Example: convert --to tensorboard -o runs --project vision
    """
    from clearml_snapshot.exporter.store.format.states import in_words
    from clearml_snapshot.queries.ask.header import read
    from clearml_snapshot.queries.convert.copying import convert as convert_it
    from clearml_snapshot.queries.convert.model import CopyOptions

    refuse_stdout(target)
    if viewer == "iceberg":
        asked = bool(metrics != MetricOptions() or filters.given or aliases)
        _register(chosen(dataset, path), limits, target, narrowed=asked, quiet=quiet)
        return
    options = CopyOptions(metrics.metrics, metrics.variants, metrics.excluded)
    with open_for_query(chosen(dataset, path), filters, limits, aliases=aliases) as opened:
        with parts_bar(quiet=quiet) as on_task:
            copied = convert_it(opened, viewer, target, options, on_task)
        states = dict(opened.rows(opened.sql(read("status/states.sql"))).rows)
    write_text(
        f"{printable(str(target))}: {counted(copied.n_tasks, 'task')}, "
        f"{counted(copied.n_points, 'point')}; to open it: {_opening(viewer, target)}\n"
    )
    for line in () if quiet else copied.notes:
        note(line)
    n_left = sum(states.values()) - copied.n_tasks
    if n_left and not quiet:
        note(f"not copied: {counted(n_left, 'task')} without such values")
    missing = in_words(states)
    if missing:
        note(f"warning: not complete: {missing}")


def _register(
    choice: DatasetChoice, limits: LimitOptions, target: Path, *, narrowed: bool, quiet: bool
) -> None:
    """Register a snapshot's files in a catalogue of Iceberg."""
    from clearml_snapshot.exporter.store.format.states import in_words
    from clearml_snapshot.queries.ask.header import read
    from clearml_snapshot.queries.convert.iceberg_tables import CATALOGUE, register

    if narrowed:
        raise UsageError(
            "--to iceberg registers complete files, so filters of tasks, --metric, "
            "--exclude-metric and --aliases (CLEARML_SNAPSHOT_ALIASES too) cannot be used with it"
        )
    with open_for_query(choice, None, limits) as opened:
        rows, root = register(opened, target), opened.snapshot.root
        states = dict(opened.rows(opened.sql(read("status/states.sql"))).rows)
    counts = ", ".join(f"{name} {n:,} rows" for name, n in rows.items())
    write_text(
        f"{printable(str(target))}: {counts}; to open it in Python: "
        f"pyiceberg.catalog.sql.SqlCatalog('clearml', uri={_uri(target / CATALOGUE)!r})\n"
    )
    if not quiet:
        note(
            f"the rows are in the files of {printable(str(root))}, and disappear when it is removed"
        )
        note("neither folder can be moved; project_id of a point is that of its task in tasks")
    missing = in_words(states)
    if missing:
        note(f"warning: not complete: {missing}")


def _uri(database: Path) -> str:
    return printable(f"sqlite:///{database.resolve()}")


def _opening(viewer: str, target: Path) -> str:
    """Return the command that opens a copy."""
    name = printable(shlex.quote(str(target)))
    if viewer == "tensorboard":
        return f"tensorboard --logdir {name}"
    return f"TRACKIO_DIR={name} trackio show"
