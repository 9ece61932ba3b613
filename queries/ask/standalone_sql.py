"""Renders a query as standalone SQL for a DuckDB that has read a snapshot's ``open.sql``."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import sql_name, sql_value
from clearml_snapshot.queries.ask.header import Param, Query, read

_TABLES: Final = ("tasks", "hyperparams", "series", "scalars", "exports")
_CREATE: Final = re.compile(r"^CREATE (?:OR REPLACE )?(VIEW|MACRO) (\w+)", re.MULTILINE)
_PARAMETER: Final = re.compile(r"\$([a-z_]+)")
_HEAD: Final = """\
-- For a DuckDB that has read the snapshot's open.sql: duckdb -init open.sql, in its folder.
CREATE SCHEMA IF NOT EXISTS picked;
CREATE SCHEMA IF NOT EXISTS asked;
"""


def standalone(query: Query, values: Mapping[str, Any], ids: Sequence[str] | None = None) -> str:
    """Write a query with everything that it needs: views, the tasks chosen, its parameters.

    Parameters become variables, so that they can be changed and the SELECT sent again. The SELECT
    itself gives long rows also where the command makes columns.

    Args:
        query: the query.
        values: what is bound to its parameters; what is missing is NULL.
        ids: the tasks that a filter selects; None means no filter.
    """
    parts = [_HEAD, *(_picked(table, ids) for table in _TABLES), "USE asked;\n\n"]
    parts += [f"{view}\n\n" for view in _needed(query.sql)]
    parts += [_variable(param, values.get(param.name)) for param in query.params]
    return "".join([*parts, "\n", _PARAMETER.sub(r"getvariable('\1')", query.sql)])


def _variable(param: Param, value: object) -> str:
    return f"SET VARIABLE {sql_name(param.name)} = {sql_value(value)}::{param.type};\n"


def _picked(table: str, ids: Sequence[str] | None) -> str:
    chosen = "" if ids is None or table == "exports" else f" WHERE task_id IN {sql_value(ids)}"
    return f"CREATE OR REPLACE VIEW picked.{table} AS FROM main.{table}{chosen};\n"


def _needed(sql: str) -> Iterator[str]:
    """Choose of our views and macros those that the SQL names, in the order of their file."""
    made = dict(_views())
    names: set[str] = set()
    todo = [sql]
    while todo:
        words = set(re.findall(r"\w+", todo.pop()))
        new = (words & made.keys()) - names
        names |= new
        todo += [made[name] for name in new]
    return (text for name, text in made.items() if name in names)


@cache
def _views() -> tuple[tuple[str, str], ...]:
    """Give every view and macro with the statement that makes it in the schema ``asked``."""
    with duckdb.connect() as connection:
        return tuple(_in_asked(connection.extract_statements(read("views.sql"))))


def _in_asked(statements: Iterable[duckdb.Statement]) -> Iterator[tuple[str, str]]:
    for statement in statements:
        text = statement.query.strip()
        text = text[: text.rindex(";") + 1]  # what follows is the comment of the next one
        match = _CREATE.search(text)
        assert match is not None, "views.sql creates views and macros"
        yield match[2], _CREATE.sub(r"CREATE OR REPLACE \1 asked.\2", text)
