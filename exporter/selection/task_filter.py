"""A filter of tasks: as typed, and resolved against the names that exist. Pure, no I/O.

``export`` sends the result to the server and ``query`` binds it into SQL. The export checks every
received task against it again, because a ClearML server ignores a filter it does not understand.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Final, Literal

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.filter_names import (
    find_projects,
    find_statuses,
    find_tag,
    find_types,
    find_users,
    has_tag,
    tags_and_patterns,
)
from clearml_snapshot.exporter.selection.names import Names, names_pattern
from clearml_snapshot.exporter.selection.several import Texts
from clearml_snapshot.exporter.selection.times import parse_time
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.spans import moment_in_utc

Archived = Literal["include", "exclude", "only"]
Order = Literal["newest", "oldest", "archived-first"]
Missing = Literal["raise", "drop"]

NARROW_NOTHING: Final = frozenset({"order", "subprojects"})
"""Fields of a filter that only say how others are meant."""


@dataclass(frozen=True)
class TaskFilter:
    """A filter as typed; fields are combined with AND, an empty one selects every task.

    A single text is accepted wherever a tuple of texts is.
    """

    projects: Texts = Texts()
    """Names, globs or ids, joined with OR."""
    subprojects: bool = True
    """Whether a project includes its sub-projects."""
    task_names: Texts = Texts()
    """Names or globs, joined with OR."""
    task_name_regex: str | None = None
    """An unanchored regular expression, as the server takes it."""
    task_ids: Texts = Texts()
    """Ids, the beginnings of ids, exact names or addresses of tasks, joined with OR."""
    tags: Texts = Texts()
    """All of them; a glob means at least one tag that it matches."""
    any_tags: Texts = Texts()
    """Tags or globs: at least one of them."""
    exclude_tags: Texts = Texts()
    """Tags or globs: none of them."""
    statuses: Texts = Texts()
    """Names of the server or of the web UI, or globs, joined with OR."""
    types: Texts = Texts()
    """Names or globs, joined with OR."""
    users: Texts = Texts()
    """Names, ids or ``me``, joined with OR."""
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    where: Texts = Texts()
    """Conditions on hyperparameters and values, joined with AND; values only of stored tasks."""
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
    tag_patterns: tuple[str, ...] = ()
    """Anchored patterns, each of which at least one tag matches."""
    any_tag_patterns: tuple[str, ...] = ()
    """Patterns beside ``any_tags``."""
    exclude_tag_patterns: tuple[str, ...] = ()
    """Patterns beside ``exclude_tags``."""
    statuses: frozenset[str] | None = None
    types: frozenset[str] | None = None
    user_ids: frozenset[str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    fulfilling_ids: frozenset[str] | None = None
    """The stored tasks that fulfil ``where``; None without any condition."""
    archived: Archived = "include"
    hidden: bool = False
    limit: int | None = None
    order: Order = "newest"
    task_names: tuple[str, ...] = field(default=(), compare=False)
    """Names as typed, of which ``name_pattern`` was made."""
    words: tuple[str, ...] = field(default=(), compare=False)
    """A description of each condition; they are joined with AND."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What names in conditions were taken to mean."""
    compared: tuple[tuple[str, str, str, frozenset[float]], ...] = field(default=(), compare=False)
    """Metric, variant, and ``max``, ``min`` or ``last`` of each value that conditions compared.

    With the numbers that a condition says it is or is not: it decides about a NaN logged as one.
    """
    dropped: tuple[str, ...] = field(default=(), compare=False)
    """A sentence for each name that was left out because it does not exist."""

    @property
    def cut_offs(self) -> tuple[str, ...]:
        """What each time and age that was typed means, as a moment in UTC."""
        bounds = (
            _bound("created since", self.created_after),
            _bound("created before", self.created_before),
            _bound("updated since", self.updated_after),
            _bound("updated before", self.updated_before),
        )
        return tuple(filter(None, bounds))

    def __str__(self) -> str:
        return " AND ".join(self.words) or "every task"


def resolve(
    typed: TaskFilter,
    names: Names,
    now: datetime,
    *,
    missing: Missing = "raise",
    fulfilling_ids: frozenset[str] | None = None,
) -> ResolvedFilter:
    """Resolve what was typed against what exists.

    Args:
        typed: the filter, as typed.
        names: the projects, users and tags that exist.
        now: the moment from which ages such as ``7d`` count back, with a zone.
        missing: what to do with a project, user or tag that does not exist. ``drop`` leaves it out
            where the others still match something; ``dropped`` then has a sentence for each. An
            excluded tag that does not exist is left out silently.
        fulfilling_ids: the tasks that fulfil ``where``; None if that is not known.

    Raises:
        NoSuchNameError: a project, user, tag, status or type that does not exist; with ``drop``
            only if nothing can match: a required tag is missing, or all of several alternatives.
        UsageError: a time or a regular expression is invalid, or ``where`` cannot be decided.
    """
    if typed.where and fulfilling_ids is None:
        raise UsageError(f"cannot decide {setting('where')}: {_not_yet()}")
    if "" in typed.task_names or typed.task_name_regex == "":
        raise UsageError(f"{setting('task_names')} is empty; omit it, or use a name or a glob")
    tags = _resolved(typed.tags, lambda text: find_tag(text, names), "raise")
    any_tags = _resolved(typed.any_tags, lambda text: find_tag(text, names), missing)
    excluded = typed.exclude_tags
    if missing == "drop":
        excluded = tuple(tag for tag in excluded if has_tag(tag, names))
    excluded_tags = _resolved(excluded, lambda text: find_tag(text, names), "raise")
    if typed.limit is not None and typed.limit < 1:
        raise UsageError(f"{setting('limit', typed.limit)}: use a number of at least 1")
    projects = _resolved(
        typed.projects, lambda text: find_projects(text, typed.subprojects, names), missing
    )
    users = _resolved(typed.users, lambda text: find_users(text, names), missing)
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
        task_names=typed.task_names,
        name_regex=_checked_regex(typed.task_name_regex),
        task_ids=frozenset(typed.task_ids) or None,
        **tags_and_patterns("tag", tags.texts, names),
        **tags_and_patterns("any_tag", any_tags.texts, names),
        **tags_and_patterns("exclude_tag", excluded_tags.texts, names),
        statuses=_resolved(typed.statuses, find_statuses, "raise").ids,
        types=_resolved(typed.types, lambda text: find_types(text, names), "raise").ids,
        user_ids=users.ids,
        created_after=_time(typed.created_after, now, "created_after"),
        created_before=_time(typed.created_before, now, "created_before"),
        updated_after=_time(typed.updated_after, now, "updated_after"),
        updated_before=_time(typed.updated_before, now, "updated_before"),
        fulfilling_ids=fulfilling_ids,
        archived=typed.archived,
        hidden=typed.hidden,
        limit=typed.limit,
        order=typed.order,
        dropped=(*projects.dropped, *users.dropped, *any_tags.dropped),
    )
    return _with_words(resolved, kept)


def check_typed(typed: TaskFilter) -> None:
    """Check what does not depend on a server: times, statuses, patterns and conditions.

    Raises:
        NoSuchNameError: a status that does not exist.
        UsageError: a time or a regular expression is invalid, or a condition is, or it compares a
            value of a metric, which a server cannot tell.
    """
    from clearml_snapshot.exporter.selection.condition import parse, references  # not for queries

    where = setting("where")
    for reference in chain.from_iterable(map(references, map(parse, typed.where))):
        if reference.statistic is not None:
            raise UsageError(f"export cannot decide {where} {reference}: {_not_yet()}")
    nameless = replace(
        typed, projects=(), users=(), tags=(), any_tags=(), exclude_tags=(), types=(), where=()
    )
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


def _not_yet() -> str:
    """Explain why an export compares no values of metrics."""
    return (
        f"values of metrics are known only after their points were read; use {setting('where')} "
        "with queries and packs, after the export"
    )


def _checked_regex(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        re.compile(text)
    except re.error as error:
        raise UsageError(f"{setting('task_name_regex')} {text!r}: {error}") from None
    return text


def _time(text: str | None, now: datetime, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text, now)
    except UsageError as error:
        raise UsageError(f"{setting(name)}: {error}") from None


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
        *resolved.cut_offs,
        *kept.where,
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
    return f"{what} {moment_in_utc(moment)}" if moment else ""
