"""Formats a comparison of two snapshots for the terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.text import cut, moment

if TYPE_CHECKING:
    from clearml_snapshot.queries.diff.model import MaximumChange, Side, Summary, TaskChange

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
_DESCRIBED_OTHERWISE: Final = frozenset({"state", "reason", "metric_filter"})
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
"""Columns that change with others, or whenever the task does anything."""


def page_lines(summary: "Summary", before: str, after: str) -> Iterator[str]:
    """Describe a comparison in lines of about 80 columns; the paths are those that were typed."""
    if before == after:
        yield f"{'dataset':<{_LABEL}}{after}"
    for label, side, path in (("before", summary.before, before), ("after", summary.after, after)):
        yield f"{label:<{_LABEL}}{_snapshot(side)}"
        if before != after:
            yield f"{'':<{_LABEL}}{path}"
    yield from _counts(summary)
    yield from map(_task, summary.tasks)
    more = summary.tasks_new + summary.tasks_changed + summary.tasks_gone - len(summary.tasks)
    if more:
        yield f"… and {more:,} more (--by task)"
    for number, line in enumerate(_maxima(summary)):
        yield f"{'' if number else 'maxima':<{_LABEL}}{line}"


def _counts(summary: "Summary") -> Iterator[str]:
    yield (
        f"{'tasks':<{_LABEL}}{summary.tasks_new:,} new, {summary.tasks_changed:,} changed, "
        f"{summary.tasks_gone:,} gone, {summary.tasks_same:,} the same"
    )
    if summary.asked_otherwise:
        were = "was" if summary.asked_otherwise == 1 else "were"
        yield (
            f"{'':<{_LABEL}}{summary.asked_otherwise:,} of the changed {were} exported with "
            "another metric filter"
        )
    yield (
        f"{'points':<{_LABEL}}{summary.points_new:,} new, {summary.points_changed:,} changed, "
        f"{summary.points_gone:,} gone, {summary.points_same:,} the same"
    )


def _snapshot(side: "Side") -> str:
    return f"snapshot {side.number}, {moment(side.created_at)}"


def _maxima(summary: "Summary") -> Iterator[str]:
    yield from map(_maximum, summary.maxima)
    if any(0 in (moved.max_before, moved.max_after) for moved in summary.maxima):
        yield "a maximum of 0 may be a NaN that was logged as 0; query max reports it"
    others = summary.maxima_moved - summary.monitor_maxima_moved
    if others > len(summary.maxima):
        yield f"… and {others - len(summary.maxima):,} more (--by metric)"
    if summary.monitor_maxima_moved:
        yield f"{'and ' if others else ''}{summary.monitor_maxima_moved:,} of :monitor:"
    elif not others:
        yield "none changed"


def _maximum(moved: "MaximumChange") -> str:
    """Write a maximum before and after, with enough digits to show that they differ."""
    values = [moved.max_before, moved.max_after]
    texts = ["none" if value is None else f"{value:.6g}" for value in values]
    if texts[0] == texts[1]:
        texts = [repr(value) for value in values]
    tasks = ["" if task_id is None else f" ({task_id[:8]})" for task_id in _holders(moved)]
    change = f": {texts[0]}{tasks[0]} to {texts[1]}{tasks[1]}"
    return _cut(f"{moved.metric}/{moved.variant}", _WIDTH - _LABEL - len(change)) + change


def _holders(moved: "MaximumChange") -> tuple[str | None, str | None]:
    """Name the tasks that hold the two maxima; a task that holds both only once."""
    if moved.task_id_before == moved.task_id_after:
        return None, moved.task_id_after
    return moved.task_id_before, moved.task_id_after


def _task(task: "TaskChange") -> str:
    start = f"{task.change:<8}  {task.task_id[:8]}  {_cut(task.task or '', _NAME_WIDTH)}: "
    return start + _cut(", ".join(_changes(task)), _WIDTH - len(start))


def _changes(task: "TaskChange") -> Iterator[str]:
    """List what changed in a task, most important first; columns that follow are left out."""
    described = list(_described(task))
    hidden = _DESCRIBED_OTHERWISE | _FOLLOWING
    columns = [name for name in task.columns_changed if name not in hidden]
    yield from described
    yield from columns if described or columns else task.columns_changed


def _described(task: "TaskChange") -> Iterator[str]:
    if task.change == "changed" and task.state_before != task.state_after:
        yield _STATES.get(task.state_after or "", f"now {task.state_after}")
    if task.change == "new" and task.state_after != "complete":
        yield task.state_after or ""
    if "metric_filter" in task.columns_changed:
        yield "other metric filter"
    counts = [(task.n_new, "+{:,}"), (task.n_gone, "-{:,}"), (task.n_changed, "{:,} changed")]
    points = ", ".join(form.format(number) for number, form in counts if number)
    if points or task.change != "changed":
        yield f"points {points}" if points else "no points"


def _cut(text: str, width: int) -> str:
    return cut(text, max(width, _LEAST_WIDTH))
