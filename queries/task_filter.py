"""Applies a task filter to the tables of a snapshot."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import duckdb

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import Names, no_such
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter, TaskFilter, resolve
from clearml_snapshot.queries.ask.header import read

_NARROWED: Final = ("tasks", "hyperparams", "series", "scalars")

_LISTED: Final = 5
"""Ids that an error lists; more are counted by an ellipsis."""

_NEAR: Final = 1_000
"""Names among which an error looks for the one that was meant."""


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


def complete_ids(connection: duckdb.DuckDBPyConnection, prefixes: Iterable[str]) -> tuple[str, ...]:
    """Complete abbreviated task ids.

    Raises:
        NoSuchNameError: no stored id begins like this.
        UsageError: several do; they are listed.
    """
    return tuple(_complete_id(connection, prefix) for prefix in prefixes)


def task_id(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Find one of the selected tasks by its id, a prefix of it, or its exact name.

    Raises:
        NoSuchNameError: no task matches.
        UsageError: several tasks match; they are listed.
    """
    task_ids = _column(connection, "matching_tasks", name=text, start=text.strip().lower())
    if text.lower() in task_ids:
        return text.lower()
    if len(task_ids) > 1:
        listed = ", ".join(task_ids[:_LISTED]) + (" …" if len(task_ids) > _LISTED else "")
        raise UsageError(
            f"task {text!r} matches several tasks: {listed}; give more digits of the id"
        )
    if not task_ids:
        some_names = _column(connection, "selected_names", most=_NEAR)
        raise no_such("task", text, some_names)
    return task_ids[0]


def _complete_id(connection: duckdb.DuckDBPyConnection, prefix: str) -> str:
    typed = prefix.strip().lower()
    task_ids = _column(connection, "ids_starting", start=typed, most=_LISTED + 1)
    if not typed or not task_ids:
        some_ids = _column(connection, "ids_starting", start="", most=_NEAR)
        raise no_such("task", prefix, some_ids)
    if len(task_ids) > 1 and typed != task_ids[0]:
        listed = ", ".join(task_ids[:_LISTED]) + (" …" if len(task_ids) > _LISTED else "")
        raise UsageError(f"task {prefix!r} is the start of several ids: {listed}; give more digits")
    return task_ids[0]


def _resolved(
    connection: duckdb.DuckDBPyConnection, task_filter: TaskFilter | None
) -> ResolvedFilter | None:
    if task_filter is None or replace(task_filter, hidden=False).is_empty:
        return None
    completed = replace(task_filter, task_ids=complete_ids(connection, task_filter.task_ids))
    return resolve(completed, _names(connection, task_filter), datetime.now(UTC))


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
    )


def _parents(names: Iterable[str]) -> dict[str, str]:
    """Return the parent projects by name: one without tasks has no row with its id."""
    return {
        parent: parent
        for name in names
        for depth in range(1, name.count("/") + 1)
        for parent in ["/".join(name.split("/")[:depth])]
    }


def _me(connection: duckdb.DuckDBPyConnection, users: Mapping[str, str]) -> str | None:
    """Find the user who made the last export: offline, ``--user me`` means this user."""
    last = _column(connection, "last_user")
    return next((user_id for user_id, name in users.items() if {user_id, name} & {*last}), None)


def _parameters(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedFilter
) -> dict[str, object]:
    """Bind a filter to ``task_filter.sql``."""
    return {
        "project_ids": _listed(resolved.project_ids),
        "task_names": _matching_names(connection, resolved),
        "task_ids": _listed(resolved.task_ids),
        "tags": list(resolved.tags),
        "any_tags": list(resolved.any_tags),
        "exclude_tags": list(resolved.exclude_tags),
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


def _listed(texts: frozenset[str] | None) -> list[str] | None:
    return None if texts is None else sorted(texts)


def _pairs(connection: duckdb.DuckDBPyConnection, lookup: str) -> dict[str, str]:
    """Read ids with their names."""
    return dict(connection.execute(read(f"lookups/{lookup}.sql")).fetchall())


def _column(connection: duckdb.DuckDBPyConnection, lookup: str, **parameters: object) -> list[str]:
    rows = connection.execute(read(f"lookups/{lookup}.sql"), parameters).fetchall()
    return [value for (value,) in rows]
