"""Compares two snapshots: tasks, points, and the maxima of metrics."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC
from functools import cached_property
from typing import Any, Final, Self

import duckdb

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.opening import open_and_hold
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold
from clearml_snapshot.queries import session
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.cursors import Cursors
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.diff.model import (
    By,
    Choice,
    MaximumChange,
    Side,
    Summary,
    TaskChange,
)
from clearml_snapshot.queries.duckdb_errors import translating_errors

FIRST: Final = 20
"""Maximum number of tasks, and of maxima, that a summary lists."""


class Comparison(session.Session):
    """Two snapshots, open to be compared; see ``compare``."""

    def __init__(
        self,
        before: Snapshot,
        after: Snapshot,
        filter: TaskFilter | None = None,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        super().__init__()
        self.before: Final = before
        self.after: Final = after
        self._made: set[str] = set()
        self._making = threading.RLock()
        with ExitStack() as opening, translating_errors():
            for side in (before, after):
                opening.enter_context(hold(side))
            ids = _ids((before, after), filter)
            self.selected: Final = None if ids is None else len(ids)
            """Number of tasks that match the filter in either snapshot; None without a filter."""
            first = session.start(threads=threads, memory_limit=memory_limit)
            self._cursors = opening.enter_context(Cursors(first))
            _show_both(self._connection, before, after, ids)
            session.confine(self._connection, (before, after))
            self._open = opening.pop_all()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about how far the snapshots can be compared."""
        if self.selected is None:
            return self.warnings
        return (*self.warnings, f"only tasks that the filter finds in either: {self.selected:,}")

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes that put the differences in doubt."""
        servers = [side.server.get("host") for side in (self.before, self.after)]
        if None in servers or same_address(*servers):
            return ()
        return (f"before is of the server {servers[0]}, after of {servers[1]}",)

    def differences(self, by: By) -> duckdb.DuckDBPyRelation:
        """Return all differences as a table; no file is read more than once.

        Args:
            by: whether a row is a task with its counts of points, a series with its counts and its
            values before and after, or a metric and variant whose maximum over all tasks changed.

        Raises:
            DatasetError: a file cannot be read.
        """
        table = {"task": "tasks", "series": "series", "metric": "metrics"}[by]
        with translating_errors():
            self._make(table)
            return self._connection.table(f"diff.{table}")

    @cached_property
    def summary(self) -> Summary:
        """The number of differences, and the first ones in detail.

        Raises:
            DatasetError: a file cannot be read.
        """
        with translating_errors():
            self._make("totals")
            (totals,) = _dicts(self._connection.table("diff.totals"))
            tasks = _dicts(self._connection.table("diff.tasks").limit(FIRST))
            maxima = self._connection.table("diff.metrics")
            maxima = maxima.filter("NOT starts_with(metric, ':monitor:')").limit(FIRST)
        return Summary(
            before=_side(self.before),
            after=_side(self.after),
            **totals,
            tasks=tuple(TaskChange(**row) for row in tasks),
            maxima=tuple(MaximumChange(**row) for row in _dicts(maxima)),
        )

    def _make(self, table: str) -> None:
        """Fill a table of the schema ``diff``, after those that it reads."""
        with self._making:  # another thread may need the same table
            if table in self._made:
                return
            for needed in _READS.get(table, ()):
                self._make(needed)
            params = (
                {"missing_columns": _missing_columns(self.before, self.after)}
                if table == "columns"
                else {}
            )
            statement = f"CREATE TABLE diff.{table} AS {read(f'diff/{table}.sql')}"
            self._connection.execute(statement, params)
            self._made.add(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def compare(
    before: Choice,
    after: Choice,
    *,
    filter: TaskFilter | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> Comparison:
    """Open two snapshots to compare; neither is pruned until ``close``.

    Files that both have are not read: ``with compare(Choice(data, -1), Choice(data)) as found:``
    reads only what one export changed.

    Args:
        before: usually the earlier one; nothing depends on that.
        after: usually the later one.
        filter: compares only the tasks that match in either snapshot.
        threads: threads of DuckDB; None means one per core.
        memory_limit: in DuckDB's format, ``2GB``; None means half of the memory of the machine or
            container, at most 4 GB.

    Raises:
        DatasetError: one does not exist, is damaged, or is newer than this tool.
        NoSuchNameError: the filter has a name that neither snapshot contains.
        UsageError: the filter or ``memory_limit`` is not valid.
    """
    return open_and_hold(
        lambda: _both(before, after),
        lambda old, young: Comparison(
            old, young, filter, threads=threads, memory_limit=memory_limit
        ),
    )


def _both(before: Choice, after: Choice) -> tuple[Snapshot, Snapshot]:
    """Open both; if an export ended in between, open them again, because -1 has changed."""
    young, old = after.open(), before.open()
    if after.open().root == young.root:
        return old, young
    young = after.open()
    return before.open(), young


_TABLES: Final = ("tasks", "hyperparams", "series", "scalars")

_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "points": ("differing",),
    "moved": ("differing", "points"),
    "series": ("moved",),
    "tasks": ("moved", "columns"),
    "totals": ("moved", "tasks", "metrics"),
}
"""The tables of the schema ``diff`` that each table reads; this folder has their SQL."""


def _show_both(
    connection: duckdb.DuckDBPyConnection,
    before: Snapshot,
    after: Snapshot,
    ids: Iterable[str] | None,
) -> None:
    """Create the schemas ``before`` and ``after``; views ``…_own`` have what only one side has."""
    connection.execute("CREATE SCHEMA diff")
    only = ""
    if ids is not None:
        only = "SEMI JOIN diff.ids USING (task_id)"
        connection.execute(
            "CREATE TABLE diff.ids AS SELECT unnest($1::VARCHAR[]) AS task_id", [list(ids)]
        )
    for name, side, other in (("before", before, after), ("after", after, before)):
        session.show(connection, side, f"{name}_files")
        session.show(connection, _without_files_of(side, other), f"{name}_own_files")
        connection.execute(f"CREATE SCHEMA {name}; CREATE SCHEMA {name}_own;")
        own = {entry.table for entry in _without_files_of(side, other).files}
        for table in _TABLES:
            all_of = f"SELECT * FROM {name}_files.{table}"
            own_of = (
                f"SELECT * FROM {name}_own_files.{table}" if table in own else f"{all_of} LIMIT 0"
            )
            connection.execute(f"CREATE VIEW {name}.{table} AS {all_of} {only}")
            connection.execute(f"CREATE VIEW {name}_own.{table} AS FROM ({own_of}) {only}")


def _without_files_of(snapshot: Snapshot, other: Snapshot) -> Snapshot:
    shared = {_content(entry) for entry in other.files}
    own = tuple(entry for entry in snapshot.files if _content(entry) not in shared)
    return replace(snapshot, files=own)


def _content(entry: FileEntry) -> tuple[str, str, int, int]:
    """Identify a file by its contents: a task that moved to another project has new paths."""
    return entry.table, entry.sha256, entry.bytes, entry.rows


def _missing_columns(*sides: Snapshot) -> list[str]:
    return sorted(
        {name for side in sides for name in missing_columns("tasks", side.format_version)}
    )


def _ids(sides: Iterable[Snapshot], task_filter: TaskFilter | None) -> set[str] | None:
    """Find the tasks that match a filter on either side, also those that no longer match.

    Raises:
        NoSuchNameError: a name in the filter is in neither snapshot.
    """
    if task_filter is None or replace(task_filter, hidden=False).is_empty:
        return None
    ids_by_side: list[set[str]] = []
    unknown: list[NoSuchNameError] = []
    for side in sides:
        try:
            with Dataset(side, task_filter) as dataset:
                ids_by_side.append(
                    {row[0] for row in dataset.sql(read("lookups/task_ids.sql")).fetchall()}
                )
        except NoSuchNameError as error:
            unknown.append(error)
    if not ids_by_side:
        raise unknown[-1]
    return set().union(*ids_by_side)


def _dicts(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _side(snapshot: Snapshot) -> Side:
    return Side(
        number=snapshot.number,
        created_at=snapshot.created_at.astimezone(UTC),
        place=snapshot.location,
        server=snapshot.server.get("host"),
    )
