"""Which tasks a server has: the filter as a request, scrolled to its end, and checked again."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clearml_snapshot.exporter.api import Api
from clearml_snapshot.exporter.errors import RefusedError, ServerError
from clearml_snapshot.exporter.events import clean_text
from clearml_snapshot.exporter.failures import decode_data
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
_RESTARTS: Final = 3
_FILTERS_SINCE: Final = (2, 27)
"""API version from which ``filters`` is understood; older servers ignore it in silence."""
_SECOND: Final = timedelta(seconds=1)
_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC) - _SECOND
_TASKS_A_CALL: Final = 500
_EVENTS_PAGE: Final = 10_000
_LISTED: Final = 8_000
"""Variants that the server lists in all, shared evenly among the metrics."""
FEW_TRIES: Final = 4
"""Of a request that the server answers with an error of its own, where we know another way."""
SERVER_ERROR: Final = 500
"""The HTTP status of what the server failed to foresee."""


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
    needs_all = asked.limit is None or asked.order == "archived-first"
    for entry in scroll(api, "tasks", body, LIGHT_FIELDS, _page_size(asked)):
        task = read_task(entry)
        if task.task_id in found or not matches(task, asked):
            continue
        found[task.task_id] = task
        if len(found) % _PAGE == 0:
            progress.listing(len(found))
        if not needs_all and len(found) > (asked.limit or 0):
            break
    tasks = list(found.values())
    if asked.order == "archived-first":
        tasks.sort(key=lambda task: not task.archived)
    more = asked.limit is not None and len(tasks) > asked.limit
    return Listing(tuple(tasks[: asked.limit]), tuple(_left_out(api, asked, body, more)))


def list_by_id(api: Api, task_ids: Sequence[str]) -> Iterator[Task]:
    """List tasks by their ids, hidden and archived ones too; what is not there does not come."""
    for at in range(0, len(task_ids), _PAGE):
        wanted = set(task_ids[at : at + _PAGE])
        body = {"id": sorted(wanted), "search_hidden": True, "order_by": ["id"]}
        for entry in scroll(api, "tasks", body, LIGHT_FIELDS, _PAGE):
            task = read_task(entry)
            if task.task_id in wanted:
                wanted.remove(task.task_id)
                yield task


def read_all_details(
    api: Api, task_ids: Sequence[str], redactor: Redactor, *, with_params: bool
) -> Iterator[tuple[str, TaskDetails]]:
    """Read the heavy fields of at most 500 tasks, in one request."""
    data = api.get(
        "tasks.get_all_ex",
        id=list(task_ids),
        only_fields=list(HEAVY_FIELDS),
        search_hidden=True,
        page=0,
        page_size=len(task_ids),
    )
    for entry in data["tasks"]:
        yield str(entry["id"]), read_details(entry, redactor, with_params=with_params)


def count_visible(api: Api) -> tuple[int, int]:
    """Count the projects and the tasks that the user can see, hidden ones aside."""
    projects = {str(one["id"]) for one in scroll(api, "projects", {}, ("id",), _IDS_PAGE)}
    tasks = {str(one["id"]) for one in scroll(api, "tasks", {}, ("id",), _IDS_PAGE)}
    return len(projects), len(tasks)


def list_series(
    api: Api, task_ids: Sequence[str], refused: dict[str, RefusedError] | None = None
) -> dict[str, set[str]]:
    """List the metrics and all their variants that some tasks have.

    The server cuts each list of variants at 8,000 divided by the number of metrics, so a group of
    tasks whose lists may be cut is halved, and one task's are read out of its points.

    Args:
        api: a server, logged in.
        task_ids: the tasks.
        refused: takes the tasks whose metrics the server cannot list; without it the first one of
            them is raised.

    Raises:
        RefusedError: the server cannot list the metrics of a task.
    """
    series: dict[str, set[str]] = {}
    groups = [task_ids[at : at + _TASKS_A_CALL] for at in range(0, len(task_ids), _TASKS_A_CALL)]
    while groups:
        group = groups.pop()
        found = listed_series(api, group, refused)
        cut = [name for name, names in found.items() if len(names) >= _LISTED // len(found)]
        if cut and len(group) > 1:
            groups += _halves(group)
            continue
        for metric in cut:
            found[metric] |= list_variants(api, group[0], metric)
        for metric, variants in found.items():
            series.setdefault(metric, set()).update(variants)
    return series


def listed_series(
    api: Api, task_ids: Sequence[str], refused: dict[str, RefusedError] | None = None
) -> dict[str, set[str]]:
    """List metrics and variants as the server does, long lists of variants cut.

    A task that was deleted meanwhile makes the server refuse its whole group, so the group is
    halved until only that task is left out.
    """
    series: dict[str, set[str]] = {}
    groups = [task_ids]
    while groups:
        group = groups.pop()
        body = {"tasks": list(group), "event_type": "training_stats_scalar"}
        try:
            data = api.call("events.get_multi_task_metrics", body, decode_data, FEW_TRIES)
        except RefusedError as error:
            if len(group) > 1:
                groups += _halves(group)
            elif error.status == SERVER_ERROR:
                _refuse(group[0], error, refused)
            continue
        for entry in data["metrics"]:
            series.setdefault(entry["metric"], set()).update(entry.get("variants") or ())
    return series


def _refuse(task_id: str, error: RefusedError, refused: dict[str, RefusedError] | None) -> None:
    said = RefusedError(
        f"task {task_id}: the server cannot list its metrics, of which it may have more than "
        f"{_LISTED} ({error})",
        status=error.status,
        subcode=error.subcode,
    )
    if refused is None:
        raise said from None
    refused[task_id] = said


def _halves(group: Sequence[str]) -> list[Sequence[str]]:
    half = len(group) // 2
    return [group[half:], group[:half]]


def list_variants(api: Api, task_id: str, metric: str) -> set[str]:
    """Name the variants of a metric: by wall time the server pages through any number of them."""
    names = set(listed_series(api, [task_id]).get(metric) or ())
    body: dict[str, Any] = {
        "task": task_id,
        "metric": {"metric": metric},
        "key": "timestamp",
        "batch_size": _EVENTS_PAGE,
        "count_total": True,
    }
    seen, total = 0, None
    while total is None or seen < total:
        try:
            data = api.call("events.scalar_metrics_iter_raw", body, decode_data, FEW_TRIES)
        except RefusedError as error:
            if error.status != SERVER_ERROR:
                raise
            return names  # an event without a value spoils this call; what is listed must do
        names.update(data.get("variants") or ())
        returned = data.get("returned") or 0
        total = int(data.get("total") or 0)
        if not returned:
            return names
        seen += returned
        body["scroll_id"] = data["scroll_id"]
    return names


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
    body |= _tag_filter(version, asked.tags, asked.any_tags, asked.exclude_tags)
    return {name: wanted for name, wanted in body.items() if wanted not in (None, [])}


def _tag_filter(
    version: tuple[int, ...],
    every: Sequence[str],
    any_of: Sequence[str] = (),
    none_of: Sequence[str] = (),
) -> dict[str, Any]:
    """Ask for tags; the older form can say one of the three, and no tag that begins with "-"."""
    if version >= _FILTERS_SINCE and (every or any_of or none_of):
        sides = {"include": list(every), "exclude": list(none_of)}
        return {"filters": {"tags": {"all": sides, "any": {"include": list(any_of)}}}}
    if every and not any(tag.startswith(("-", "__$")) for tag in every):
        return {"tags": ["__$all", *every]}
    return {}


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
    another id, so entries can come twice. They do as well when new ones push the rest along; a page
    that brings nothing else is the end, or a busy server's listing would never have one.
    """
    for _ in range(_RESTARTS):
        scroll_id = None
        known: set[str] = set()
        while True:
            asked = {**body, "only_fields": list(only), "size": size, "scroll_id": scroll_id}
            data = api.get(f"{entity}.get_all_ex", **asked)
            if scroll_id is not None and data.get("scroll_id") != scroll_id:
                break
            scroll_id = data.get("scroll_id")
            yield from data[entity]
            ids = {str(entry["id"]) for entry in data[entity]}
            if ids <= known or scroll_id is None:
                return
            known |= ids
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
    data = api.get(
        "tasks.get_all_ex",
        **_tag_filter(api.version, (tag,)),
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
    if asked.limit is None or asked.order == "archived-first":
        return _PAGE
    return min(asked.limit + 1, _PAGE)


def _range(after: datetime | None, before: datetime | None) -> list[str | None] | None:
    """Write ``created`` as the server takes it: both ends, the open one as null."""
    if after is None and before is None:
        return None
    return [_whole_second(after), _whole_second(_rounded_up(before)) if before else None]


def _bounds(after: datetime | None, before: datetime | None) -> list[str]:
    """Write ``last_update`` as the server takes it: operators in front."""
    bounds = []
    if after is not None:
        bounds.append(f">={_whole_second(after)}")
    if before is not None:
        bounds.append(f"<{_whole_second(_rounded_up(before))}")
    return bounds


def _whole_second(moment: datetime | None) -> str | None:
    """Round down; the exact bound is checked on what comes."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat() if moment else None


def _rounded_up(moment: datetime) -> datetime:
    return min(moment, _LAST_MOMENT) + _SECOND


def _is_within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if moment is None:
        return after is None and before is None
    return (after is None or moment >= after) and (before is None or moment < before)
