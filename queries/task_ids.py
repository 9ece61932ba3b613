"""Finds stored tasks that were typed as an address, an id, the beginning of one, or a name."""

import re
from typing import Final, Literal

import duckdb

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import (
    DescribedTask,
    canonical,
    did_you_mean,
    is_glob,
    names_pattern,
    near_names,
    several_tasks,
)
from clearml_snapshot.exporter.selection.task_address import ids_in_address
from clearml_snapshot.queries.ask.header import read

_SHORT: Final = 8
"""Digits of an id that an error lists, unless more are needed to tell the tasks apart."""
_NEAR: Final = 20
"""The most similar names, among which an error looks for the one that was meant."""

Among = Literal["stored", "selected"]
"""All tasks of the snapshot, or those that the filter selects."""


def find_tasks(
    connection: duckdb.DuckDBPyConnection, text: str, among: Among, *, globs: bool = False
) -> tuple[str, ...]:
    """Find tasks by an address, an id, the beginning of one, or an exact name.

    Args:
        connection: sees ``files`` and, for selected tasks, ``picked``.
        text: what was typed; the address of a comparison means each task in it.
        among: which tasks.
        globs: whether a glob of names, which can mean many tasks, is understood too.

    Raises:
        NoSuchNameError: no task matches.
        UsageError: one task was meant and several match; they are listed.
    """
    addressed = ids_in_address(text)
    if addressed is not None:
        return tuple(_of_address(connection, task_id, text, among) for task_id in addressed)
    start = text.strip().lower()
    task_ids = _matching(connection, among, text, start)
    if start in task_ids:
        return (start,)
    if not task_ids and globs and is_glob(text):
        task_ids = _of_glob(connection, text)
        if task_ids:
            return tuple(task_ids)
    if not task_ids:
        raise _no_task(connection, text, among)
    if len(task_ids) > 1:
        raise UsageError(_several(connection, text, task_ids))
    return (task_ids[0],)


def not_selected(text: str) -> str:
    """Say that a task exists which the filter leaves out."""
    return f"the filter does not select task {text!r}, which this snapshot has; change the filter"


def names_like(connection: duckdb.DuckDBPyConnection, text: str, among: Among) -> list[str]:
    """Return up to three names of tasks that may have been meant."""
    if not text.strip():
        return []
    parameters = {"text": text, "most": _NEAR}
    rows = connection.execute(read(f"lookups/{among}_names_near.sql"), parameters).fetchall()
    return near_names(text, [name for (name,) in rows])


def _of_address(
    connection: duckdb.DuckDBPyConnection, task_id: str, address: str, among: Among
) -> str:
    if task_id not in _matching(connection, among, "", task_id):
        where = "in this snapshot" if among == "stored" else "among the selected tasks"
        raise NoSuchNameError(f"task {task_id} of {address} is not {where}")
    return task_id


def _matching(
    connection: duckdb.DuckDBPyConnection, among: Among, name: str, start: str
) -> list[str]:
    parameters = {"name": canonical(name), "start": start}
    rows = connection.execute(read(f"lookups/{among}_tasks_like.sql"), parameters).fetchall()
    return [task_id for (task_id,) in rows]


def _of_glob(connection: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """List the selected tasks whose names a glob matches, by name; DuckDB has no lookahead."""
    pattern = re.compile(names_pattern([text]) or "")
    rows = connection.execute(read("lookups/selected_names.sql")).fetchall()
    return [task_id for task_id, name in rows if pattern.search(name)]


def _several(connection: duckdb.DuckDBPyConnection, text: str, task_ids: list[str]) -> str:
    """Make the text of the error; the beginnings of ids in it are enough to choose a task."""
    parameters = {"ids": task_ids}
    rows = connection.execute(read("lookups/described_tasks.sql"), parameters).fetchall()
    longest = max(map(len, task_ids))
    size = next(
        (n for n in range(_SHORT, longest) if len({key[:n] for key in task_ids}) == len(task_ids)),
        longest,
    )
    tasks = [DescribedTask(task_id[:size], *others) for task_id, *others in rows]
    return f"{several_tasks(text, tasks)}; give one of these ids"


def _no_task(connection: duckdb.DuckDBPyConnection, text: str, among: Among) -> NoSuchNameError:
    """Make the error, with names that are alike: ids that are alike would be random."""
    if among == "selected" and _matching(connection, "stored", text, text.strip().lower()):
        return NoSuchNameError(not_selected(text))
    near = names_like(connection, text, among)
    hint = (
        "; " + did_you_mean(near)
        if near
        else (": use an id or the beginning of one, the exact name or the address of a task")
    )
    return NoSuchNameError(f"no task {text!r}{hint}")
