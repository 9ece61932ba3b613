"""The `status` command, and `show`, which also runs if only a dataset is given."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clearml_snapshot.cli.options.dataset import At, Dataset, DatasetChoice, chosen
from clearml_snapshot.cli.options.metrics import Aliases
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import LimitOptions, open_for_query
from clearml_snapshot.cli.options.sections import MAINTAIN, QUERY
from clearml_snapshot.cli.output.destination import OutputOptions
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import page_form, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.text.status import page_lines
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.exporter.selection.metric_filter import MONITOR_PREFIX
from clearml_snapshot.exporter.spans import Age, read_age
from clearml_snapshot.exporter.store.objects.address import as_typed

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset

_By = Annotated[
    Literal["project", "user", "task"] | None,
    typer.Option("--by", metavar="WHAT", help="Rank projects, users or tasks by points."),
]
_Top = Annotated[
    int | None,
    typer.Option("--top", metavar="N", min=1, help="With --by: show only the first N."),
]
_Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Exit with code 3 if something needs attention: the newest export warned, failed or "
        "did not read everything.",
    ),
]
_MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="AGE",
        help="Like --check, and also if the snapshot is older than an age such as 26h.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "status", status, panel=MAINTAIN)
    add_command(app, "show", show, panel=QUERY)


def status(
    path: At = None,
    by: _By = None,
    top: _Top = None,
    check: _Check = False,
    max_age: _MaxAge = None,
    *,
    dataset: Dataset,
    output: Output,
) -> None:
    """Show what a snapshot contains, its age, and which tasks are not complete.

    Warnings of an export are repeated until an export has none. The last line names the folder to
    copy. --format json prints one object, whose `concerns` are what --check reports.
    """
    from clearml_snapshot.queries.duckdb_errors import translating_errors
    from clearml_snapshot.queries.status.status import ranking

    if top is not None and by is None:
        raise UsageError("--top needs --by project, user or task")
    if by is not None and (check or max_age is not None):
        raise UsageError("--check and --max-age check the complete snapshot; omit --by")
    oldest = _max_age(max_age)
    dataset = chosen(dataset, path)
    with _opened(dataset) as snapshot, translating_errors():
        if by is not None:
            ranked = snapshot.result(ranking(snapshot, by, top))
            write_answer(ranked, output, name=f"status_by_{by}")
            return
        warnings = _write_status(snapshot, dataset.data, output, oldest)
    if warnings and (check or oldest is not None):
        for text in warnings:
            note(f"warning: {text}")
        raise typer.Exit(ExitCode.PARTIAL)


def show(path: At = None, *, aliases: Aliases = None, dataset: Dataset) -> None:
    """Show what a dataset, snapshot or pack contains, and its best values.

    First the status, then the lowest value of each metric whose name tells that low values are
    better, such as loss, and the highest one of every other metric. The word `show` can be left
    out: `clearml-snapshot it.zip`.
    """
    from clearml_snapshot.queries.duckdb_errors import translating_errors

    dataset = chosen(dataset, path)
    status(dataset=dataset, output=OutputOptions())
    opening = open_for_query(dataset, None, LimitOptions(), aliases=aliases)
    with opening as opened, translating_errors():
        _write_best(opened)


def _write_best(opened: "OpenDataset") -> None:
    """Write the answers of ``max`` and ``min`` for the metrics for which each is the best."""
    from clearml_snapshot.cli.commands.query import answer
    from clearml_snapshot.queries.ask.best import guess
    from clearml_snapshot.queries.ask.header import find

    every = [
        (metric, variant)
        for metric, variants in opened.series_names.items()
        for variant in variants
        if not metric.startswith(MONITOR_PREFIX)
    ]
    low = [pair for pair in every if guess(*pair) == "lowest"]
    high = [pair for pair in every if guess(*pair) != "lowest"]
    for name, pairs, title in (("min", low, "lowest values"), ("max", high, "highest values")):
        if pairs:
            write_text(f"\n{title}\n")
            values = opened.bound(name)
            values |= {"metric": [m for m, _ in pairs], "variant": [v for _, v in pairs]}
            answer(opened, find(name), values, OutputOptions(format="table"))


def _opened(choice: DatasetChoice) -> "AbstractContextManager[OpenDataset]":
    return open_for_query(choice, None, LimitOptions())


def _max_age(text: str | None) -> Age | None:
    try:
        return None if text is None else read_age(text)
    except ValueError as error:
        raise UsageError(f"--max-age: {error}") from None


def _write_status(
    opened: "OpenDataset", data: Path, output: OutputOptions, max_age: Age | None
) -> list[str]:
    """Write the page, or one JSON object if the format or the file's extension is JSON.

    Returns:
        What needs attention.
    """
    from clearml_snapshot.exporter.selection.remembered import remembered
    from clearml_snapshot.queries.status.concerns import concerns
    from clearml_snapshot.queries.status.status import status as read_status

    form = page_form(output, "status")
    current, selections = read_status(opened), remembered(opened.snapshot.selections)
    warnings = [*concerns(current, max_age)]
    if form == "json":
        page: dict[str, Any] = {"dataset": as_typed(data), **current.as_dict()}
        page["selections"] = [asdict(listed) for listed in selections]
        page["concerns"] = warnings
        write_text(json_text(page), output.path)
        return warnings
    lines = page_lines(current, selections, as_typed(data))
    write_text("".join(f"{printable(line)}\n" for line in lines), output.path)
    return warnings
