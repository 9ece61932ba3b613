"""Renders a query as standalone SQL for a DuckDB that has read a snapshot's ``open.sql``."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from clearml_snapshot.exporter.store.engine.sql_text import sql_name, sql_value
from clearml_snapshot.queries.ask.definitions import CREATE, definitions, needed
from clearml_snapshot.queries.ask.header import Param, Query
from clearml_snapshot.queries.ask.statement import by_group

RENAMED: Final = "new_names"
"""The schema of series and points with new names."""
_TABLES: Final = ("tasks", "hyperparams", "series", "scalars", "exports")
_PARAMETER: Final = re.compile(r"\$([a-z_]+)")
_HEAD: Final = """\
-- For a DuckDB that has read the snapshot's open.sql: duckdb -init open.sql, in its folder.
CREATE SCHEMA IF NOT EXISTS picked;
CREATE SCHEMA IF NOT EXISTS asked;
"""


def standalone(
    query: Query,
    values: Mapping[str, Any],
    ids: Sequence[str] | None = None,
    renamed: str = "",
) -> str:
    """Write a query with everything that it needs: views, selected tasks and parameters.

    Parameters become variables, so that they can be changed and the SELECT run again. The SELECT
    returns long rows even if the command would pivot them.

    Args:
        query: the query.
        values: the values of its parameters; missing ones are NULL.
        ids: the tasks that a filter selects; None means no filter.
        renamed: SQL that makes series and points with new names of metrics in ``RENAMED``.
    """
    query = by_group(query, values)
    parts = [_HEAD, renamed]
    for table in _TABLES:
        schema = RENAMED if renamed and table in ("series", "scalars") else "main"
        parts.append(_picked(table, ids, schema))
    parts.append("USE asked;\n\n")
    parts += [f"{_in_asked(definitions()[name])}\n\n" for name in needed(query.sql)]
    parts += [_variable(param, values.get(param.name)) for param in query.params]
    return "".join([*parts, "\n", _PARAMETER.sub(r"getvariable('\1')", query.sql)])


def _variable(param: Param, value: object) -> str:
    return f"SET VARIABLE {sql_name(param.name)} = {sql_value(value)}::{param.type};\n"


def _picked(table: str, ids: Sequence[str] | None, schema: str) -> str:
    chosen = "" if ids is None or table == "exports" else f" WHERE task_id IN {sql_value(ids)}"
    return f"CREATE OR REPLACE VIEW picked.{table} AS FROM {schema}.{table}{chosen};\n"


def _in_asked(statement: str) -> str:
    return CREATE.sub(r"CREATE OR REPLACE \1 asked.\2", statement)
