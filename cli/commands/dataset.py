"""`status`, `verify` and `selections`: what is here, whether it is whole, what is repeated."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from clearml_snapshot.cli.options.options import (
    DATASET,
    DEFAULT_DATA,
    Data,
    Dataset,
    DatasetChoice,
    Output,
    OutputOptions,
)
from clearml_snapshot.cli.options.query_limits import LimitOptions, make_pages, opened
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import page_form, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.ages import read_age
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.exporter.store.disk.files import size_in_words
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.format.states import MISSING, in_words

if TYPE_CHECKING:
    from clearml_snapshot.exporter.selection.remembered import ListedSelection
    from clearml_snapshot.exporter.store.verify.verify import Verification
    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.status.status import ProblemTask, Status

PANEL: Final = "Look after it"

_NAME_WIDTH: Final = 24
_REASON_WIDTH: Final = 32
"""A line of a problem task fits 80 columns."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    add_command(app, "status", status, panel=PANEL)
    add_command(app, "verify", verify, panel=PANEL)
    add_command(app, "selections", selections, panel=PANEL)


def status(
    by: Annotated[
        Literal["project", "user", "task"] | None,
        typer.Option("--by", metavar="WHAT", help="Rank each project, user or task by points."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", min=1, help="With --by: only the first N."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="End with exit code 3 when somebody should look: the newest export warned, "
            "failed or did not read everything.",
        ),
    ] = False,
    max_age: Annotated[
        str | None,
        typer.Option(
            "--max-age",
            metavar="AGE",
            help="Like --check, and also when the snapshot is older than an age such as 26h.",
        ),
    ] = None,
    *,
    dataset: Dataset,
    output: Output,
) -> None:
    """Show what is here and as of when, and which tasks are not complete.

    Warnings of an export are repeated until an export has none. The last line is the folder to
    copy. --format json gives one object, where `concerns` is what --check finds.
    """
    from clearml_snapshot.queries.duckdb_errors import speaking
    from clearml_snapshot.queries.status.status import ranking

    if top is not None and by is None:
        raise UsageError("--top belongs to --by project, user or task")
    if by is not None and (check or max_age is not None):
        raise UsageError("--check and --max-age check the whole snapshot; leave --by out")
    oldest = _max_age(max_age)
    with _opened(dataset) as snapshot, speaking():
        if by is not None:
            write_answer(ranking(snapshot, by, top), output, name=f"status_by_{by}")
        else:
            found = _write_status(snapshot, dataset.data, output, oldest)
            if found and (check or oldest is not None):
                for text in found:
                    note(f"warning: {text}")
                raise typer.Exit(ExitCode.PARTIAL)


def verify(
    path: Annotated[
        Path | None,
        typer.Argument(help="A dataset, one snapshot or a pack.", show_default="that of --data"),
    ] = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="List where the server's summary of a series disagrees."),
    ] = False,
    *,
    data: Data = DEFAULT_DATA,
    output: Output,
) -> None:
    """Check that a snapshot is intact, and say whether it is complete (offline).

    Compares every file with its hash, the rows with each other (keys, counts, series against
    points), and each text with what this version makes of the rest; a text that another version
    wrote otherwise is `not proven`. One line per problem on stdout; the exit code is 5 when there
    is one, and 3 when the snapshot is intact but some of its tasks are partial, failed or not read
    yet. With --summary it compares with what the server said of each series instead.
    """
    folder = path or data
    if summary:
        _write_claims(folder, output)
        return
    if output.format is not None or output.table is not None:
        raise UsageError("verify writes lines; --format and --table belong to --summary")
    found = _verified(folder, output.quiet)
    write_text("".join(f"{printable(line)}\n" for line in _findings(found)), output.path)
    for text in found.notes:
        note(text)
    raise typer.Exit(_verdict(found))


def selections(
    action: Annotated[
        Literal["remove"] | None,
        typer.Argument(help="'remove' forgets the selection of that number."),
    ] = None,
    number: Annotated[
        int | None, typer.Argument(help="Which one, as listed.", show_default=False)
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", rich_help_panel=DATASET, help="With remove: wait for a running export."
        ),
    ] = False,
    *,
    dataset: Dataset,
    output: Output,
) -> None:
    """List the selections that a bare export repeats, or remove one.

    A selection is shown as the options of `export` that ask the same again. The tasks of a removed
    selection stay; the next export marks them as no longer selected.
    """
    if action is None:
        _write_selections(dataset, output)
        return
    if number is None:
        raise UsageError("remove needs the number of a selection; see clearml-snapshot selections")
    if dataset.snapshot is not None:
        raise UsageError("remove changes the current snapshot; leave --snapshot out")
    from clearml_snapshot.exporter.sync.planning.forget_selection import forget_selection

    removed = forget_selection(dataset.data, number, wait=wait)
    if not output.quiet:
        note(f"removed: {removed.selection}")
        note("its tasks stay; the next export marks those that no other selection finds")


def _opened(choice: DatasetChoice) -> "AbstractContextManager[OpenDataset]":
    return opened(choice, None, LimitOptions())


def _max_age(text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_age(text)
    except ValueError as error:
        raise UsageError(f"--max-age: {error}") from None


def _write_status(
    opened: "OpenDataset", data: Path, output: OutputOptions, max_age: timedelta | None
) -> list[str]:
    """Write the page, or the object where JSON is asked for or the file is named so.

    Returns:
        What somebody should look at.
    """
    from clearml_snapshot.exporter.selection.remembered import remembered
    from clearml_snapshot.queries.status.concerns import concerns
    from clearml_snapshot.queries.status.status import status as look

    form = page_form(output, "status")
    found, asked = look(opened), remembered(opened.about.selections)
    wrong = [*concerns(found, max_age)]
    if form == "json":
        page: dict[str, Any] = {"dataset": str(data), **found.as_dict()}
        page["selections"] = [asdict(one) for one in asked]
        page["concerns"] = wrong
        write_text(json_text(page), output.path)
        return wrong
    lines = page_lines(found, asked, data)
    write_text("".join(f"{printable(line)}\n" for line in lines), output.path)
    return wrong


def page_lines(
    found: "Status", asked: "tuple[ListedSelection, ...]", data: Path | str
) -> Iterator[str]:
    """Tell a status in lines of 80 columns or so; the last is the folder to copy."""
    from clearml_snapshot.queries.notes.coverage import age_in_words

    age = age_in_words(timedelta(seconds=found.age))
    yield f"dataset     {data}"
    yield f"snapshot    {found.number}, {_moment(found.created_at)} ({age} old)"
    of = f" (ClearML {found.server_version})" if found.server_version else ""
    if found.packed is not None:
        yield f"packed      {found.packed.selection}; metrics: {found.packed.metrics}"
        for place, line in enumerate(found.packed.taken_out):
            yield f"{'' if place else 'taken out':<12}{line}"
    yield f"server      {found.server or 'unknown'}{of}"
    yield f"tasks       {found.tasks:,} in {counted(found.projects, 'project')}{_states(found)}"
    yield f"            {_among(found)}"
    yield from _left_behind(found)
    share = f", {found.monitor_points / found.points:.0%} of them :monitor:" if found.points else ""
    yield f"points      {found.points:,} in {found.series:,} series{share}"
    yield f"on disk     {size_in_words(found.bytes)}"
    yield f"exports     {_exports(found)}"
    if found.last_export is not None and found.last_export.error:
        yield f"error       {found.last_export.error}"
    for place, text in enumerate(found.warnings):
        yield f"{'' if place else 'warnings':<12}{text}"
    if found.packed is None:
        yield f"kept        {Retention.parse(found.keep)}"
    if found.readable_by is not None:
        yield f"readable by {found.readable_by}"
    for place, one in enumerate(asked):
        matched = "" if one.matched is None else f"  ({counted(one.matched, 'task')})"
        yield f"{'' if place else 'selections':<12}{one.number}  {one.selection}{matched}"
    if not asked:
        yield "selections  none remembered"
    yield from map(_problem, found.problem_tasks)
    more = found.problems - len(found.problem_tasks)
    if more:
        yield f"… and {more:,} more (SELECT * FROM tasks WHERE state <> 'complete')"
    yield f"the {'file' if found.root.is_file() else 'folder'} to copy: {found.root}"


def _left_behind(found: "Status") -> Iterator[str]:
    if found.gone_as_listed:
        listed = counted(found.gone_as_listed, "task")
        yield f"            {listed} gone as expected: listed as safe to delete before"
    if found.no_longer_selected:
        yield "            what is no longer selected is as of its fetched_at, not of today"


def _states(found: "Status") -> str:
    return (
        ": " + ", ".join(f"{n:,} {state}" for state, n in found.states.items())
        if found.tasks
        else ""
    )


def _among(found: "Status") -> str:
    gone = found.no_longer_selected
    return (
        f"among them {found.running:,} running, {found.archived:,} archived, "
        f"{gone:,} no longer selected"
    )


def _exports(found: "Status") -> str:
    last = found.last_export
    if last is None:
        return f"{found.exports:,}"
    ended = last.result if last.finished is not None else f"{last.result} (not ended)"
    who = f", by {last.user}" if last.user else ""
    return f"{found.exports:,}; the last one began {_moment(last.started)}{who}: {ended}"


def _problem(task: "ProblemTask") -> str:
    name, reason = _cut(task.name or "", _NAME_WIDTH), _cut(task.reason or "", _REASON_WIDTH)
    return f"{task.state:<8}  {task.task_id[:8]}  {name}: {reason}"


def _cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _write_selections(choice: DatasetChoice, output: OutputOptions) -> None:
    from clearml_snapshot.exporter.selection.remembered import remembered
    from clearml_snapshot.queries.ask.header import read

    with _opened(choice) as snapshot:
        asked = remembered(snapshot.about.selections)
        columns = {
            name: [getattr(one, name) for one in asked]
            for name in ("number", "selection", "matched", "metrics")
        }
        write_answer(
            snapshot.sql(read("status/selections.sql"), columns), output, name="selections"
        )
    if not asked and not output.quiet:
        note("no selection is remembered; an export with a filter, or --all, adds one")


def _verified(folder: Path, quiet: bool) -> "Verification":
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.store.verify.verify import verify as prove

    with Interruptible():
        return prove(folder, progress=make_progress(quiet=quiet), make_pages=make_pages)


def _findings(found: "Verification") -> Iterator[str]:
    yield from (f"damaged: {problem}" for problem in found.problems)
    if found.is_intact:
        yield (
            f"intact: {counted(found.files, 'file')}, {size_in_words(found.bytes)}, "
            f"{counted(found.points, 'point')}, {found.series:,} series, "
            f"{counted(found.tasks, 'task')} in {found.root}"
        )
        missing = in_words(found.states)
        if missing:
            yield f"not complete: of {counted(found.tasks, 'task')} {missing}"
        yield from (f"not proven: {text}" for text in found.unproven)
        if found.content_id is not None:
            yield f"content id: {found.content_id}"


def _verdict(found: "Verification") -> ExitCode:
    """Choose the exit code: a snapshot may be intact, and not complete."""
    if not found.is_intact:
        return ExitCode.DATASET
    return ExitCode.PARTIAL if in_words(found.states, MISSING) else ExitCode.COMPLETE


def _write_claims(folder: Path, output: OutputOptions) -> None:
    from clearml_snapshot.queries import open_dataset
    from clearml_snapshot.queries.duckdb_errors import speaking
    from clearml_snapshot.queries.status.server_summary import count_claims, disagreements

    with Interruptible(), open_dataset(folder) as opened, speaking():
        differing = disagreements(opened).materialize()
        write_answer(differing, output, name="summary")
        if not output.quiet:
            note(str(count_claims(opened, differing)))
