"""The `merge` command."""

import codecs
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.output import Quiet
from clearml_snapshot.cli.options.query_limits import make_pages
from clearml_snapshot.cli.options.sections import OUTPUT, SHARE, SOURCES
from clearml_snapshot.cli.options.sharing import ShareNew
from clearml_snapshot.cli.output.stdout import refuse_stdout, replacing
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.text.merge import report_rows, summary
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address

if TYPE_CHECKING:
    from clearml_snapshot.exporter.merge.report import MergeReport

_Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATASET",
        help="Two or more datasets, snapshot folders or packs; or datasets in buckets, by their "
        "addresses.",
        show_default=False,
    ),
]
_Target = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        rich_help_panel=OUTPUT,
        help="Folder of the new dataset, which must be new or empty; or an address without a "
        "dataset: s3://, gs:// or az://BUCKET/PREFIX.",
    ),
]
_Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write a CSV file with one row per task: which copy was taken, and when each was "
        "read.",
    ),
]
_SameServer = Annotated[
    bool,
    typer.Option(
        "--same-server",
        rich_help_panel=SOURCES,
        help="Merge datasets whose server addresses differ, after checking that the tasks they "
        "share are the same.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "merge", merge, panel=SHARE)


def merge(
    sources: _Sources,
    target: _Target,
    report: _Report = None,
    same_server: _SameServer = False,
    share: ShareNew = None,
    quiet: Quiet = False,
) -> None:
    """Merge datasets of one server into a new dataset.

    If a task is in several datasets, the copy that was read last is taken; an incomplete copy
    never replaces one with more points. Series that are missing from that copy because of its
    metric filter come from the others. Notes report what was taken from which dataset.
    `export --data FOLDER` continues the result.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.merge.merge import merge_datasets

    if not is_address(target):
        refuse_stdout(target)
    progress = make_progress(quiet=quiet)
    merged = merge_datasets(
        sources, target, progress, same_server=same_server, share=share, make_pages=make_pages
    )
    if report is not None:
        _write_report(merged, report)
    for line in summary(merged):
        if not quiet or line.startswith("warning:"):
            note(line)


def _write_report(merged: "MergeReport", path: Path) -> None:
    """Write the report as CSV.

    Raises:
        SnapshotError: the file cannot be written; the merged dataset exists.
    """
    then = f"the merge itself is done: {as_typed(merged.snapshot)}"
    with disk_errors(path, then), replacing(path) as file:
        rows = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
        rows.writerows(map(_safe, report_rows(merged)))


def _safe(cells: list[object]) -> list[object]:
    """Prevent formulas in a spreadsheet, and remove this process's credentials."""
    from clearml_snapshot.queries.pack.summary_csv import safe

    return [safe(scrub(cell)) if isinstance(cell, str) else cell for cell in cells]
