"""Checks single values that readers cannot handle: times without a date, invalid metric filters."""

from collections.abc import Iterator
from typing import Final

import duckdb

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.filter_text import read_filter
from clearml_snapshot.exporter.store.engine.sql_text import read_sql, sql_name
from clearml_snapshot.exporter.store.format.schema import TABLES

_FIRST: Final = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"
_LAST: Final = "TIMESTAMPTZ '9999-12-31 23:59:59.999+00'"
_SHOWN: Final = 10


def value_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Find values that no export writes, in the views of the tables.

    Every text is read once, so that DuckDB reports any that is not UTF-8. Points are not read: see
    ``points``.

    Yields:
        One line per column and kind.

    Raises:
        duckdb.Error: a text is not UTF-8.
    """
    for table in [name for name in TABLES if name != "scalars"]:
        yield from _column_problems(connection, table)
    yield from _filter_problems(connection)


def _column_problems(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[str]:
    rows = connection.view(table)
    kinds = dict(zip(rows.columns, map(str, rows.types), strict=True))
    times = [name for name, kind in kinds.items() if kind == "TIMESTAMP WITH TIME ZONE"]
    texts = [name for name, kind in kinds.items() if kind.startswith("VARCHAR")]
    counts = [f"count(*) FILTER ({sql_name(c)} NOT BETWEEN {_FIRST} AND {_LAST})" for c in times]
    read = [f"max(length({sql_name(c)}))" for c in texts]
    ((*figures,),) = rows.aggregate(", ".join([*counts, *read])).fetchall()
    for name, count in zip(times, figures[: len(times)], strict=True):
        if count:
            yield f"{table}: {name} of {count:,} rows is not in the years 1 to 9999"


def _filter_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    filters = connection.execute(read_sql(__package__, "metric_filters.sql")).fetchall()
    problems = 0
    for text, task_id, count in filters:
        try:
            read_filter(text)
        except DatasetError:
            problems += 1
            if problems <= _SHOWN:
                yield (
                    f"tasks: metric_filter of {count:,} rows was not written by clearml-snapshot "
                    f"({task_id}, …)"
                )
    if problems > _SHOWN:
        yield f"tasks: {problems - _SHOWN:,} more metric_filters not written by clearml-snapshot"
