"""The `report` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearml_snapshot.cli.options.dataset import At, Dataset, chosen
from clearml_snapshot.cli.options.groups import OptionGroup, signed
from clearml_snapshot.cli.options.metrics import Aliases, Best, Metrics
from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import Limits, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, QUERY, QUERY_OPTIONS
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.stdout import write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.cli.typer_ext.query_options import parameters_of
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.format.states import in_words
from clearml_snapshot.queries.ask.best import direction_of
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.result import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clearml_snapshot.queries.report.model import ReportOptions
    from clearml_snapshot.queries.report.write import Written

_Target = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="The page, such as report.html; - is stdout.",
    ),
]
_Heading = Annotated[
    str | None,
    typer.Option(
        "--heading",
        metavar="TEXT",
        rich_help_panel=OUTPUT,
        help="Heading of the page.",
        show_default="the project and the number of tasks",
    ),
]
_Top = Annotated[
    int | None,
    typer.Option(
        "--top",
        metavar="N",
        min=1,
        rich_help_panel=QUERY_OPTIONS,
        help="Only the N best tasks of each metric given with --metric.",
        show_default="every task",
    ),
]
_Parts = Annotated[
    int | None,
    typer.Option(
        "--points",
        metavar="N",
        min=1,
        rich_help_panel=OUTPUT,
        help="Divide each long curve into N equal parts, and include the first, last, lowest and "
        "highest point of each.",
        show_default="every point, or as many parts as fit 5 MB, at least 32",
    ),
]


def means_options(**typed: Any) -> dict[str, Any]:
    """Collect by what the tasks are grouped, and what the band of a group is."""
    return {name: value for name, value in typed.items() if value not in (None, [])}


_CURVE: Final = find("curve")
_GROUPED: Final = ("by", "by_all_except", "band")
signed(
    means_options,
    parameters_of(
        _CURVE,
        shared=[param.name for param in _CURVE.params if param.name not in _GROUPED],
        section=QUERY_OPTIONS,
    ),
)
_Means = Annotated[dict[str, Any], OptionGroup(means_options)]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "report", report, panel=QUERY)


def report(
    target: _Target,
    *,
    path: At = None,
    top: _Top = None,
    best: Best = None,
    heading: _Heading = None,
    parts: _Parts = None,
    means: _Means,
    metrics: Metrics,
    aliases: Aliases = None,
    filters: Filters,
    dataset: Dataset,
    limits: Limits,
    quiet: Quiet = False,
) -> None:
    """Write one HTML file with a leaderboard and curves, which opens in any browser.

    It needs no network: sort and filter tasks, zoom, smooth and compare curves, and send the file
    to a colleague. Points that do not fit are left out so that every spike stays visible, and the
    page says so; --by includes means of groups over all points. The same contents give the same
    bytes.
    """
    from clearml_snapshot.queries.notes.coverage import coverage, lines
    from clearml_snapshot.queries.report.model import ReportOptions
    from clearml_snapshot.queries.report.write import write_report

    options = ReportOptions(
        metrics.metrics,
        metrics.variants,
        metrics.excluded,
        top,
        direction_of(best),
        tuple(means.get("by", ())),
        tuple(means.get("by_all_except", ())),
        means.get("band"),
        heading,
        parts,
    )
    with open_for_query(chosen(dataset, path), filters, limits, aliases=aliases) as opened:
        written = write_report(opened, options)
        write_text(written.html, target)
        reach = coverage(opened, _asked(written, options))
    told = (*_described(written, target), *lines(reach, Rows((), (), ())))
    for line in () if quiet else told:
        note(line)
    missing = in_words(written.report.states)
    if missing:
        note(f"warning: not complete: {missing}")


def _asked(written: "Written", options: "ReportOptions") -> dict[str, Any]:
    """Give the metrics of the report as a query binds them; None if none were chosen."""
    if not (options.metrics or options.variants or options.excluded):
        return {"metric": None, "variant": None}
    charts = written.report.charts
    return {
        "metric": [chart.metric for chart in charts],
        "variant": [chart.variant for chart in charts],
    }


def _described(written: "Written", target: Path) -> "Iterator[str]":
    report, size = written.report, size_in_words(len(written.html.encode()))
    yield (
        f"{printable(str(target))}: {size}, {counted(len(report.tasks), 'task')}, "
        f"{report.n_series:,} series"
    )
    if report.parts is not None:
        yield (
            f"{report.n_included:,} of {counted(report.n_points, 'point')} included; "
            "--points N includes more"
        )
    if report.n_suspect:
        which = counted(report.n_suspect, "best value")
        yield f"{which} of 0 may be NaN that was logged as 0; the page marks them"
