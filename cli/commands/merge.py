"""`merge`: several datasets of one server become one."""

import codecs
import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.options import OUTPUT, Quiet
from clearml_snapshot.cli.options.query_limits import make_pages
from clearml_snapshot.cli.options.sharing import ShareNew
from clearml_snapshot.cli.output.stdout import refuse_stdout, replacing
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.own_keys import scrub

if TYPE_CHECKING:
    from clearml_snapshot.exporter.merge.report import Joined, SourceReport
    from clearml_snapshot.exporter.merge.rules import Choice

PANEL: Final = "Hand over"
SOURCES: Final = "Sources"

_TOLD_IDS: Final = 3


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "merge", merge, panel=PANEL)


def merge(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET",
            help="A dataset, a snapshot folder or a pack; two or more.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
            help="The new dataset; a folder that is new or empty.",
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Write as csv, for each task, whose copy was taken and what the others had.",
        ),
    ] = None,
    same_server: Annotated[
        bool,
        typer.Option(
            "--same-server",
            rich_help_panel=SOURCES,
            help="The addresses of the datasets differ and are one server: compare the tasks that "
            "they have in common, and merge.",
        ),
    ] = False,
    share: ShareNew = None,
    quiet: Quiet = False,
) -> None:
    """Join datasets of one server into a new one, and say what it took from where.

    Of a task in several, the copy that was read last is taken; one that could not be read whole
    never takes the place of more points. Series that the taken copy was not asked for come from
    the others. `export --data FOLDER` goes on with the result.
    """
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.merge.merge import join

    refuse_stdout(target)
    progress = make_progress(quiet=quiet)
    joined = join(
        sources, target, progress, same_server=same_server, share=share, make_pages=make_pages
    )
    if report is not None:
        _write_report(joined, report)
    for line in _summary(joined):
        if not quiet or line.startswith("warning:"):
            note(line)


def _summary(joined: "Joined") -> Iterator[str]:
    """Say what was taken from where; the last line is the folder to copy."""
    for source in joined.sources:
        yield from _of_source(source)
    yield from (f"warning: not proven: {text}" for text in joined.unproven)
    added, left = joined.added, joined.other_run
    yield f"{counted(joined.shared, 'task')} in more than one of them"
    if added.tasks:
        yield (
            f"{counted(added.tasks, 'task')} put together: {added.series:,} series "
            f"({counted(added.points, 'point')}) come from copies that were not taken, because the "
            "taken one does not have them"
        )
    if left.tasks:
        yield (
            f"warning: {counted(left.tasks, 'task')} run again since an older copy, of which "
            f"{left.series:,} series ({counted(left.points, 'point')}) are left out"
        )
    if joined.fewer:
        ids = ", ".join(joined.fewer[:_TOLD_IDS]) + ", …" * (len(joined.fewer) > _TOLD_IDS)
        yield (
            f"warning: of {counted(len(joined.fewer), 'task')} a copy that was not taken has more "
            f"points ({joined.fewer_points:,}): {ids}"
        )
    if joined.unlike:
        ids = ", ".join(joined.unlike[:_TOLD_IDS]) + ", …" * (len(joined.unlike) > _TOLD_IDS)
        yield (
            f"warning: {counted(len(joined.unlike), 'task')} with other points in copies that "
            f"have the same fingerprint, so one of the copies is not as the server had it: {ids}; "
            "compare the datasets with clearml-snapshot diff"
        )
    if joined.poorer:
        yield (
            f"warning: {counted(joined.poorer, 'task')} without what a pack left out, though "
            "another copy has it; no export brings it back, so merge what was packed instead"
        )
    held = joined.totals
    yield f"merged: {counted(held['tasks'], 'task')}, {counted(held['points'], 'point')}"
    yield f"the folder to copy: {joined.snapshot}"


def _of_source(source: "SourceReport") -> Iterator[str]:
    yield (
        f"{source.name} (snapshot {source.number}, {_moment(source.created_at)}): "
        f"{source.taken:,} of {counted(source.tasks, 'task')} taken, "
        f"{counted(source.points, 'point')}"
    )
    for lost in source.lost:
        yield f"  {counted(lost.tasks, 'task')} of {lost.to} instead; here {lost.why}"
    if source.taken:
        yield from (f"  not in this pack, {text}" for text in source.taken_out)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _write_report(joined: "Joined", path: Path) -> None:
    """Write one row a task.

    Raises:
        SnapshotError: the file cannot be written; the merged dataset is there.
    """
    names = [source.name for source in joined.sources]
    header = ["task_id", "task", "taken_from", "fetched_at", "points", "series_from"]
    try:
        with replacing(path) as file:
            stream = codecs.getwriter("utf-8")(file)
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerow(_safe([*header, *(f"fetched_at in {name}" for name in names)]))
            rows.writerows(_safe(_row(choice, names)) for choice in joined.choices)
    except OSError as error:
        raise SnapshotError(
            f"cannot write {path}: {error.strerror}; the merge itself is done: {joined.snapshot}"
        ) from error


def _row(choice: "Choice", names: list[str]) -> list[object]:
    best = choice.best
    fetched = {copy.source: _iso(copy.fetched_at) for copy in choice.ranked}
    return [
        best.task_id,
        best.name,
        names[best.source],
        _iso(best.fetched_at),
        choice.points,
        " ".join(names[part.copy.source] for part in choice.with_series),
        *(fetched.get(place) for place in range(len(names))),
    ]


def _safe(cells: list[object]) -> list[object]:
    """Write texts so that a spreadsheet computes none, and without this process's credentials."""
    from clearml_snapshot.queries.pack.summary_csv import safe

    return [safe(scrub(cell)) if isinstance(cell, str) else cell for cell in cells]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
