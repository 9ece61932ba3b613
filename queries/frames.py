"""Copies tables of the caller into a connection of their own, where SQL reads them by name.

They are copied because a reader can be read once only, and because a frame that changes later must
not change an answer. They end with the connection, and the connection with its last relation.
"""

import re
from collections.abc import Mapping
from typing import Final

import duckdb

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.engine.sql_text import sql_name
from clearml_snapshot.queries.ask.definitions import definitions
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.duckdb_errors import in_one_line, translating_errors

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCE: Final = "clearml_snapshot_frame"
"""The name of a frame while it is copied."""


def copy_frames(connection: duckdb.DuckDBPyConnection, frames: Mapping[str, object]) -> None:
    """Copy frames into temporary tables of a connection.

    Args:
        connection: a connection that nothing else uses.
        frames: by name, each a DataFrame of pandas or Polars, or an object with
            ``__arrow_c_stream__``, such as a table or a reader of Arrow.

    Raises:
        UsageError: a name is not plain, or means something in the dataset; or a frame is of
            another type, or DuckDB cannot read it.
    """
    if not isinstance(frames, Mapping):
        raise UsageError(f"`tables`: give a dict of frames by name, not a {type(frames).__name__}")
    with translating_errors():
        rows = connection.execute(read("lookups/names_taken.sql")).fetchall()
    taken = {name for (name,) in rows} | {name.lower() for name in definitions()}
    for name, frame in frames.items():
        _check_name(name, taken)
        _check_type(name, frame)
        taken.add(name.lower())
    for name, frame in frames.items():
        _copy(connection, name, frame)


def _check_name(name: object, taken: set[str]) -> None:
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise UsageError(
            f"`tables`: {name!r} is not a plain name; use letters, digits and _, and begin with a "
            "letter"
        )
    if name.lower() in taken:
        raise UsageError(f"`tables`: the name {name!r} is taken; choose another")


def _check_type(name: str, frame: object) -> None:
    if isinstance(frame, type) or not (hasattr(frame, "__arrow_c_stream__") or _is_pandas(frame)):
        raise UsageError(
            f"`tables`: {name!r} is of type {type(frame).__name__}; give a DataFrame of pandas or "
            "Polars, or a table or reader of Arrow"
        )


def _is_pandas(frame: object) -> bool:
    """Return whether it is a DataFrame of pandas, which had no Arrow interface before 2.2."""
    kind = type(frame)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"


def _copy(connection: duckdb.DuckDBPyConnection, name: str, frame: object) -> None:
    try:
        connection.register(_SOURCE, frame)
        try:
            connection.execute(f"CREATE TEMP TABLE {sql_name(name)} AS FROM {_SOURCE}")
        finally:
            connection.unregister(_SOURCE)
    except duckdb.OutOfMemoryException:
        with translating_errors():
            raise
    except duckdb.Error as error:
        why = in_one_line(error).partition(". Detail: ")[0]  # Arrow adds the traceback
        raise UsageError(f"`tables`: cannot read {name!r}: {why}") from error
