"""Every filter against a loop over all tasks."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from tests.support.listing import NAMES, NOW, PROJECTS, STATUSES, TAGS, TYPES, Lister, team

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
USER_FIELDS = {"created_after", "created_before", "updated_after", "updated_before"}
TYPED = tuple(name for name in NAMES if name)
"""An empty argument is a slip of the shell, and refused."""


def glob(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern)


def in_projects(database: Database, task: dict[str, Any], task_filter: TaskFilter) -> bool:
    """Return what a project argument selects, as the README describes it."""
    project_id = task.get("project")
    name = database.projects[project_id]["name"] if project_id else None
    for text in task_filter.projects:
        names = {doc["name"] for doc in database.projects.values()}
        if text in names:
            roots = {text}
        elif text in database.projects:
            roots = {database.projects[text]["name"]}
        else:
            roots = {project for project in names if glob(project, text)}
        below = task_filter.subprojects and any(str(name).startswith(f"{root}/") for root in roots)
        if name is not None and (name in roots or below):
            return True
    return not task_filter.projects


def brute(database: Database, task_filter: TaskFilter, times: dict[str, datetime]) -> list[str]:
    """Evaluate a filter over every task, one plain condition after the other."""
    matching = []
    words = {"draft": "created", "pending": "queued", "running": "in_progress"}
    users = {doc["name"]: key for key, doc in database.users.items()} | {"me": "__tests__"}
    for task in database.tasks.values():
        tags, system, name = set(task["tags"]), set(task["system_tags"]), task["name"]
        wanted_users = {users.get(text, text) for text in task_filter.users}
        conditions = [
            in_projects(database, task, task_filter),
            not task_filter.task_names
            or any(pattern == name or glob(name, pattern) for pattern in task_filter.task_names),
            task_filter.task_name_regex is None or re.search(task_filter.task_name_regex, name),
            not task_filter.task_ids or task["id"] in task_filter.task_ids,
            set(task_filter.tags) <= tags,
            not task_filter.any_tags or set(task_filter.any_tags) & tags,
            not set(task_filter.exclude_tags) & tags,
            not task_filter.statuses
            or task["status"] in {words.get(s, s) for s in task_filter.statuses},
            not task_filter.types or task["type"] in task_filter.types,
            not task_filter.users or task["user"] in wanted_users,
            "created_after" not in times or task["created"] >= times["created_after"],
            "created_before" not in times or task["created"] < times["created_before"],
            "updated_after" not in times or task["last_update"] >= times["updated_after"],
            "updated_before" not in times or task["last_update"] < times["updated_before"],
            task_filter.archived != "exclude" or "archived" not in system,
            task_filter.archived != "only" or "archived" in system,
            task_filter.hidden or task_filter.task_ids or "hidden" not in system,
        ]
        if all(conditions):
            matching.append(task)
    matching.sort(key=lambda task: task["created"], reverse=task_filter.order == "newest")
    return [task["id"] for task in matching][: task_filter.limit]


def some(values: tuple[str, ...], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    several = st.lists(st.sampled_from(values), max_size=most, unique=True).map(tuple)
    return st.just(()) | several


HOURS = st.none() | st.integers(0, 1_200)
FILTERS = st.builds(
    TaskFilter,
    projects=some((*PROJECTS, "v*", "vision/*", "*i*", "[Vv]ision", "?lp")),
    subprojects=st.booleans(),
    task_names=some((*TYPED, "training*", "*\n*", "[[]x]", "*\x00*", "?/?", "*" + "x" * 50 + "*")),
    task_name_regex=st.none() | st.sampled_from(["^train", "(?i)TRAIN", r"\d$", r"\n", "b|x"]),
    tags=some(TAGS),
    any_tags=some(TAGS),
    exclude_tags=some(TAGS),
    statuses=some((*STATUSES, "draft", "pending", "running"), 3),
    types=some(TYPES),
    users=some(("Ada", "Jun", "me", "__tests__")),
    archived=st.sampled_from(["include", "exclude", "only"]),
    hidden=st.booleans(),
    limit=st.none() | st.integers(1, 40),
    order=st.sampled_from(["newest", "oldest"]),
)


def test_every_filter_means_what_a_loop_over_all_tasks_means(take_home: TakeHome) -> None:
    database = team()
    lister = Lister(take_home(database))
    ids = tuple(database.tasks)

    @settings(
        max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(FILTERS, st.fixed_dictionaries(dict.fromkeys(sorted(USER_FIELDS), HOURS)), st.booleans())
    def check(task_filter: TaskFilter, ages: dict[str, int | None], by_id: bool) -> None:
        given_ages = {name: hours for name, hours in ages.items() if hours is not None}
        times = {name: NOW - timedelta(hours=hours) for name, hours in given_ages.items()}
        texts: dict[str, Any] = {name: f"{hours}h" for name, hours in given_ages.items()}
        task_filter = replace(task_filter, **texts, task_ids=ids[::3] if by_id else ())
        assert lister.ids(task_filter) == brute(database, task_filter, times)

    check()


SINGLE_FILTERS = [
    {},
    *({"projects": (name,)} for name in (*PROJECTS, "v*", "vision/*", "*on")),
    *({"projects": (name,), "subprojects": False} for name in ("vision", "v*")),
    *({"task_names": (name,)} for name in (*TYPED, "training*", "*\n*", "*[")),
    *({"task_name_regex": text} for text in ("^train", "(?i)train", r"\d$", "break$", "^$")),
    *({"tags": (tag,)} for tag in TAGS),
    *({"any_tags": (tag, "v2")} for tag in TAGS),
    *({"exclude_tags": (tag,)} for tag in TAGS),
    {"tags": ("gpu", "v2")},
    {"tags": ("gpu", "gpu")},
    *({"statuses": (word,)} for word in (*STATUSES, "draft", "Running", "in progress", "aborted")),
    *({"types": (word,)} for word in (*TYPES, "Training", "qc")),
    *({"users": (name,)} for name in ("Ada", "me", "__tests__")),
    *({"archived": word} for word in ("include", "exclude", "only")),
    {"hidden": True},
    {"limit": 7},
    {"limit": 1, "order": "oldest"},
]


@pytest.mark.parametrize("older", [False, True], ids=["now", "a server that knows no filters"])
def test_each_filter_alone(older: bool, take_home: TakeHome) -> None:
    database = team()
    lister = Lister(take_home(database))
    if older:
        lister.api._version = "2.23"
    for given_filter in SINGLE_FILTERS:
        task_filter = TaskFilter(**given_filter)  # type: ignore[arg-type]  # a table of many types
        plain = {"Running": "in_progress", "in progress": "in_progress", "aborted": "stopped"}
        meant = replace(
            task_filter,
            statuses=tuple(plain.get(word, word) for word in task_filter.statuses),
            types=tuple(word.lower() for word in task_filter.types),
        )
        assert lister.ids(task_filter) == brute(database, meant, {}), task_filter
    assert all("filters" not in body for body in lister.home.sent("tasks.get_all_ex")) == older
