"""A filter of tasks: as typed, and resolved against the names that exist. Pure, no I/O.

``export`` sends the result to the server and ``query`` binds it into SQL. The export checks every
received task against it again, because a ClearML server ignores a filter it does not understand.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Final, Literal

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import Names, is_glob, names_pattern, no_such
from clearml_snapshot.exporter.selection.times import parse_time

Archived = Literal["include", "exclude", "only"]
Order = Literal["newest", "oldest", "archived-first"]
Missing = Literal["raise", "drop"]

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


NARROW_NOTHING: Final = frozenset({"order", "subprojects"})
"""Fields of a filter that only say how others are meant."""


@dataclass(frozen=True)
class TaskFilter:
    """A filter as typed; fields are combined with AND, an empty one selects every task."""

    projects: tuple[str, ...] = ()
    """Names, globs or ids, joined with OR."""
    subprojects: bool = True
    """Whether a project includes its sub-projects."""
    task_names: tuple[str, ...] = ()
    """Names or globs, joined with OR."""
    task_name_regex: str | None = None
    """An unanchored regular expression, as the server takes it."""
    task_ids: tuple[str, ...] = ()
    """Complete ids; prefixes are resolved before."""
    tags: tuple[str, ...] = ()
    """All of them."""
    any_tags: tuple[str, ...] = ()
    """At least one of them."""
    exclude_tags: tuple[str, ...] = ()
    """None of them."""
    statuses: tuple[str, ...] = ()
    """Names of the server or of the web UI, joined with OR."""
    types: tuple[str, ...] = ()
    """Joined with OR."""
    users: tuple[str, ...] = ()
    """Names, ids or ``me``, joined with OR."""
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    archived: Archived = "include"
    hidden: bool = False
    """Whether hidden tasks are included."""
    limit: int | None = None
    order: Order = "newest"

    @property
    def given(self) -> frozenset[str]:
        """The names of the fields that differ from their defaults."""
        return frozenset(
            field.name for field in fields(self) if getattr(self, field.name) != field.default
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the tasks (an order alone narrows nothing)."""
        return self.given <= NARROW_NOTHING


@dataclass(frozen=True)
class ResolvedFilter:
    """A TaskFilter with ids, the server's status names and UTC times; None selects every task."""

    project_ids: frozenset[str] | None = None
    name_pattern: str | None = None
    """Anchored; the same in Python and on the server."""
    name_regex: str | None = None
    """The user's own, unanchored."""
    task_ids: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    any_tags: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    statuses: frozenset[str] | None = None
    types: frozenset[str] | None = None
    user_ids: frozenset[str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    archived: Archived = "include"
    hidden: bool = False
    limit: int | None = None
    order: Order = "newest"
    words: tuple[str, ...] = field(default=(), compare=False)
    """A description of each condition; they are joined with AND."""
    dropped: tuple[str, ...] = field(default=(), compare=False)
    """A sentence for each name that was left out because it does not exist."""

    def __str__(self) -> str:
        return " AND ".join(self.words) or "every task"


def resolve(
    typed: TaskFilter, names: Names, now: datetime, *, missing: Missing = "raise"
) -> ResolvedFilter:
    """Resolve what was typed against what exists.

    Args:
        typed: the filter, as typed.
        names: the projects, users and tags that exist.
        now: the moment from which ages such as ``7d`` count back, with a zone.
        missing: what to do with a project, user or tag that does not exist. ``drop`` leaves it out
            where the others still match something; ``dropped`` then has a sentence for each. An
            excluded tag that does not exist is left out silently.

    Raises:
        NoSuchNameError: a project, user, tag, status or type that does not exist; with ``drop``
            only if nothing can match: a required tag is missing, or all of several alternatives.
        UsageError: a time or a regular expression is invalid.
    """
    if "" in typed.task_names or typed.task_name_regex == "":
        raise UsageError("--task-name is empty; omit it, or use a name or a glob")
    tags = _resolved(typed.tags, lambda text: _tag(text, names), "raise")
    any_tags = _resolved(typed.any_tags, lambda text: _tag(text, names), missing)
    excluded = typed.exclude_tags
    if missing == "drop":
        excluded = tuple(tag for tag in excluded if tag in names.tags)
    excluded_tags = _resolved(excluded, lambda text: _tag(text, names), "raise")
    if typed.limit is not None and typed.limit < 1:
        raise UsageError(f"--limit {typed.limit}: use a number of at least 1")
    projects = _resolved(
        typed.projects, lambda text: _projects(text, typed.subprojects, names), missing
    )
    users = _resolved(typed.users, lambda text: _users(text, names), missing)
    kept = replace(
        typed,
        projects=projects.texts,
        users=users.texts,
        any_tags=any_tags.texts,
        exclude_tags=excluded_tags.texts,
    )
    resolved = ResolvedFilter(
        project_ids=projects.ids,
        name_pattern=names_pattern(typed.task_names),
        name_regex=_checked_regex(typed.task_name_regex),
        task_ids=frozenset(typed.task_ids) or None,
        tags=tags.texts,
        any_tags=any_tags.texts,
        exclude_tags=excluded_tags.texts,
        statuses=_resolved(typed.statuses, _status, "raise").ids,
        types=_resolved(typed.types, _type, "raise").ids,
        user_ids=users.ids,
        created_after=_time(typed.created_after, now, "--created-after"),
        created_before=_time(typed.created_before, now, "--created-before"),
        updated_after=_time(typed.updated_after, now, "--updated-after"),
        updated_before=_time(typed.updated_before, now, "--updated-before"),
        archived=typed.archived,
        hidden=typed.hidden,
        limit=typed.limit,
        order=typed.order,
        dropped=(*projects.dropped, *users.dropped, *any_tags.dropped),
    )
    return _with_words(resolved, kept)


def check_typed(typed: TaskFilter) -> None:
    """Check what does not depend on a server: times, statuses, types and patterns.

    Raises:
        NoSuchNameError: a status or type that does not exist.
        UsageError: a time or a regular expression is invalid.
    """
    nameless = replace(typed, projects=(), users=(), tags=(), any_tags=(), exclude_tags=())
    resolve(nameless, Names({}, {}, ()), datetime.now(UTC))


@dataclass(frozen=True)
class _Resolved:
    """The values of one field that exist, as typed and resolved."""

    texts: tuple[str, ...]
    ids: frozenset[str] | None
    """None if nothing was typed."""
    dropped: tuple[str, ...]
    """The error of each value that does not exist."""


def _resolved(
    texts: tuple[str, ...], find: Callable[[str], Iterable[str]], missing: Missing
) -> _Resolved:
    """Resolve the values of one field, which are joined with OR.

    Raises:
        NoSuchNameError: the first value that does not exist; with ``drop`` only if none exists.
    """
    ids_of: dict[str, frozenset[str]] = {}
    errors: dict[str, NoSuchNameError] = {}
    for text in texts:
        try:
            ids_of[text] = frozenset(find(text))
        except NoSuchNameError as error:
            if missing == "raise":
                raise
            errors[text] = error
    if errors and not ids_of:
        raise next(iter(errors.values()))
    ids = frozenset().union(*ids_of.values()) if texts else None
    return _Resolved(
        tuple(text for text in texts if text in ids_of), ids, tuple(map(str, errors.values()))
    )


def _tag(text: str, names: Names) -> tuple[str]:
    if text not in names.tags:
        raise no_such("tag", text, names.tags)
    return (text,)


def _projects(text: str, subprojects: bool, names: Names) -> set[str]:
    """Resolve one project argument: exact name, id, then glob; with its sub-projects."""
    chosen = {name for name in names.projects.values() if name == text}
    if not chosen and text in names.projects:
        chosen = {names.projects[text]}
    if not chosen and is_glob(text):
        pattern = re.compile(names_pattern([text]) or "")
        chosen = {name for name in names.projects.values() if pattern.search(name)}
    if not chosen:
        raise no_such("project", text, names.projects.values())
    return {
        project_id
        for project_id, name in names.projects.items()
        if name in chosen or (subprojects and _has_parent_in(name, chosen))
    }


def _has_parent_in(name: str, chosen: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:depth]) in chosen for depth in range(1, len(parts)))


def _status(text: str) -> tuple[str]:
    word = text.casefold().replace(" ", "_")
    word = UI_STATUSES.get(word, word)
    if word not in STATUSES:
        raise no_such("status", text, (*STATUSES, *UI_STATUSES))
    return (word,)


def _type(text: str) -> tuple[str]:
    word = text.casefold()
    if word not in TYPES:
        raise no_such("task type", text, TYPES)
    return (word,)


def _users(text: str, names: Names) -> set[str]:
    if text == "me" and names.me is not None:
        return {names.me}
    if text in names.users:
        return {text}
    user_ids = {user_id for user_id, name in names.users.items() if name == text}
    if not user_ids:
        raise no_such("user", text, (*names.users.values(), *names.users))
    return user_ids


def _checked_regex(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        re.compile(text)
    except re.error as error:
        raise UsageError(f"--task-name-regex {text!r}: {error}") from None
    return text


def _time(text: str | None, now: datetime, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text, now)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def _with_words(resolved: ResolvedFilter, kept: TaskFilter) -> ResolvedFilter:
    words = [
        _listed("project", kept.projects, " or ", kept.subprojects),
        _listed("name", kept.task_names, " or "),
        kept.task_name_regex and f"name matches {kept.task_name_regex}",
        f"{len(kept.task_ids)} task ids" if kept.task_ids else "",
        _listed("tags" if len(kept.tags) > 1 else "tag", kept.tags, " AND "),
        _listed("any tag of", kept.any_tags, ", "),
        _listed("no tag", kept.exclude_tags, " or "),
        _listed("status", sorted(resolved.statuses or ()), " or "),
        _listed("type", sorted(resolved.types or ()), " or "),
        _listed("user", kept.users, " or "),
        _bound("created since", resolved.created_after),
        _bound("created before", resolved.created_before),
        _bound("updated since", resolved.updated_after),
        _bound("updated before", resolved.updated_before),
        {"include": "", "exclude": "not archived", "only": "archived"}[kept.archived],
        "hidden ones too" if kept.hidden else "",
        f"the {kept.order} {kept.limit}" if kept.limit else "",
    ]
    return ResolvedFilter(
        **{**vars(resolved), "words": tuple(word for word in words if word)},
    )


def _listed(what: str, texts: Iterable[str], joint: str, below: bool = True) -> str:
    joined = joint.join(texts)
    return f"{what} {joined}{'' if below else ' (without sub-projects)'}" if joined else ""


def _bound(what: str, moment: datetime | None) -> str:
    return f"{what} {moment:%Y-%m-%d %H:%M}Z" if moment else ""
