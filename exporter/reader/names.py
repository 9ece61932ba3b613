"""Reads the names that a filter can refer to: projects, users and tags."""

from collections.abc import Sequence
from typing import Any, Final

from clearml_snapshot.exporter.client.answers import NamedEntry, Tags, TaskTypes, judge, reader
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.paging import ask_entries, list_at_once, list_in_passes
from clearml_snapshot.exporter.reader.tasks import read_task
from clearml_snapshot.exporter.selection.filter_names import TYPES
from clearml_snapshot.exporter.selection.names import Names, forms, is_glob
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

_FILTERS_SINCE: Final = (2, 27)
"""API version from which ``filters`` is understood; older servers silently ignore it
(docs/clearml-server.md, "Older servers")."""


def read_names(api: Client, task_filter: TaskFilter, user_id: str) -> Names:
    """Read the names of those kinds that the filter uses, and no others."""
    projects = _project_names(api) if task_filter.projects else {}
    users = _user_names(api) if set(task_filter.users) - {"me"} else {}
    tags_in_filter = {*task_filter.tags, *task_filter.any_tags, *task_filter.exclude_tags}
    tags = _tag_names(api) if tags_in_filter else set()
    unlisted = {form for tag in tags_in_filter - tags if not is_glob(tag) for form in forms(tag)}
    tags |= {tag for tag in unlisted - tags if _tag_exists(api, tag)}
    tags |= {tag for tag in tags_in_filter - tags if is_glob(tag) and _tag_exists(api, tag)}
    types = _task_types(api) if {text.casefold() for text in task_filter.types} - {*TYPES} else ()
    return Names(projects, users, tags, user_id, types, has_all_tags=False)


def tag_filter(
    version: tuple[int, ...],
    every: Sequence[str],
    any_of: Sequence[str] = (),
    none_of: Sequence[str] = (),
) -> dict[str, Any]:
    """Filter by tags; the older form supports one of the three, and no tag that begins with "-"."""
    if version >= _FILTERS_SINCE and (every or any_of or none_of):
        sides = {"include": list(every), "exclude": list(none_of)}
        return {"filters": {"tags": {"all": sides, "any": {"include": list(any_of)}}}}
    if every and not any(tag.startswith(("-", "__$")) for tag in every):
        return {"tags": ["__$all", *every]}
    return {}


def _project_names(api: Client) -> dict[str, str]:
    entries = list_at_once(api, "projects", {"search_hidden": True}, ("id", "name"))
    return dict(map(_named, entries))


def _user_names(api: Client) -> dict[str, str]:
    entries = list_in_passes(api, "users", ("id", "name"))
    return dict(map(_named, entries))


def _named(written: object) -> tuple[str, str]:
    entry = judge(written, NamedEntry).entry
    assert entry is not None, "an entry without an id is left out by paging"
    return entry.id, entry.name or ""


def _tag_names(api: Client) -> set[str]:
    return set(api.call("organization.get_tags", {}, reader(Tags)).tags or ())


def _task_types(api: Client) -> list[str]:
    """List the types that tasks have; a server that refuses this leaves those that all know."""
    try:
        return api.call("tasks.get_types", {}, reader(TaskTypes)).types or []
    except RefusedError:
        return []


def _tag_exists(api: Client, tag: str) -> bool:
    """Look for a tag that is missing from the server's list, as those of archived tasks may be."""
    body = {
        **tag_filter(api.version, (tag,)),
        "search_hidden": True,
        "page": 0,
        "page_size": 1,
    }
    entries = ask_entries(api, "tasks", body, ("id", "tags")).entries
    return any(tag in read_task(entry).tags for entry in entries)
