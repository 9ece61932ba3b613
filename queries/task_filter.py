"""Applies a task filter to the tables of a snapshot."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import duckdb

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import (
    Names,
    canonical,
    did_you_mean,
    forms,
    glob_around,
    is_glob,
)
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter, TaskFilter, resolve
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.task_ids import find_tasks, names_like, not_selected

_SHORT: Final = 8
"""Digits of an id in a message."""
_MANY: Final = 10
"""Texts that mean tasks from which on all stored ids are read at once."""
_NARROWED: Final = ("tasks", "hyperparams", "series", "scalars")


def apply_filter(
    connection: duckdb.DuckDBPyConnection,
    filter: TaskFilter | ResolvedFilter | None,
) -> ResolvedFilter | None:
    """Make the views in ``picked``: the tables of ``files``, narrowed by a filter.

    A filter that was resolved before selects the same tasks again.

    Hidden tasks are always included, because the export decided whether to store them.

    Raises:
        NoSuchNameError: the snapshot does not contain a project, user, tag, task ….
        UsageError: a time or regular expression is not valid.
    """
    resolved = filter if isinstance(filter, ResolvedFilter) else _resolved(connection, filter)
    if resolved is not None:
        connection.execute(
            f"CREATE TABLE picked.ids AS {read('task_filter.sql')}",
            _parameters(connection, resolved),
        )
    only = "" if resolved is None else "SEMI JOIN picked.ids USING (task_id)"
    for table in _NARROWED:
        connection.execute(f"CREATE VIEW picked.{table} AS SELECT * FROM files.{table} {only}")
    connection.execute("CREATE VIEW picked.exports AS FROM files.exports")
    return resolved


def selected_ids(
    connection: duckdb.DuckDBPyConnection, applied: ResolvedFilter | None
) -> list[str] | None:
    """List the tasks that an applied filter selects; None without a filter."""
    if applied is None:
        return None
    return [task_id for (task_id,) in connection.table("picked.ids").fetchall()]


def _resolved(
    connection: duckdb.DuckDBPyConnection, task_filter: TaskFilter | None
) -> ResolvedFilter | None:
    if task_filter is None or replace(task_filter, hidden=False).is_empty:
        return None
    ids = _task_ids(connection, task_filter.task_ids)
    completed = replace(task_filter, task_ids=tuple(dict.fromkeys(ids)))
    _check_names(connection, task_filter.task_names)
    names, now = _names(connection, task_filter), datetime.now(UTC)
    if not task_filter.where:
        return resolve(completed, names, now)
    from clearml_snapshot.queries.conditions import find_fulfilling

    chosen = find_fulfilling(connection, task_filter.where)
    resolved = resolve(completed, names, now, fulfilling_ids=chosen.task_ids)
    return replace(resolved, notes=chosen.notes, compared=chosen.compared)


def _task_ids(connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> Iterator[str]:
    """Find the tasks that texts mean; many texts are usually ids from a file, in full."""
    stored = frozenset(_column(connection, "stored_ids") if len(texts) > _MANY else ())
    for text in texts:
        start = text.strip().lower()
        yield from (start,) if start in stored else find_tasks(connection, text, "stored")


def _names(connection: duckdb.DuckDBPyConnection, task_filter: TaskFilter) -> Names:
    """Read the names that exist, but only those that the filter needs."""
    projects = _pairs(connection, "projects") if task_filter.projects else {}
    projects = {**_parents(projects.values()), **projects}
    users = _pairs(connection, "users") if task_filter.users else {}
    tagged = task_filter.tags or task_filter.any_tags or task_filter.exclude_tags
    return Names(
        projects=projects,
        users=users,
        tags=set(_column(connection, "tags")) if tagged else (),
        me=_me(connection, users) if "me" in task_filter.users else None,
        types=_column(connection, "types") if task_filter.types else (),
    )


def left_out(connection: duckdb.DuckDBPyConnection, resolved: ResolvedFilter) -> str | None:
    """Say which tasks were named by their ids that the rest of the filter leaves out."""
    selected = frozenset(selected_ids(connection, resolved) or ())
    missing = sorted((resolved.task_ids or frozenset()) - selected)
    if not missing:
        return None
    if len(missing) == 1:
        return not_selected(missing[0][:_SHORT])
    n_named = len(resolved.task_ids or ())
    which = f"{len(missing):,} of the {n_named:,} tasks" if selected else f"the {n_named:,} tasks"
    return (
        f"the filter does not select {which} that {setting('task_ids')} names, which this "
        f"snapshot has, such as {missing[0][:_SHORT]}; change the filter"
    )


def suggested_name(connection: duckdb.DuckDBPyConnection, resolved: ResolvedFilter) -> str | None:
    """Name the task that was named and left out, or suggest a glob if no task has the names.

    Returns:
        None if the names are not why nothing is selected, or nothing is similar.
    """
    if resolved.task_ids is not None:
        return left_out(connection, resolved)
    if not resolved.task_names:
        return None
    pattern = re.compile(resolved.name_pattern or "")
    named = [name for name in _column(connection, "task_names") if pattern.search(name)]
    if named:
        exact = [text for text in resolved.task_names if not {*forms(text)}.isdisjoint(named)]
        return not_selected(exact[0]) if exact else None
    return _not_named(connection, resolved.task_names[0])


def _check_names(connection: duckdb.DuckDBPyConnection, texts: Iterable[str]) -> None:
    """Check that a task has each name; a glob may match nothing, as a tag or project may not.

    Raises:
        NoSuchNameError: no stored task has one of them.
    """
    exact = [text for text in texts if text and not is_glob(text)]
    stored = set(_column(connection, "task_names") if exact else ())
    for text in exact:
        if stored.isdisjoint(forms(text)):
            raise NoSuchNameError(_not_named(connection, text))


def _not_named(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Complain that no stored task is named like this, with what may have been meant."""
    complaint = f"no task is named {text!r}, and a name matches as a whole"
    glob = glob_around(text)
    if glob is not None:
        parameters = {"text": canonical(glob.strip("*"))}
        sql = read("lookups/names_containing.sql")
        [(count,)] = connection.execute(sql, parameters).fetchall()
        if count:
            return f"{complaint}; did you mean {glob!r} ({count:,} task{'s' * (count != 1)})?"
    near = names_like(connection, text, "stored")
    return f"{complaint}; {did_you_mean(near)}" if near else complaint


def _parents(names: Iterable[str]) -> dict[str, str]:
    """Return the parent projects by name: one without tasks has no row with its id."""
    return {
        parent: parent
        for name in names
        for depth in range(1, name.count("/") + 1)
        for parent in ["/".join(name.split("/")[:depth])]
    }


def _me(connection: duckdb.DuckDBPyConnection, users: Mapping[str, str]) -> str | None:
    """Find the user who made the last export: offline, ``--user me`` means this user.

    Raises:
        UsageError: nobody can tell who that is.
    """
    if "me" in users or "me" in users.values():
        return None
    names, me = _column(connection, "last_user"), setting("users", "me")
    if not names:
        raise UsageError(
            f"{me}: the snapshot does not say who exported it; give your name or id, "
            "query users lists them"
        )
    ids = [user_id for user_id, name in users.items() if names[0] in (user_id, name)]
    if len(ids) > 1:
        raise UsageError(f"{me}: {len(ids)} users are named {names[0]!r}; give your id")
    if not ids:
        raise NoSuchNameError(f"{me} is {names[0]!r}, who has no task in this snapshot")
    return ids[0]


def _parameters(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedFilter
) -> dict[str, object]:
    """Bind a filter to ``task_filter.sql``."""
    patterns = (resolved.tag_patterns, resolved.any_tag_patterns, resolved.exclude_tag_patterns)
    all_tags = _column(connection, "tags") if any(patterns) else []
    return {
        "project_ids": _listed(resolved.project_ids),
        "task_names": _matching_names(connection, resolved),
        "task_ids": _listed(resolved.task_ids),
        "tags": list(resolved.tags),
        "tag_groups": [_matched([pattern], all_tags) for pattern in resolved.tag_patterns],
        "any_tags": [*resolved.any_tags, *_matched(resolved.any_tag_patterns, all_tags)],
        "exclude_tags": [
            *resolved.exclude_tags,
            *_matched(resolved.exclude_tag_patterns, all_tags),
        ],
        "fulfilling_ids": _listed(resolved.fulfilling_ids),
        "statuses": _listed(resolved.statuses),
        "types": _listed(resolved.types),
        "user_ids": _listed(resolved.user_ids),
        "created_after": resolved.created_after,
        "created_before": resolved.created_before,
        "updated_after": resolved.updated_after,
        "updated_before": resolved.updated_before,
        "archived": resolved.archived,
        "order": resolved.order,
        "limit": resolved.limit,
    }


def _matching_names(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedFilter
) -> list[str] | None:
    """List the matching task names; this is done in Python because DuckDB has no lookahead."""
    patterns = [re.compile(text) for text in (resolved.name_pattern, resolved.name_regex) if text]
    if not patterns:
        return None
    names = _column(connection, "task_names")
    return [name for name in names if all(pattern.search(name) for pattern in patterns)]


def _matched(patterns: Iterable[str], tags: Iterable[str]) -> list[str]:
    """List the tags that any of the patterns matches."""
    compiled = [re.compile(pattern) for pattern in patterns]
    return sorted(tag for tag in tags if any(pattern.search(tag) for pattern in compiled))


def _listed(texts: frozenset[str] | None) -> list[str] | None:
    return None if texts is None else sorted(texts)


def _pairs(connection: duckdb.DuckDBPyConnection, lookup: str) -> dict[str, str]:
    """Read ids with their names."""
    return dict(connection.execute(read(f"lookups/{lookup}.sql")).fetchall())


def _column(connection: duckdb.DuckDBPyConnection, lookup: str, **parameters: object) -> list[str]:
    rows = connection.execute(read(f"lookups/{lookup}.sql"), parameters).fetchall()
    return [value for (value,) in rows]
