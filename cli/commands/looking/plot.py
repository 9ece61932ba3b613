"""The `plot` command: curves in the terminal, or as a picture."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from clearml_snapshot.cli.commands.looking.drawn import fitting, suffix_of, write_figure
from clearml_snapshot.cli.options.dataset import Dataset, chosen
from clearml_snapshot.cli.options.groups import OptionGroup, option, signed
from clearml_snapshot.cli.options.metrics import Aliases, Best, MetricOptions, Metrics
from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import Limits, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, QUERY, QUERY_OPTIONS
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.cli.typer_ext.query_options import parameters_of
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.finding import is_dataset
from clearml_snapshot.queries.ask.best import direction_of
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.outputs.drawing import TEXT
from clearml_snapshot.queries.result import Rows

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.figures.model import Figure

_SMALLEST: Final = 10
_LARGEST: Final = 10_000
_NOT_TYPED: Final = ("metric", "variant", "all_metrics", "points", "keep", "x")
"""Parameters of ``curve`` that other options give, or the size of the drawing."""


def curve_options(**typed: Any) -> dict[str, Any]:
    """Collect the parameters of the query ``curve``."""
    return {name: value for name, value in typed.items() if value not in (None, [])}


_CURVE: Final = find("curve")
signed(curve_options, parameters_of(_CURVE, shared=_NOT_TYPED, section=QUERY_OPTIONS))


def look_options(
    kind: Annotated[
        Literal["curve", "scatter", "parallel", "bar", "hist"],
        option(
            "--kind",
            section=QUERY_OPTIONS,
            metavar="KIND",
            help="What is drawn: curve, or the best value of each task: scatter (over --x with a "
            "hyperparameter or a metric, or of two metrics), bar (the mean of groups with --by), "
            "hist, or parallel.",
        ),
    ] = "curve",
    param: Annotated[
        list[str] | None,
        option(
            "--param",
            section=QUERY_OPTIONS,
            metavar="SECTION/NAME",
            help="With --kind parallel: a hyperparameter that has an axis, or a glob.",
            show_default="those that differ",
        ),
    ] = None,
    log_x: Annotated[
        bool, option("--log-x", section=QUERY_OPTIONS, help="Make the horizontal axis logarithmic.")
    ] = False,
    log_y: Annotated[
        bool, option("--log-y", section=QUERY_OPTIONS, help="Make the vertical axis logarithmic.")
    ] = False,
    color: Annotated[
        str,
        option(
            "--color",
            "--colour",
            section=QUERY_OPTIONS,
            metavar="WHAT",
            help="What has a colour of its own: task, project, user, tag, or a hyperparameter as "
            "param:SECTION/NAME.",
        ),
    ] = "task",
    top: Annotated[
        int | None,
        option(
            "--top",
            section=QUERY_OPTIONS,
            metavar="N",
            min=1,
            help="Draw only the N curves of each metric with the best values.",
        ),
    ] = None,
    best: Best = None,
    no_clip: Annotated[
        bool,
        option(
            "--no-clip",
            section=QUERY_OPTIONS,
            help="Show all values, also a few that are so far from the others that these would "
            "become flat; otherwise they are marked at the edge.",
        ),
    ] = False,
    title: Annotated[
        str | None,
        option("--heading", section=OUTPUT, metavar="TEXT", help="Heading of the figure."),
    ] = None,
    size: Annotated[
        str | None,
        option(
            "--size",
            section=OUTPUT,
            metavar="WIDTHxHEIGHT",
            help="Size of each chart: pixels of a picture, columns and lines of a terminal.",
        ),
    ] = None,
    theme: Annotated[
        Literal["light", "dark", "paper"],
        option(
            "--theme",
            section=OUTPUT,
            metavar="light|dark|paper",
            help="Colours of a picture; paper has a serif font, thin lines with dashes, no grid.",
        ),
    ] = "light",
) -> Look:
    """Collect how curves are drawn."""
    return Look(
        color,
        log_x,
        log_y,
        clips=not no_clip,
        title=title,
        size=None if size is None else _size(size),
        theme=theme,
        top=top,
        best=direction_of(best),
        kind=kind,
        param=param,
    )


Curves = Annotated[dict[str, Any], OptionGroup(curve_options)]
Looks = Annotated[Look, OptionGroup(look_options)]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "plot", plot, panel=QUERY)


def plot(
    named: Annotated[
        list[str] | None,
        typer.Argument(metavar="METRIC…", help="Metrics, metric/variant, or globs of either."),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        option(
            "-o",
            "--output",
            section=OUTPUT,
            metavar="FILE",
            help="Draw into a file: .svg, .png, .pdf, .html, .vl.json (Vega-Lite) or .txt.",
        ),
    ] = None,
    x: Annotated[
        str | None,
        option(
            "--x",
            section=QUERY_OPTIONS,
            metavar="X",
            help="The horizontal axis of curves: iteration, time, relative (seconds) or a metric; "
            "of --kind scatter: a hyperparameter as SECTION/NAME, or a metric.",
            show_default="iteration",
        ),
    ] = None,
    curve: Curves,
    look: Looks,
    metrics: Metrics,
    aliases: Aliases = None,
    filters: Filters,
    dataset: Dataset,
    limits: Limits,
    quiet: Quiet = False,
) -> None:
    """Draw the curves of metrics, in the terminal or as a picture.

    No spike is lost: of the points that share a column of pixels, the first, the last, the lowest
    and the highest are drawn, never a mean. NaN, infinite and missing values interrupt a line and
    are marked. More than 12 curves are drawn faintly with their mean, more than 100 as their mean
    and range. With --by or --by-all-except, there is one curve per group of tasks: its mean, with
    a band. Other kinds than curve show the best value of each task, never the last one, as query
    leaderboard has it, or the mean of each group as query group has it.

    Example: plot loss/validation --by Args/lr --band std -o loss.svg
    """
    from clearml_snapshot.queries.duckdb_errors import translating_errors
    from clearml_snapshot.queries.figures.curves import curves

    path, typed = _dataset_among_metrics(named or [])
    suffix_of(output)  # an unknown one is an error before anything is read
    opening = open_for_query(chosen(dataset, path), filters, limits, aliases=aliases)
    with opening as opened, translating_errors():
        given = {**_series(typed, metrics), **curve, "x": x}
        if look.kind != "curve":
            _plot_kind(opened, given, look, output, quiet)
            return
        values = opened.bound(_CURVE, **given)
        figure = curves(opened, values, fitting(look, output))
        write_figure(figure, output)
        _write_notes(opened, values, figure, quiet=quiet)


def _plot_kind(
    opened: "OpenDataset", typed: Mapping[str, Any], look: Look, output: Path | None, quiet: bool
) -> None:
    """Draw the best values of tasks."""
    from clearml_snapshot.queries.figures.kinds.asked import kind_figure, notes_below

    if look.kind == "parallel" and suffix_of(output) == TEXT:
        raise UsageError("--kind parallel cannot be drawn as text; add -o parallel.svg, or .png")
    figure, asked = kind_figure(opened, typed, look)
    write_figure(figure, output)
    for line in (*(() if quiet else figure.notes), *notes_below(opened, asked, quiet=quiet)):
        note(line)


def _write_notes(
    opened: "OpenDataset", values: Mapping[str, Any], figure: "Figure", *, quiet: bool
) -> None:
    """Say what is not in the drawing, and what it covers, as below the answer of ``curve``."""
    from clearml_snapshot.queries.notes.below import footnotes

    for line in () if quiet else figure.notes:
        note(line)
    drawn = Rows((), (), ((),))  # the notes need to know only that there is something
    for line in footnotes(opened, _CURVE, values, drawn, quiet=quiet):
        note(line)


def _dataset_among_metrics(typed: list[str]) -> tuple[Path | None, list[str]]:
    """Find the dataset among the metrics: the last argument, if it is one."""
    if typed and is_dataset(Path(typed[-1])):
        return Path(typed[-1]), typed[:-1]
    return None, typed


def _series(named: list[str], metrics: MetricOptions) -> dict[str, Any]:
    texts = (*named, *metrics.metrics)
    if not texts:
        raise UsageError("name a metric, such as loss; `query metrics` lists them")
    given = {"metric": texts, "variant": metrics.variants, "exclude_metric": metrics.excluded}
    return {name: value for name, value in given.items() if value}


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text)
    if not match or not all(_SMALLEST <= int(side) <= _LARGEST for side in match.groups()):
        raise UsageError(
            f"--size {text}: give it as WIDTHxHEIGHT, such as 760x400, each from {_SMALLEST} to "
            f"{_LARGEST:,}"
        )
    return int(match[1]), int(match[2])
