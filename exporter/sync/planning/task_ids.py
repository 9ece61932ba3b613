"""Finds the ids of tasks that were typed as an address, the beginning of an id, or a name."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.listing import list_tasks
from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.names import (
    DescribedTask,
    canonical,
    exact_pattern,
    several_tasks,
)
from clearml_snapshot.exporter.selection.selection import is_id
from clearml_snapshot.exporter.selection.task_address import ids_in_address
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.settings import setting

_NAMES_A_CALL: Final = 100
"""Names in one request."""


def find_task_ids(
    api: Client, texts: Iterable[str], stored_ids: Collection[str], progress: Progress
) -> tuple[str, ...]:
    """Find the ids of tasks; only names are looked up on the server.

    Args:
        api: the server.
        texts: ids, beginnings of stored ids, exact names or addresses.
        stored_ids: the ids of the tasks in the dataset.
        progress: is told about the listing.

    Raises:
        NoSuchNameError: neither a stored id nor a task on the server.
        UsageError: several tasks, or an address that is not that of a task.
    """
    ids: list[str] = []
    others: list[str] = []
    for text in texts:
        addressed = ids_in_address(text)
        if addressed is not None:
            ids += addressed
        elif is_id(text) or text in stored_ids:
            ids.append(text)
        else:
            others.append(text)
    named = _tasks_by_name(api, others, progress)
    ids += [_only_id(text, named.get(canonical(text), ()), stored_ids) for text in others]
    return tuple(dict.fromkeys(ids))


def _tasks_by_name(api: Client, names: Sequence[str], progress: Progress) -> dict[str, list[Task]]:
    """List the tasks of exact names, also hidden ones."""
    tasks: dict[str, list[Task]] = {}
    for at in range(0, len(names), _NAMES_A_CALL):
        group = exact_pattern(names[at : at + _NAMES_A_CALL])
        named = ResolvedFilter(name_pattern=group, hidden=True)
        for task in list_tasks(api, named, progress).tasks:
            tasks.setdefault(canonical(task.name), []).append(task)
    return tasks


def _only_id(text: str, named: Sequence[Task], stored_ids: Iterable[str]) -> str:
    """Return the id of the only task that a text can mean."""
    begun = (key for key in stored_ids if text and key.startswith(text.lower()))
    described = {task.task_id: _described(task) for task in named}
    matching_ids = list(dict.fromkeys([*described, *begun]))
    if not matching_ids:
        raise NoSuchNameError(
            f"no task {text!r}: no stored id begins like this, and no task on the server has this "
            "name; give all 32 digits of the id, the exact name or the task's address"
        )
    if len(matching_ids) > 1:
        matching = [described.get(task_id, DescribedTask(task_id)) for task_id in matching_ids]
        raise UsageError(
            f"{several_tasks(text, matching)}; give one of these ids, or use "
            f"{setting('task_names')} for all tasks of a name"
        )
    return matching_ids[0]


def _described(task: Task) -> DescribedTask:
    day = None if task.created is None else f"{task.created:%Y-%m-%d}"
    return DescribedTask(task.task_id, day, task.user, task.project)
