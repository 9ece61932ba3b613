"""Which tasks a server has: the filter as a request, scrolled to its end, and checked again."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from clearml_snapshot.exporter.api import Api
from clearml_snapshot.exporter.errors import RefusedError, ServerError
from clearml_snapshot.exporter.events import clean_text
from clearml_snapshot.exporter.filters import Names, ResolvedFilter, TaskFilter
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.redact import Redactor
from clearml_snapshot.exporter.tasks import (
    HEAVY_FIELDS,
    LIGHT_FIELDS,
    Task,
    TaskDetails,
    read_details,
    read_task,
)

_PAGE: Final = 1_000
_IDS_PAGE: Final = 10_000
_USERS_PAGE: Final = 500
_DETAILS_PAGE: Final = 100
_RESTARTS: Final = 3
_FILTERS_SINCE: Final = (2, 27)
"""API version from which ``filters`` is understood; older servers ignore it in silence."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Listing:
    """The tasks that a filter found."""

    tasks: tuple[Task, ...]
    left_out: tuple[str, ...] = ()
    """What the filter left out, and the option that brings it."""


def read_names(api: Api, asked: TaskFilter, user_id: str) -> Names:
    """Read from the server what the filter's names can mean, and nothing more."""
    projects = _project_names(api) if asked.projects else {}
    users = _user_names(api) if set(asked.users) - {"me"} else {}
    wanted_tags = {*asked.tags, *asked.any_tags, *asked.exclude_tags}
    tags = set(api.get("organization.get_tags").get("tags") or ()) if wanted_tags else set()
    tags |= {tag for tag in wanted_tags - tags if _tag_exists(api, tag)}
    return Names(projects=projects, users=users, tags=tags, me=user_id)


def list_tasks(api: Api, asked: ResolvedFilter, progress: Progress) -> Listing:
    """List the tasks that a filter means.

    Raises:
        ServerError: the server is gone, or keeps forgetting where the listing was.
    """
    body = request_body(asked, api.version)
    found: dict[str, Task] = {}
    more = False
    for entry in scroll(api, "tasks", body, LIGHT_FIELDS, _page_size(asked)):
        task = read_task(entry)
        if task.task_id in found or not matches(task, asked):
            continue
        if asked.limit is not None and len(found) == asked.limit:
            more = True
            break
        found[task.task_id] = task
        if len(found) % _PAGE == 0:
            progress.listing(len(found))
    return Listing(tuple(found.values()), tuple(_left_out(api, asked, body, more)))


def read_all_details(
    api: Api, task_ids: Sequence[str], redactor: Redactor, *, with_params: bool
) -> Iterator[tuple[str, TaskDetails]]:
    """Read the heavy fields of some tasks, a hundred a request."""
    for at in range(0, len(task_ids), _DETAILS_PAGE):
        data = api.get(
            "tasks.get_all_ex",
            id=list(task_ids[at : at + _DETAILS_PAGE]),
            only_fields=list(HEAVY_FIELDS),
            search_hidden=True,
            page=0,
            page_size=_DETAILS_PAGE,
        )
        for entry in data["tasks"]:
            yield str(entry["id"]), read_details(entry, redactor, with_params=with_params)


def count_visible(api: Api) -> tuple[int, int]:
    """Count the projects and the tasks that the user can see, hidden ones aside."""
    projects = sum(1 for _ in scroll(api, "projects", {}, ("id",), _IDS_PAGE))
    tasks = sum(1 for _ in scroll(api, "tasks", {}, ("id",), _IDS_PAGE))
    return projects, tasks


def request_body(asked: ResolvedFilter, version: tuple[int, ...]) -> dict[str, Any]:
    """Make of a filter what the server can filter by; ``matches`` sees to the rest."""
    body: dict[str, Any] = {
        "project": sorted(asked.project_ids or ()),
        "id": sorted(asked.task_ids or ()),
        "name": asked.name_pattern or asked.name_regex,
        "status": sorted(asked.statuses or ()),
        "type": sorted(asked.types or ()),
        "user": sorted(asked.user_ids or ()),
        "system_tags": {"include": [], "exclude": ["-archived"], "only": ["archived"]}[
            asked.archived
        ],
        "created": _range(asked.created_after, asked.created_before),
        "last_update": _bounds(asked.updated_after, asked.updated_before),
        "search_hidden": asked.hidden,
        "order_by": ["-created"] if asked.order == "newest" else ["created"],
    }
    if version >= _FILTERS_SINCE and (asked.tags or asked.any_tags or asked.exclude_tags):
        # The older form cannot say a tag that begins with "-".
        every = {"include": list(asked.tags), "exclude": list(asked.exclude_tags)}
        body["filters"] = {"tags": {"all": every, "any": {"include": list(asked.any_tags)}}}
    elif asked.tags:
        body["tags"] = ["__$all", *asked.tags]
    return {name: wanted for name, wanted in body.items() if wanted not in (None, [])}


def matches(task: Task, asked: ResolvedFilter) -> bool:
    """Tell whether a task that came was asked for: the server ignores what it does not know."""
    tags = set(task.tags)
    checks = (
        asked.project_ids is None or task.project_id in asked.project_ids,
        asked.task_ids is None or task.task_id in asked.task_ids,
        asked.name_pattern is None or re.search(asked.name_pattern, task.name),
        not (asked.name_pattern and asked.name_regex) or re.search(asked.name_regex, task.name),
        asked.statuses is None or task.status in asked.statuses,
        asked.types is None or task.type in asked.types,
        asked.user_ids is None or task.user_id in asked.user_ids,
        tags.issuperset(asked.tags),
        not asked.any_tags or not tags.isdisjoint(asked.any_tags),
        tags.isdisjoint(asked.exclude_tags),
        _is_within(task.created, asked.created_after, asked.created_before),
        _is_within(task.last_update, asked.updated_after, asked.updated_before),
        asked.archived == "include" or task.archived == (asked.archived == "only"),
        asked.hidden or not task.hidden or asked.task_ids is not None,
    )
    return all(checks)


def scroll(
    api: Api, entity: str, body: Mapping[str, Any], only: Sequence[str], size: int
) -> Iterator[dict[str, Any]]:
    """Give every entry of a listing; one that the server began anew is read again from its start.

    A server that forgot its scroll answers as if nothing had happened, with the first page under
    another id, so entries can come twice.
    """
    for _ in range(_RESTARTS):
        scroll_id = None
        while True:
            asked = {**body, "only_fields": list(only), "size": size, "scroll_id": scroll_id}
            data = api.get(f"{entity}.get_all_ex", **asked)
            if scroll_id is not None and data.get("scroll_id") != scroll_id:
                break
            scroll_id = data.get("scroll_id")
            yield from data[entity]
            if not data[entity] or scroll_id is None:
                return
    raise ServerError(
        f"{api.host} lost the place in its list of {entity} {_RESTARTS} times; try again later"
    )


def _project_names(api: Api) -> dict[str, str]:
    entries = scroll(api, "projects", {"search_hidden": True}, ("id", "name"), _IDS_PAGE)
    return {str(entry["id"]): clean_text(str(entry.get("name") or "")) for entry in entries}


def _user_names(api: Api) -> dict[str, str]:
    """Page through the users, which know no scroll; the server cuts pages at 500."""
    names: dict[str, str] = {}
    for page in itertools.count():
        data = api.get(
            "users.get_all_ex", only_fields=["id", "name"], page=page, page_size=_USERS_PAGE
        )
        if not data["users"]:
            return names
        names.update((str(user["id"]), str(user.get("name") or "")) for user in data["users"])
    raise AssertionError("unreachable")


def _tag_exists(api: Api, tag: str) -> bool:
    """Look for a tag that the server's list of tags lacks, as it may on archived tasks."""
    filters = {"tags": {"all": {"include": [tag]}}}
    data = api.get(
        "tasks.get_all_ex",
        filters=filters,
        search_hidden=True,
        only_fields=["id", "tags"],
        page=0,
        page_size=1,
    )
    return any(tag in (entry.get("tags") or ()) for entry in data["tasks"])


def _left_out(
    api: Api, asked: ResolvedFilter, body: Mapping[str, Any], more: bool
) -> Iterator[str]:
    if more:
        yield f"tasks beyond the {asked.order} {asked.limit}: --limit"
    if asked.archived == "exclude":
        yield "archived tasks: --archived include"
    if asked.hidden or asked.task_ids is not None or asked.archived == "only":
        return
    probe = {**body, "search_hidden": True, "system_tags": ["hidden"]}
    try:
        data = api.get("tasks.get_all_ex", **probe, only_fields=["id"], page=0, page_size=1)
    except RefusedError:
        return
    if data["tasks"]:
        yield "hidden tasks (behind datasets, pipelines, reports): --hidden include"


def _page_size(asked: ResolvedFilter) -> int:
    return min(asked.limit + 1, _PAGE) if asked.limit else _PAGE


def _range(after: datetime | None, before: datetime | None) -> list[str | None] | None:
    """Write ``created`` as the server takes it: both ends, the open one as null."""
    if after is None and before is None:
        return None
    return [_whole_second(after), _whole_second(before + _SECOND if before else None)]


def _bounds(after: datetime | None, before: datetime | None) -> list[str]:
    """Write ``last_update`` as the server takes it: operators in front."""
    bounds = []
    if after is not None:
        bounds.append(f">={_whole_second(after)}")
    if before is not None:
        bounds.append(f"<{_whole_second(before + _SECOND)}")
    return bounds


def _whole_second(moment: datetime | None) -> str | None:
    """Round down; the exact bound is checked on what comes."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment else None


def _is_within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if moment is None:
        return after is None and before is None
    return (after is None or moment >= after) and (before is None or moment < before)
