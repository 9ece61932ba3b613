"""What the names in a task filter mean: projects, tags, users, statuses and types. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.selection.names import (
    Names,
    is_glob,
    names_pattern,
    no_such,
    same_names,
)

STATUSES: Final = (
    "created",
    "queued",
    "in_progress",
    "stopped",
    "published",
    "publishing",
    "closed",
    "failed",
    "completed",
    "unknown",
)
UI_STATUSES: Final[Mapping[str, str]] = {
    "draft": "created",
    "pending": "queued",
    "running": "in_progress",
    "aborted": "stopped",
}
"""The web UI's names of statuses, and the server's."""

TYPES: Final = (
    "training",
    "testing",
    "inference",
    "data_processing",
    "application",
    "monitor",
    "controller",
    "optimizer",
    "service",
    "qc",
    "custom",
)


def has_tag(text: str, names: Names) -> bool:
    """Return whether a tag exists, in either Unicode form, or a glob matches one."""
    if text in names.tags:
        return True
    if is_glob(text) and not names.has_all_tags:
        return True
    pattern = re.compile(names_pattern([text]) or "")
    return any(pattern.search(tag) for tag in names.tags)


def find_tag(text: str, names: Names) -> tuple[str]:
    """Check that a tag exists, or that a glob matches one.

    Raises:
        NoSuchNameError: there is none.
    """
    if not has_tag(text, names):
        raise no_such("tag", text, names.tags, plural="tags")
    return (text,)


def tags_and_patterns(field: str, texts: Iterable[str], names: Names) -> dict[str, Any]:
    """Divide tags into those that exist as typed, and patterns of all others."""
    exact = tuple(text for text in texts if text in names.tags)
    others = (names_pattern([text]) or "" for text in texts if text not in names.tags)
    return {f"{field}s": exact, f"{field}_patterns": tuple(others)}


def find_projects(text: str, subprojects: bool, names: Names) -> set[str]:
    """Find the ids of a project by name, id or glob, and of its sub-projects.

    Raises:
        NoSuchNameError: there is none.
    """
    chosen = same_names(text, names.projects.values())
    if not chosen and text in names.projects:
        chosen = {names.projects[text]}
    if not chosen and is_glob(text):
        pattern = re.compile(names_pattern([text]) or "")
        chosen = {name for name in names.projects.values() if pattern.search(name)}
    if not chosen:
        raise no_such("project", text, names.projects.values(), plural="projects")
    return {
        project_id
        for project_id, name in names.projects.items()
        if name in chosen or (subprojects and _has_parent_in(name, chosen))
    }


def _has_parent_in(name: str, chosen: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:depth]) in chosen for depth in range(1, len(parts)))


def find_statuses(text: str) -> set[str]:
    """Find the server's status of a name, or those that a glob matches.

    Raises:
        NoSuchNameError: there is none.
    """
    word = text.casefold().replace(" ", "_")
    statuses = {name: name for name in STATUSES} | dict(UI_STATUSES)
    matching = {statuses[name] for name in _matching(word, statuses)}
    if not matching:
        raise no_such("status", text, statuses)
    return matching


def find_types(text: str, names: Names) -> set[str]:
    """Find a task type, or those that a glob matches.

    Raises:
        NoSuchNameError: there is none.
    """
    matching = _matching(text, names.types) or _matching(text.casefold(), TYPES)
    if not matching:
        raise no_such("task type", text, {*TYPES, *names.types})
    return matching | (_matching(text.casefold(), TYPES) if is_glob(text) else set())


def _matching(text: str, names: Collection[str]) -> set[str]:
    """Return a name, or all that a glob matches."""
    if text in names or not is_glob(text):
        return {text} & {*names}
    pattern = re.compile(names_pattern([text]) or "")
    return {name for name in names if pattern.search(name)}


def find_users(text: str, names: Names) -> set[str]:
    """Find the ids of the users of a name, of an id, or of ``me``.

    Raises:
        NoSuchNameError: there is none.
    """
    if text == "me" and names.me is not None:
        return {names.me}
    if text in names.users:
        return {text}
    same = same_names(text, names.users.values())
    user_ids = {user_id for user_id, name in names.users.items() if name in same}
    if not user_ids:
        raise no_such("user", text, (*names.users.values(), *names.users))
    return user_ids
