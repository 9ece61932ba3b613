"""The `diff` command."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from clearml_snapshot.cli.options.dataset import DEFAULT_DATA, Data, parse_snapshot_ref
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import Limits
from clearml_snapshot.cli.options.sections import MAINTAIN
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.output.destination import OutputOptions
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import page_form, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.process.bounds import ended_after, within_memory
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.text.diff import page_lines
from clearml_snapshot.cli.typer_ext.commands import NegativeNumbersCommand, add_command
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address

if TYPE_CHECKING:
    from clearml_snapshot.queries.diff.comparison import Comparison
    from clearml_snapshot.queries.diff.model import Choice

_NUMBER: Final = re.compile(r"-?\d+")
_SNAPSHOT: Final = (
    "A snapshot of --data: a number, a date, or -1 for the previous one; or a dataset, a snapshot "
    "folder or a pack by its path, or a dataset in a bucket by its address."
)
_Before = Annotated[str | None, typer.Argument(help=_SNAPSHOT, show_default="-1")]
_After = Annotated[
    str | None, typer.Argument(help=_SNAPSHOT, show_default="the current one of --data")
]
_By = Annotated[
    Literal["task", "series", "metric"] | None,
    typer.Option(
        "--by", metavar="WHAT", help="Print a table of the tasks, series or metrics that differ."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "diff", diff, panel=MAINTAIN, cls=NegativeNumbersCommand)


def diff(
    before: _Before = None,
    after: _After = None,
    by: _By = None,
    *,
    data: Data = DEFAULT_DATA,
    filters: Filters,
    output: Output,
    limits: Limits,
) -> None:
    """Show new, changed and gone tasks and points, and maxima that changed.

    A task is gone if AFTER has no row for it; a task that was deleted from the server keeps its row
    and counts as changed. A point counts as changed if its value differs. A filter applies to both
    snapshots; a task that matches in either is compared. --format json prints one object. The exit
    code is 0 with or without differences.

    Example: diff -1
    """
    from clearml_snapshot.queries.diff.comparison import compare
    from clearml_snapshot.queries.duckdb_errors import translating_errors

    sides = _side(before or "-1", data), _side(after, data)
    with (
        Interruptible() as interruptible,
        ended_after(limits.timeout),
        compare(*sides, filter=filters, memory_limit=limits.memory) as comparison,
        interruptible.stopped_by(comparison.interrupter()),
        within_memory(comparison.memory_limit),
        comparison.ending_after(limits.timeout),
        translating_errors(),
    ):
        for line in comparison.warnings if output.quiet else comparison.notes:
            note(line)
        if by is not None:
            differing = comparison.result(comparison.differences(by))
            write_answer(differing, output, name=f"diff_by_{by}")
        else:
            _write_page(comparison, (as_typed(sides[0].path), as_typed(sides[1].path)), output)


def _side(text: str | None, data: Path) -> "Choice":
    """Parse which snapshot was typed: one of ``--data``, or a path.

    Raises:
        UsageError: it is neither.
    """
    from clearml_snapshot.queries.diff.model import Choice

    typed = (text or "").strip()
    if not typed or _NUMBER.fullmatch(typed):
        return Choice(data, parse_snapshot_ref(typed or None))
    if not is_address(typed):
        refuse_address(typed)
    if is_address(typed) or Path(typed).exists():
        return Choice(Path(typed))
    try:
        return Choice(data, parse_snapshot_ref(typed))
    except UsageError:
        raise UsageError(
            f"{typed} does not exist; give a path, or a snapshot of --data: a number, a date, or -1"
        ) from None


def _write_page(comparison: "Comparison", paths: tuple[str, str], output: OutputOptions) -> None:
    """Write the page, or one JSON object if the format or the file's extension is JSON."""
    if page_form(output, "diff") == "json":
        write_text(json_text(comparison.summary.as_dict()), output.path)
        return
    lines = page_lines(comparison.summary, *paths)
    write_text("".join(f"{printable(line)}\n" for line in lines), output.path)
