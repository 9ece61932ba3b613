"""Creates the views and macros of ``views.sql`` in a DuckDB when a statement needs them."""

import re
import threading
from collections.abc import Iterable
from typing import Final

import duckdb

from clearml_snapshot.queries.ask.definitions import definitions, needed, without_comments
from clearml_snapshot.queries.ask.header import read

_LISTS_THEM: Final = re.compile(
    r"\b(show|describe|information_schema|duckdb_\w+|pg_\w+|sqlite_\w+)\b", re.IGNORECASE
)
"""Statements that may list all views and macros."""


_TABLES: Final = ("tasks", "series", "hyperparams", "exports", "scalars", "params")
"""The views that name columns of the files, so that creating them shows whether the columns exist.

``series`` takes all columns, see ``series_columns.sql``.
"""


class Views:
    """The views and macros of one database, which several threads may use.

    Those of the tables are created when it is opened, each other one before the first statement
    that needs it. Creating all of them takes 30 ms, as long as the answer to a short question.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._created: set[str] = set()

    def create_tables(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the views of the tables.

        Raises:
            duckdb.Error: a file cannot be read, or lacks a column.
        """
        self._create(needed(" ".join(_TABLES)), connection)
        connection.sql(read("series_columns.sql"))  # only binds it

    def create_for(self, statement: str, connection: duckdb.DuckDBPyConnection) -> None:
        """Create what a statement needs."""
        if _LISTS_THEM.search(without_comments(statement)):
            self.create_all(connection)
        else:
            self._create(needed(statement), connection)

    def create_all(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Create the others, and return whether there were any."""
        return self._create(definitions(), connection)

    def _create(self, names: Iterable[str], connection: duckdb.DuckDBPyConnection) -> bool:
        """Create them on a connection of their own: an answer that is being read would end."""
        with self._lock:
            missing = [name for name in names if name not in self._created]
            if missing:
                with connection.cursor() as other:
                    other.execute("".join(map(definitions().__getitem__, missing)))
                self._created.update(missing)
        return bool(missing)
