"""Writes names and values as SQL text, and reads the SQL files of a package."""

import math
from collections.abc import Iterable
from datetime import datetime
from importlib.resources import files


def read_sql(package: str, file_name: str) -> str:
    """Read a file of SQL that is beside the modules of a package."""
    return files(package).joinpath(file_name).read_text(encoding="utf-8")


def sql_name(name: str) -> str:
    """Quote the name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


def sql_value(value: object) -> str:
    """Write a value as DuckDB reads it: NULL, a number, a text, or a list of such values.

    Other values, such as infinite numbers and times, become texts that need a cast.
    """
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, datetime):
        return sql_value(value.isoformat())
    if isinstance(value, Iterable):
        return "[" + ", ".join(map(sql_value, value)) + "]"
    return sql_value(str(value))


def distinct_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Number repeated names of columns, as DuckDB does, which ignores case in names.

    An empty name, which DuckDB refuses, becomes ``_``.

    Args:
        names: the names in their order; the first of several equal ones is kept.
        taken: names that other columns have already.
    """
    used = {name.casefold() for name in taken}
    distinct = []
    for name in names:
        candidate, number = name or "_", 0
        while candidate.casefold() in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate.casefold())
        distinct.append(candidate)
    return distinct
