"""Formats the status of a dataset for the terminal."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.text import cut, moment
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.spans import span_in_words
from clearml_snapshot.exporter.store.format.retention import Retention

if TYPE_CHECKING:
    from clearml_snapshot.exporter.selection.remembered import ListedSelection
    from clearml_snapshot.queries.status.status import ProblemTask, Status

_LABEL: Final = 12
_NAME_WIDTH: Final = 24
_REASON_WIDTH: Final = 32
"""The line of a task with problems fits in 80 columns."""


def page_lines(
    status: "Status", selections: "tuple[ListedSelection, ...]", data: Path | str
) -> Iterator[str]:
    """Describe a snapshot in lines of about 80 columns; the last is the folder to copy."""
    yield from _origin(status, data)
    yield from _contents(status)
    yield f"exports     {_exports(status)}"
    if status.last_export is not None and status.last_export.error:
        yield f"error       {status.last_export.error}"
    yield from _labelled("warnings", status.warnings)
    if status.packed is None:
        yield f"kept        {Retention.parse(status.keep)}"
    if status.readable_by is not None:
        yield f"readable by {status.readable_by}"
    yield from _labelled("selections", map(_selection, selections))
    if not selections:
        yield "selections  none remembered"
    yield from map(_problem, status.problem_tasks)
    more = status.problems - len(status.problem_tasks)
    if more:
        yield f"… and {more:,} more (SELECT * FROM tasks WHERE state <> 'complete')"
    yield f"the {_kind(status.root)} to copy: {status.root}"


def _kind(root: "Path | str") -> str:
    if isinstance(root, str):
        return "dataset"
    return "file" if root.is_file() else "folder"


def _origin(status: "Status", data: Path | str) -> Iterator[str]:
    age = span_in_words(timedelta(seconds=status.age))
    yield f"dataset     {data}"
    yield f"snapshot    {status.number}, {moment(status.created_at)} ({age} old)"
    if status.packed is not None:
        yield f"packed      {status.packed.selection}; metrics: {status.packed.metrics}"
        yield from _labelled("omitted", status.packed.taken_out)
    version = f" (ClearML {status.server_version})" if status.server_version else ""
    yield f"server      {status.server or 'unknown'}{version}"


def _contents(status: "Status") -> Iterator[str]:
    yield f"tasks       {status.tasks:,} in {counted(status.projects, 'project')}{_states(status)}"
    yield (
        f"            including {status.running:,} running, {status.archived:,} archived, "
        f"{status.no_longer_selected:,} no longer selected"
    )
    if status.gone_as_listed:
        listed = counted(status.gone_as_listed, "task")
        yield f"            {listed} gone as expected (previously listed by safe-to-delete)"
    if status.no_longer_selected:
        yield "            tasks no longer selected are as of their fetched_at, not of today"
    share = (
        f", {status.monitor_points / status.points:.0%} of them :monitor:" if status.points else ""
    )
    yield f"points      {status.points:,} in {status.series:,} series{share}"
    yield f"on disk     {size_in_words(status.bytes)}"


def _labelled(label: str, texts: "Iterator[str] | tuple[str, ...] | list[str]") -> Iterator[str]:
    for number, text in enumerate(texts):
        yield f"{'' if number else label:<{_LABEL}}{text}"


def _states(status: "Status") -> str:
    if not status.tasks:
        return ""
    return ": " + ", ".join(f"{count:,} {state}" for state, count in status.states.items())


def _exports(status: "Status") -> str:
    last = status.last_export
    if last is None:
        return f"{status.exports:,}"
    result = last.result if last.finished is not None else f"{last.result} (not ended)"
    user = f" by {last.user}" if last.user else ""
    return f"{status.exports:,}; the last one started {moment(last.started)}{user}: {result}"


def _selection(listed: "ListedSelection") -> str:
    matched = "" if listed.matched is None else f"  ({counted(listed.matched, 'task')})"
    return f"{listed.number}  {listed.selection}{matched}"


def _problem(task: "ProblemTask") -> str:
    name, reason = cut(task.name or "", _NAME_WIDTH), cut(task.reason or "", _REASON_WIDTH)
    return f"{task.state:<8}  {task.task_id[:8]}  {name}: {reason}"
