"""The `convert` command: a copy that another program draws."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from clearml_snapshot.cli.options.dataset import At, Dataset, chosen
from clearml_snapshot.cli.options.metrics import Aliases, Metrics
from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import Limits, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, SHARE
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.progress import parts_bar
from clearml_snapshot.cli.output.stdout import refuse_stdout, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.typer_ext.commands import add_command

_Viewer = Annotated[
    Literal["tensorboard", "trackio"],
    typer.Option(
        "--to",
        metavar="tensorboard|trackio",
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

    Example: convert --to tensorboard -o runs --project vision
    """
    from clearml_snapshot.exporter.store.format.states import in_words
    from clearml_snapshot.queries.ask.header import read
    from clearml_snapshot.queries.convert.copying import convert as convert_it
    from clearml_snapshot.queries.convert.model import CopyOptions

    refuse_stdout(target)
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


def _opening(viewer: str, target: Path) -> str:
    """Return the command that opens a copy."""
    name = printable(shlex.quote(str(target)))
    if viewer == "tensorboard":
        return f"tensorboard --logdir {name}"
    return f"TRACKIO_DIR={name} trackio show"
