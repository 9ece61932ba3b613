"""Which tasks: what was typed, resolved against the names that exist. Pure, no I/O.

``export`` sends the result to the server, ``query`` binds it into SQL, and the export checks each
task that came against it again, because a ClearML server ignores a filter it does not understand.
"""

import difflib
import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError

Archived = Literal["include", "exclude", "only"]
Order = Literal["newest", "oldest", "archived-first"]

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
"""The web UI's words for the server's."""

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

_NAMES_TOLD: Final = 6
"""Names that exist, where none is like the one that was typed."""

_AGE: Final = re.compile(r"(\d+)\s*(h|d|w)")
_AGE_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_MINUTES_OR_MONTHS: Final = re.compile(r"\d+\s*(m|min|mo)")
"""An age that one reader takes for minutes and another one for months."""
_GLOB: Final = re.compile(r"[*?\[]")
_END: Final = "(?![\\s\\S])"
"""The very end of a text, in Python's regular expressions and in MongoDB's alike."""


@dataclass(frozen=True)
class TaskFilter:
    """What was typed, combined with AND; an empty tuple or None asks nothing."""

    projects: tuple[str, ...] = ()
    """Names, globs or ids, joined with OR."""
    subprojects: bool = True
    """Whether a project brings what is below it."""
    task_names: tuple[str, ...] = ()
    """Names or globs, joined with OR."""
    task_name_regex: str | None = None
    """An unanchored regular expression, as the server takes it."""
    task_ids: tuple[str, ...] = ()
    """Whole ids; prefixes are resolved before."""
    tags: tuple[str, ...] = ()
    """All of them."""
    any_tags: tuple[str, ...] = ()
    """At least one of them."""
    exclude_tags: tuple[str, ...] = ()
    """None of them."""
    statuses: tuple[str, ...] = ()
    """The server's words or the UI's, joined with OR."""
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
    """Whether hidden tasks take part."""
    limit: int | None = None
    order: Order = "newest"

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the tasks (an order alone narrows nothing)."""
        return self == TaskFilter(order=self.order, subprojects=self.subprojects)


@dataclass(frozen=True)
class Names:
    """What exists on a server or in a snapshot."""

    projects: Mapping[str, str]
    """Full name by project id."""
    users: Mapping[str, str]
    """Name by user id."""
    tags: Collection[str]
    me: str | None = None
    """The id of the user who is logged in."""


@dataclass(frozen=True)
class ResolvedFilter:
    """A TaskFilter whose names are ids, words the server's, and times UTC; None asks nothing."""

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
    """The filter in words, to be joined with AND."""

    def __str__(self) -> str:
        return " AND ".join(self.words) or "every task"


def resolve(asked: TaskFilter, names: Names, now: datetime) -> ResolvedFilter:
    """Resolve what was typed against what exists.

    Args:
        asked: what was typed.
        names: the projects, users and tags that exist.
        now: the moment that ages such as ``7d`` count back from, with a zone.

    Raises:
        NoSuchNameError: a project, user, tag, status or type that does not exist.
        UsageError: a time or a regular expression that cannot be read.
    """
    if "" in asked.task_names or asked.task_name_regex == "":
        raise UsageError("--task-name is empty; leave it out, or give a name or a glob")
    for tag in (*asked.tags, *asked.any_tags, *asked.exclude_tags):
        if tag not in names.tags:
            raise no_such("tag", tag, names.tags)
    if asked.limit is not None and asked.limit < 1:
        raise UsageError(f"--limit {asked.limit}: give a number of at least 1")
    resolved = ResolvedFilter(
        project_ids=_any_of(asked.projects, lambda text: _projects(text, asked.subprojects, names)),
        name_pattern=names_pattern(asked.task_names),
        name_regex=_checked_regex(asked.task_name_regex),
        task_ids=frozenset(asked.task_ids) or None,
        tags=asked.tags,
        any_tags=asked.any_tags,
        exclude_tags=asked.exclude_tags,
        statuses=_any_of(asked.statuses, _status),
        types=_any_of(asked.types, _type),
        user_ids=_any_of(asked.users, lambda text: _users(text, names)),
        created_after=_time(asked.created_after, now, "--created-after"),
        created_before=_time(asked.created_before, now, "--created-before"),
        updated_after=_time(asked.updated_after, now, "--updated-after"),
        updated_before=_time(asked.updated_before, now, "--updated-before"),
        archived=asked.archived,
        hidden=asked.hidden,
        limit=asked.limit,
        order=asked.order,
    )
    return _with_words(resolved, asked)


def check_typed(asked: TaskFilter) -> None:
    """Refuse what no server could make valid: times, statuses, types and patterns.

    Raises:
        NoSuchNameError: a status or type that does not exist.
        UsageError: a time or a regular expression that cannot be read.
    """
    nameless = replace(asked, projects=(), users=(), tags=(), any_tags=(), exclude_tags=())
    resolve(nameless, Names({}, {}, ()), datetime.now(UTC))


def parse_time(text: str, now: datetime) -> datetime:
    """Read a date, a time or an age into UTC; without a zone it is local time.

    Args:
        text: ``2026-01-31``, ``2026-01-31T10:00``, ``2026-01-31 10:00+02:00``, ``7d``, ``12h``.
        now: what an age counts back from, with a zone.

    Raises:
        UsageError: the text is none of these.
    """
    if _MINUTES_OR_MONTHS.fullmatch(text.strip()):
        raise UsageError(
            f"the age {text!r} can mean minutes or months; give hours, days or weeks (12h, 30d, "
            "4w), a date (2026-01-31) or a time (2026-01-31T10:00)"
        )
    if age := _AGE.fullmatch(text.strip()):
        try:
            return (now - timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})).astimezone(UTC)
        except OverflowError:
            raise UsageError(f"the age {text!r} reaches beyond the year 1") from None
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time; give a date (2026-01-31), a time (2026-01-31T10:00, "
            "local unless it has a zone) or an age (12h, 7d, 2w)"
        ) from None


def is_glob(text: str) -> bool:
    """Whether the text holds a character that globs give a meaning."""
    return bool(_GLOB.search(text))


def glob_pattern(glob: str) -> str:
    """Translate a glob (``*`` crosses ``/``) for Python and MongoDB alike, without anchors."""
    return re.sub(r"\\[zZ]$", "", fnmatch.translate(glob))


def names_pattern(texts: Iterable[str]) -> str | None:
    """Make one anchored pattern of names and globs, joined with OR; None for none."""
    parts = [part for text in texts for part in _readings(text)]
    # A pattern that holds NUL itself is one that MongoDB cannot be sent.
    return f"^(?:{'|'.join(parts)}){_END}".replace("\0", "\\x00") if parts else None


def _readings(text: str) -> Iterator[str]:
    """Give a name's pattern, and a glob's: one with a bracket, as ``run [1]``, means itself too."""
    if is_glob(text):
        yield glob_pattern(text)
    if "[" in text or not is_glob(text):
        yield re.escape(text)


def no_such(kind: str, text: str, known: Iterable[str]) -> NoSuchNameError:
    """Make the error for a name that does not exist, with near matches."""
    candidates = sorted({name for name in known if name})
    lowered = {name.casefold(): name for name in candidates}
    close = difflib.get_close_matches(text.casefold(), lowered, n=3, cutoff=0.5)
    near = [lowered[name] for name in close]
    near += [name for name in candidates if text.casefold() in name.casefold() and name not in near]
    if near:
        hint = "did you mean " + " or ".join(repr(name) for name in near[:3]) + "?"
    elif candidates:
        shown = ", ".join(repr(name) for name in candidates[:_NAMES_TOLD])
        hint = f"there are {shown}" + (" …" if len(candidates) > _NAMES_TOLD else "")
    else:
        hint = "there is none at all"
    return NoSuchNameError(f"no {kind} {text!r}; {hint}")


def _any_of(
    texts: tuple[str, ...], resolve_one: Callable[[str], Iterable[str]]
) -> frozenset[str] | None:
    return frozenset(found for text in texts for found in resolve_one(text)) if texts else None


def _projects(text: str, subprojects: bool, names: Names) -> set[str]:
    """Resolve one project argument: exact name, id, then glob, with what is below it."""
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
    found = {user_id for user_id, name in names.users.items() if name == text}
    if not found:
        raise no_such("user", text, (*names.users.values(), *names.users))
    return found


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


def _with_words(resolved: ResolvedFilter, asked: TaskFilter) -> ResolvedFilter:
    words = [
        _listed("project", asked.projects, " or ", asked.subprojects),
        _listed("name", asked.task_names, " or "),
        asked.task_name_regex and f"name matches {asked.task_name_regex}",
        f"{len(asked.task_ids)} task ids" if asked.task_ids else "",
        _listed("tags" if len(asked.tags) > 1 else "tag", asked.tags, " AND "),
        _listed("any tag of", asked.any_tags, ", "),
        _listed("no tag", asked.exclude_tags, " or "),
        _listed("status", sorted(resolved.statuses or ()), " or "),
        _listed("type", sorted(resolved.types or ()), " or "),
        _listed("user", asked.users, " or "),
        _bound("created since", resolved.created_after),
        _bound("created before", resolved.created_before),
        _bound("updated since", resolved.updated_after),
        _bound("updated before", resolved.updated_before),
        {"include": "", "exclude": "not archived", "only": "archived"}[asked.archived],
        "hidden ones too" if asked.hidden else "",
        f"the {asked.order} {asked.limit}" if asked.limit else "",
    ]
    return ResolvedFilter(
        **{**vars(resolved), "words": tuple(word for word in words if word)},
    )


def _listed(what: str, texts: Iterable[str], joint: str, below: bool = True) -> str:
    joined = joint.join(texts)
    return f"{what} {joined}{'' if below else ' (without sub-projects)'}" if joined else ""


def _bound(what: str, moment: datetime | None) -> str:
    return f"{what} {moment:%Y-%m-%d %H:%M}Z" if moment else ""
