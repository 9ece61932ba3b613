"""Lists tasks: sends the filter, reads all pages, and checks every result again.

The server ignores filters that it does not know (docs/clearml-server.md, "Listing tasks").
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.names import tag_filter
from clearml_snapshot.exporter.reader.paging import (
    PAGE,
    ask_entries,
    list_at_once,
    list_in_groups,
    read_by_id,
)
from clearml_snapshot.exporter.reader.tasks import (
    HEAVY_FIELDS,
    LIGHT_FIELDS,
    Task,
    TaskDetails,
    read_details,
    read_task,
)
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.selection.names import glob_around, names_pattern
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.settings import setting

_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Listing:
    """The tasks that a filter found."""

    tasks: tuple[Task, ...]
    left_out: tuple[str, ...] = ()
    """What the filter does not include, and the option that includes it."""


def list_tasks(api: Client, resolved: ResolvedFilter, progress: Progress) -> Listing:
    """List the tasks that match a filter, in its order.

    Raises:
        RefusedError, ServerError: as ``Client.call`` does.
    """
    body = request_body(resolved, api.version)
    needs_all = resolved.limit is None or resolved.order == "archived-first"
    tasks: list[Task] = []
    first = PAGE if needs_all else min((resolved.limit or 0) + 1, PAGE)
    entries = list_in_groups(api, "tasks", body, LIGHT_FIELDS, first)
    for task in map(read_task, entries):
        if not matches(task, resolved):
            continue
        tasks.append(task)
        if len(tasks) % PAGE == 0:
            progress.listing(len(tasks))
        if not needs_all and len(tasks) > (resolved.limit or 0):
            break
    if resolved.order != "newest":
        tasks.sort(key=_age)
    if resolved.order == "archived-first":
        tasks.sort(key=lambda task: not task.archived)
    more = resolved.limit is not None and len(tasks) > resolved.limit
    left_out = tuple(_left_out(api, resolved, body, more))
    if not tasks:
        left_out += tuple(_similar(api, resolved))
    return Listing(tuple(tasks[: resolved.limit]), left_out)


def list_by_id(api: Client, task_ids: Sequence[str]) -> Iterator[Task]:
    """List tasks by their ids, including hidden and archived ones; missing ones are left out."""
    return map(read_task, read_by_id(api, "tasks", list(dict.fromkeys(task_ids)), LIGHT_FIELDS))


def read_all_details(
    api: Client, task_ids: Sequence[str], redactor: Redactor, *, with_params: bool
) -> Iterator[tuple[str, TaskDetails]]:
    """Read the heavy fields of at most 500 tasks, in one request."""
    ids = list(task_ids)
    body = {"id": ids, "search_hidden": True, "page": 0, "page_size": len(ids)}
    for entry in ask_entries(api, "tasks", body, HEAVY_FIELDS).entries:
        yield entry["id"], read_details(entry, redactor, with_params=with_params)


def read_params(api: Client, task_ids: Sequence[str]) -> Iterator[tuple[str, TaskDetails]]:
    """Read the hyperparameters of at most 500 tasks, in one request."""
    ids = list(task_ids)
    body = {"id": ids, "search_hidden": True, "page": 0, "page_size": len(ids)}
    for entry in ask_entries(api, "tasks", body, ("id", "hyperparams")).entries:
        yield entry["id"], read_details(entry, Redactor())


def count_visible(api: Client) -> tuple[int, int]:
    """Count the projects and tasks that the user can see, except hidden ones."""
    projects = list_at_once(api, "projects", {}, ("id",))
    tasks = list_at_once(api, "tasks", {}, ("id",))
    return len(projects), len(tasks)


def request_body(resolved: ResolvedFilter, version: tuple[int, ...]) -> dict[str, Any]:
    """Convert a filter as far as the server supports it; ``matches`` checks the rest."""
    body: dict[str, Any] = {
        "project": sorted(resolved.project_ids or ()),
        "id": sorted(resolved.task_ids or ()),
        "name": resolved.name_pattern or resolved.name_regex,
        "status": sorted(resolved.statuses or ()),
        "type": sorted(resolved.types or ()),
        "user": sorted(resolved.user_ids or ()),
        "system_tags": {"include": [], "exclude": ["-archived"], "only": ["archived"]}[
            resolved.archived
        ],
        "created": _range(resolved.created_after, resolved.created_before),
        "last_update": _bounds(resolved.updated_after, resolved.updated_before),
        "search_hidden": resolved.hidden,
        "order_by": ["-created"] if resolved.order == "newest" else ["created"],
    }
    any_tags = () if resolved.any_tag_patterns else resolved.any_tags  # joined with OR
    body |= tag_filter(version, resolved.tags, any_tags, resolved.exclude_tags)
    return {name: value for name, value in body.items() if value not in (None, [])}


def matches(task: Task, resolved: ResolvedFilter) -> bool:
    """Return whether a task matches the filter: the server ignores fields that it does not know."""
    tags = set(task.tags)
    checks = (
        resolved.project_ids is None or task.project_id in resolved.project_ids,
        resolved.task_ids is None or task.task_id in resolved.task_ids,
        resolved.name_pattern is None or re.search(resolved.name_pattern, task.name),
        not (resolved.name_pattern and resolved.name_regex)
        or re.search(resolved.name_regex, task.name),
        *(_matches_any(pattern, tags) for pattern in resolved.tag_patterns),
        resolved.statuses is None or task.status in resolved.statuses,
        resolved.types is None or task.type in resolved.types,
        resolved.user_ids is None or task.user_id in resolved.user_ids,
        tags.issuperset(resolved.tags),
        _has_any(tags, resolved.any_tags, resolved.any_tag_patterns, default=True),
        not _has_any(tags, resolved.exclude_tags, resolved.exclude_tag_patterns, default=False),
        _is_within(task.created, resolved.created_after, resolved.created_before),
        _is_within(task.last_update, resolved.updated_after, resolved.updated_before),
        resolved.archived == "include" or task.archived == (resolved.archived == "only"),
        resolved.hidden or not task.hidden or resolved.task_ids is not None,
    )
    return all(checks)


def _has_any(
    tags: set[str], names: Sequence[str], patterns: Sequence[str], *, default: bool
) -> bool:
    """Return whether a task has one of these tags; ``default`` if there are none."""
    if not names and not patterns:
        return default
    return not tags.isdisjoint(names) or any(_matches_any(pattern, tags) for pattern in patterns)


def _matches_any(pattern: str, tags: set[str]) -> bool:
    return any(re.search(pattern, tag) for tag in tags)


def beyond_limit(resolved: ResolvedFilter) -> str:
    """Describe the tasks that the limit leaves out."""
    return f"tasks beyond the {resolved.order} {resolved.limit}: {setting('limit')}"


def _left_out(
    api: Client, resolved: ResolvedFilter, body: Mapping[str, Any], more: bool
) -> Iterator[str]:
    if more:
        yield beyond_limit(resolved)
    if resolved.archived == "exclude":
        yield f"archived tasks: {setting('archived', 'include')}"
    if resolved.hidden or resolved.task_ids is not None or resolved.archived == "only":
        return
    hidden = {"search_hidden": True, "system_tags": ["hidden"], "page": 0, "page_size": 1}
    try:
        answer = ask_entries(api, "tasks", {**body, **hidden}, ("id",))
    except RefusedError:
        return
    if answer.received:
        yield f"hidden tasks (behind datasets, pipelines, reports): {setting('hidden', True)}"


def _similar(api: Client, resolved: ResolvedFilter) -> Iterator[str]:
    """Yield a glob for each name that no task has and some contain: a name matches as a whole."""
    for glob in filter(None, map(glob_around, resolved.task_names)):
        pattern = names_pattern([glob])
        wider = replace(resolved, name_pattern=pattern, task_names=(), limit=None)
        found = list_tasks(api, wider, Progress()).tasks
        if found:
            wider_name = setting("task_names", glob, typed=shlex.quote(glob))
            yield f"{len(found):,} tasks whose name contains it: {wider_name}"


def _age(task: Task) -> tuple[datetime, str]:
    return task.created or _LATEST, task.task_id


def _range(after: datetime | None, before: datetime | None) -> list[str | None] | None:
    """Write ``created`` as the server expects it: both ends, an open one as null."""
    if after is None and before is None:
        return None
    return [_whole_second(after), _whole_second(_rounded_up(before)) if before else None]


def _bounds(after: datetime | None, before: datetime | None) -> list[str]:
    """Write ``last_update`` as the server expects it: with operators."""
    bounds = []
    if after is not None:
        bounds.append(f">={_whole_second(after)}")
    if before is not None:
        bounds.append(f"<{_whole_second(_rounded_up(before))}")
    return bounds


def _whole_second(moment: datetime | None) -> str | None:
    """Round down to a second; the exact bound is checked on the results."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat() if moment else None


def _rounded_up(moment: datetime) -> datetime:
    return min(moment, _LATEST - _SECOND) + _SECOND


def _is_within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if moment is None:
        return after is None and before is None
    return (after is None or moment >= after) and (before is None or moment < before)
