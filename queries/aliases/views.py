"""Makes the views of series and points with their new names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.store.engine.sql_text import read_sql, sql_value
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.queries.aliases import STORED, Aliases
from clearml_snapshot.queries.aliases.renames import Rename, Renames, find_renames
from clearml_snapshot.queries.names import read_series
from clearml_snapshot.queries.task_filter import selected_ids

_RENAMED: Final = ("scalars", "series")
"""The tables with names of metrics."""
_AT_ONCE: Final = 30_000
"""Series that are computed at once, as when they are stored."""
_POINTS_AT_ONCE: Final = 5_000_000
"""Points of which each is looked for twice at once: less than 1 GB."""
_PARTS: Final = "clearml_snapshot.exporter.store.parts"
_SOURCES: Final = {
    "read_parquet($files::VARCHAR[], hive_partitioning = true, hive_types_autocast = false)": (
        "files.points_of_several"
    ),
    "read_parquet($server_values::VARCHAR[])": "files.server_values_of_several",
}
"""What ``series.sql`` of the store reads, and what it reads here."""
_TABLE_OF_ALIASES: Final = (
    "CREATE OR REPLACE TABLE files.aliases "
    "(stored_metric VARCHAR, stored_variant VARCHAR, metric VARCHAR, variant VARCHAR)"
)


@dataclass
class AliasedViews:
    """The tables of a snapshot in the schema ``files``, in which series have new names."""

    renames: Renames
    has_several: bool = False
    """Whether a selected task has a series under several names, which are one now."""
    _is_united: bool = field(default=False, repr=False)

    def unite(
        self,
        connection: duckdb.DuckDBPyConnection,
        applied: ResolvedFilter | None,
        bring_points: Callable[[], None],
    ) -> None:
        """Make one series of those that a task has under several names.

        Args:
            connection: sees ``files``.
            applied: the filter that has been applied; None means all tasks, and that nothing is
                left to do later.
            bring_points: is called before points are read.

        Raises:
            UsageError: two of them have a point at the same iteration.
        """
        if self._is_united:
            return
        connection.execute(
            f"CREATE OR REPLACE TABLE files.several AS {_read('several')}",
            {"task_ids": selected_ids(connection, applied)},
        )
        self._is_united = applied is None
        sizes = connection.table("files.several").aggregate("count(*), sum(n_points)")
        [(n_series, n_points)] = sizes.fetchall()
        if not n_series:
            return
        bring_points()
        self.has_several = True
        connection.execute(_views_of_several())
        buckets = 1 + max(n_series // _AT_ONCE, int(n_points) // _POINTS_AT_ONCE)
        for bucket in range(buckets):
            share = {"buckets": buckets, "bucket": bucket}
            self._refuse_twice(connection, share)
            begin = "INSERT INTO files.united" if bucket else "CREATE TABLE files.united AS"
            connection.execute(f"{begin} {_united_rows()}", share)
        connection.execute(f"CREATE OR REPLACE VIEW files.series AS {_read('united_series')}")

    def script(self, source: str, schema: str, task_ids: Sequence[str] | None = None) -> str:
        """Write SQL for another DuckDB that makes the views ``series`` and ``scalars``.

        Args:
            source: the schema of the tables with the stored names.
            schema: the schema of the new views.
            task_ids: the tasks that ``unite`` was called with.
        """
        parts = [
            f"CREATE SCHEMA IF NOT EXISTS {schema};",
            *(_in_schemas(text, source, schema) for text in self._statements(task_ids)),
        ]
        if rows := _rows(self.renames):
            listed = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
            parts.insert(2, f"INSERT INTO {schema}.aliases VALUES {listed};")
        return "".join(f"{part}\n" for part in parts)

    def shell_script(self, schema: str) -> str:
        """Write SQL that makes every table in a schema, over the stored ones in ``as_stored``."""
        others = (table for table in TABLE_NAMES if table not in _RENAMED)
        views = (
            f"CREATE OR REPLACE VIEW {schema}.{table} AS FROM {STORED}.{table};\n"
            for table in others
        )
        return "".join([f"CREATE SCHEMA IF NOT EXISTS {schema};\n", *views]) + self.script(
            STORED, schema
        )

    def _statements(self, task_ids: Sequence[str] | None) -> list[str]:
        """List what makes the views: the table of aliases first, which is still empty."""
        statements = [f"{_TABLE_OF_ALIASES};", *(_view(table) for table in _RENAMED)]
        if self.has_several:
            united = _united_rows().replace("$buckets", "1").replace("$bucket", "0")
            several = _read("several").replace("$task_ids", sql_value(task_ids))
            statements += [
                f"CREATE OR REPLACE TABLE files.several AS {several};",
                _views_of_several(),
                f"CREATE OR REPLACE TABLE files.united AS {united}",
                f"CREATE OR REPLACE VIEW files.series AS {_read('united_series')};",
            ]
        return statements

    def _refuse_twice(self, connection: duckdb.DuckDBPyConnection, share: dict[str, int]) -> None:
        for task_id, name, metric, variant, stored, iteration in connection.execute(
            _read("twice"), share
        ).fetchall():
            names = " and ".join(f"{one['metric']}/{one['variant']}" for one in stored)
            at = "as single values" if iteration is None else f"at iteration {iteration}"
            place = self._place_of({(one["metric"], one["variant"]) for one in stored})
            raise UsageError(
                f"{place}: task {name!r} ({task_id[:8]}) has values of {names} {at}, which cannot "
                f"both be {metric}/{variant}; remove the alias, or select other tasks"
            )

    def _place_of(self, stored: set[tuple[str, str]]) -> str:
        return next(one.rule.place for one in self.renames.renames if one.stored in stored)


def show_renamed(connection: duckdb.DuckDBPyConnection, aliases: Aliases) -> AliasedViews:
    """Make the schema ``files``, over the tables with the stored names in ``as_stored``.

    Raises:
        UsageError: two rules contradict each other, or a name could be several things.
    """
    connection.execute("CREATE SCHEMA files")
    for table in TABLE_NAMES:
        if table not in _RENAMED:
            connection.execute(f"CREATE VIEW files.{table} AS FROM {STORED}.{table}")
    connection.execute(f"CREATE VIEW files.series AS FROM {STORED}.series")
    renames = find_renames(aliases, read_series(connection))
    connection.execute(_TABLE_OF_ALIASES)
    if rows := _rows(renames):
        connection.executemany("INSERT INTO files.aliases VALUES (?, ?, ?, ?)", rows)
    connection.execute("".join(map(_view, _RENAMED)))
    return AliasedViews(renames)


def _rows(renames: Renames) -> list[tuple[str, ...]]:
    def row(rename: Rename) -> tuple[str, ...]:
        return (*rename.stored, *rename.shown)

    return [row(rename) for rename in renames.renames]


def _literal(name: str) -> str:
    """Write a name for a shell, which could take a line in it for one of its commands."""
    return sql_value(name) if name.isprintable() else f"decode(unhex('{name.encode().hex()}'))"


def _in_schemas(statement: str, source: str, schema: str) -> str:
    return statement.replace(f"{STORED}.", f"{source}.").replace("files.", f"{schema}.")


def _view(table: str) -> str:
    return f"CREATE OR REPLACE VIEW files.{table} AS {_read(table)};"


def _views_of_several() -> str:
    named = {
        "separate_series": "series",
        "points_of_several": "points_of_several",
        "server_values_of_several": "server_values",
    }
    return "".join(
        f"CREATE OR REPLACE VIEW files.{view} AS {_read(file)};\n" for view, file in named.items()
    )


def _united_rows() -> str:
    """Return the SQL that computes the table ``series``, for the series under several names."""
    sql = read_sql(_PARTS, "series.sql")
    for stored, here in _SOURCES.items():
        assert stored in sql
        sql = sql.replace(stored, here)
    return sql


def _read(name: str) -> str:
    return read_sql(__package__, f"{name}.sql")
