"""`diff`: what is new, changed and gone between two snapshots."""

import re
from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from typer.core import TyperOption

from clearml_snapshot.cli.options.options import DEFAULT_DATA, Data, Filters, Output, OutputOptions
from clearml_snapshot.cli.options.query_limits import Limits, which
from clearml_snapshot.cli.output.formats import json_text
from clearml_snapshot.cli.output.stdout import page_form, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.process.bounds import ended_after, within_memory
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.typer_ext.commands import Command, expanded
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.places import refuse_address

if TYPE_CHECKING:
    from typer._click.core import Context

    from clearml_snapshot.queries.diff.comparison import (
        Choice,
        Comparison,
        MaximumChange,
        Side,
        Summary,
        TaskChange,
    )

PANEL: Final = "Look after it"

_NUMBER: Final = re.compile(r"-?\d+")
_WIDTH: Final = 80
_LABEL: Final = 12
_NAME_WIDTH: Final = 24
_LEAST_WIDTH: Final = 12

_STATES: Final = {
    "gone": "gone from the server",
    "shrunk": "server lost points",
    "partial": "now partial",
    "failed": "now failed",
    "complete": "now complete",
}
_TOLD_ELSEWHERE: Final = frozenset({"state", "reason", "metric_filter"})
_FOLLOWING: Final = frozenset(
    {
        "project_id",
        "user_id",
        "web_url",
        "last_update",
        "last_change",
        "last_iteration",
        "status_changed",
        "active_duration",
        "points_expected",
    }
)
"""Columns that move with others, or whenever the task does anything."""


class TakingNumbers(Command):
    """A command whose arguments may be numbers below 0, which look like options."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Put a space before such a number, unless it is the value of an option."""
        valued = {
            name
            for option in self.get_params(ctx)
            if isinstance(option, TyperOption) and not option.is_flag
            for name in option.opts
        }
        spaced = [
            f" {text}" if re.fullmatch(r"-\d+", text) and last not in valued else text
            for last, text in pairwise(["", *args])
        ]
        return super().parse_args(ctx, spaced)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("diff", cls=TakingNumbers, rich_help_panel=PANEL)(expanded(diff))


def diff(
    before: Annotated[
        str | None,
        typer.Argument(
            help="A snapshot of --data: a number, a date, or -1 for the one before; or the path of "
            "a dataset, a snapshot folder or a pack.",
            show_default="-1",
        ),
    ] = None,
    after: Annotated[
        str | None, typer.Argument(help="Likewise.", show_default="the current one of --data")
    ] = None,
    by: Annotated[
        Literal["task", "series", "metric"] | None,
        typer.Option(
            "--by", metavar="WHAT", help="A table of each task, series or metric that differs."
        ),
    ] = None,
    *,
    data: Data = DEFAULT_DATA,
    filters: Filters,
    output: Output,
    limits: Limits,
) -> None:
    """Show which tasks and points are new, changed or gone, and which maxima moved.

    A task is gone when AFTER has no row of it; one that the server lost stays, and is changed. A
    point changed when its value did. A filter takes the tasks that it finds in either. --format
    json gives one object. The exit code is 0 whether there are differences or not.

    Example: diff -1
    """
    from clearml_snapshot.queries.diff.comparison import compare
    from clearml_snapshot.queries.duckdb_errors import speaking

    sides = _choice(before or "-1", data), _choice(after, data)
    with (
        Interruptible() as interruptible,
        ended_after(limits.timeout),
        compare(*sides, filter=filters, memory_limit=limits.memory) as found,
        interruptible.stopped_by(found.interrupter()),
        within_memory(found.memory_limit),
        found.ending_after(limits.timeout),
        speaking(),
    ):
        for line in found.warnings if output.quiet else found.notes:
            note(line)
        if by is not None:
            write_answer(found.differences(by), output, name=f"diff_by_{by}")
        else:
            _write_page(found, (sides[0].path, sides[1].path), output)


def _choice(text: str | None, data: Path) -> "Choice":
    """Read which snapshot was typed: one of ``--data``, or a path.

    Raises:
        UsageError: it is neither.
    """
    from clearml_snapshot.queries.diff.comparison import Choice

    typed = (text or "").strip()
    if not typed or _NUMBER.fullmatch(typed):
        return Choice(data, which(typed or None))
    refuse_address(typed)
    if Path(typed).exists():
        return Choice(Path(typed))
    try:
        return Choice(data, which(typed))
    except UsageError:
        raise UsageError(
            f"there is no {typed}; give a path, or a snapshot of --data: a number, a date, or -1"
        ) from None


def _write_page(found: "Comparison", paths: tuple[Path, Path], output: OutputOptions) -> None:
    """Write the page, or the object where JSON is asked for or the file is named so."""
    if page_form(output, "diff") == "json":
        write_text(json_text(found.summary.as_dict()), output.path)
        return
    lines = page_lines(found.summary, *paths)
    write_text("".join(f"{printable(line)}\n" for line in lines), output.path)


def page_lines(found: "Summary", before: Path, after: Path) -> Iterator[str]:
    """Tell a comparison in lines of 80 columns or so; the paths are those that were typed."""
    if before == after:
        yield f"{'dataset':<{_LABEL}}{after}"
    for label, side, path in (("before", found.before, before), ("after", found.after, after)):
        yield f"{label:<{_LABEL}}{_snapshot(side)}"
        if before != after:
            yield f"{'':<{_LABEL}}{path}"
    yield (
        f"{'tasks':<{_LABEL}}{found.tasks_new:,} new, {found.tasks_changed:,} changed, "
        f"{found.tasks_gone:,} gone, {found.tasks_same:,} the same"
    )
    if found.asked_otherwise:
        were = "was" if found.asked_otherwise == 1 else "were"
        asked = f"{found.asked_otherwise:,} of the changed {were} asked for other metrics"
        yield f"{'':<{_LABEL}}{asked}"
    yield (
        f"{'points':<{_LABEL}}{found.points_new:,} new, {found.points_changed:,} changed, "
        f"{found.points_gone:,} gone, {found.points_same:,} the same"
    )
    yield from map(_task, found.tasks)
    more = found.tasks_new + found.tasks_changed + found.tasks_gone - len(found.tasks)
    if more:
        yield f"… and {more:,} more (--by task)"
    for place, line in enumerate(_maxima(found)):
        yield f"{'' if place else 'maxima':<{_LABEL}}{line}"


def _snapshot(side: "Side") -> str:
    return f"snapshot {side.number}, {side.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _maxima(found: "Summary") -> Iterator[str]:
    yield from map(_maximum, found.maxima)
    if any(0 in (moved.max_before, moved.max_after) for moved in found.maxima):
        yield "a maximum of 0 may be a NaN, logged as 0; query max says so"
    ours = found.maxima_moved - found.monitor_maxima_moved
    if ours > len(found.maxima):
        yield f"… and {ours - len(found.maxima):,} more (--by metric)"
    if found.monitor_maxima_moved:
        yield f"{'and ' if ours else ''}{found.monitor_maxima_moved:,} of :monitor:"
    elif not ours:
        yield "none moved"


def _maximum(moved: "MaximumChange") -> str:
    """Say where a maximum was and is, with as many digits as tell the two apart."""
    values = [moved.max_before, moved.max_after]
    texts = ["none" if value is None else f"{value:.6g}" for value in values]
    if texts[0] == texts[1]:
        texts = [repr(value) for value in values]
    tasks = ["" if one is None else f" ({one[:8]})" for one in _holders(moved)]
    change = f": {texts[0]}{tasks[0]} to {texts[1]}{tasks[1]}"
    return _cut(f"{moved.metric}/{moved.variant}", _WIDTH - _LABEL - len(change)) + change


def _holders(moved: "MaximumChange") -> tuple[str | None, str | None]:
    """Name the tasks of both maxima, a task that kept its place once."""
    if moved.task_id_before == moved.task_id_after:
        return None, moved.task_id_after
    return moved.task_id_before, moved.task_id_after


def _task(one: "TaskChange") -> str:
    start = f"{one.change:<8}  {one.task_id[:8]}  {_cut(one.task or '', _NAME_WIDTH)}: "
    return start + _cut(", ".join(_what(one)), _WIDTH - len(start))


def _what(one: "TaskChange") -> Iterator[str]:
    """Say what happened to a task, the gravest first; what follows from it goes without saying."""
    told = list(_told(one))
    own = [name for name in one.columns_changed if name not in _TOLD_ELSEWHERE | _FOLLOWING]
    yield from told
    yield from own if told or own else one.columns_changed


def _told(one: "TaskChange") -> Iterator[str]:
    if one.change == "changed" and one.state_before != one.state_after:
        yield _STATES.get(one.state_after or "", f"now {one.state_after}")
    if one.change == "new" and one.state_after != "complete":
        yield one.state_after or ""
    if "metric_filter" in one.columns_changed:
        yield "asked for other metrics"
    counts = [(one.n_new, "+{:,}"), (one.n_gone, "-{:,}"), (one.n_changed, "{:,} changed")]
    points = ", ".join(form.format(number) for number, form in counts if number)
    if points or one.change != "changed":
        yield f"points {points}" if points else "no points"


def _cut(text: str, width: int) -> str:
    text, width = printable(text), max(width, _LEAST_WIDTH)
    return text if len(text) <= width else f"{text[: width - 1]}…"
