"""Finds the ids of tasks that were typed as an address, the beginning of an id, or a name."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.listing import list_tasks
from clearml_snapshot.exporter.selection.names import canonical, exact_pattern
from clearml_snapshot.exporter.selection.selection import is_id
from clearml_snapshot.exporter.selection.task_address import ids_in_address
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.settings import setting

_NAMES_A_CALL: Final = 100
"""Names in one request."""
_LISTED: Final = 5
"""Ids that an error lists."""


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
    ids_of = _ids_by_name(api, others, progress)
    ids += [_only_id(text, ids_of.get(canonical(text), ()), stored_ids) for text in others]
    return tuple(dict.fromkeys(ids))


def _ids_by_name(api: Client, names: Sequence[str], progress: Progress) -> dict[str, list[str]]:
    """List the tasks of exact names, also hidden ones."""
    ids: dict[str, list[str]] = {}
    for at in range(0, len(names), _NAMES_A_CALL):
        group = exact_pattern(names[at : at + _NAMES_A_CALL])
        named = ResolvedFilter(name_pattern=group, hidden=True)
        for task in list_tasks(api, named, progress).tasks:
            ids.setdefault(canonical(task.name), []).append(task.task_id)
    return ids


def _only_id(text: str, named_ids: Sequence[str], stored_ids: Iterable[str]) -> str:
    """Return the id of the only task that a text can mean."""
    begun = (key for key in stored_ids if text and key.startswith(text.lower()))
    matching_ids = list(dict.fromkeys([*named_ids, *begun]))
    if not matching_ids:
        raise NoSuchNameError(
            f"no task {text!r}: no stored id begins like this, and no task on the server has this "
            "name; give all 32 digits of the id, the exact name or the task's address"
        )
    if len(matching_ids) > 1:
        listed = ", ".join(matching_ids[:_LISTED]) + " …" * (len(matching_ids) > _LISTED)
        raise UsageError(
            f"task {text!r} matches several tasks: {listed}; give more digits of the id, or use "
            f"{setting('task_names')} for all tasks of a name"
        )
    return matching_ids[0]
