"""One connection per thread: DuckDB refuses a call on a connection that another thread is using."""

import threading
import weakref
from typing import Self

import duckdb

from clearml_snapshot.exporter.errors import UsageError


class Cursors:
    """Connections to one database with the same restrictions; a context manager that closes them.

    Args:
        first: the connection of the thread that opened the database. Its settings must be global,
        because a new connection does not have session settings.
    """

    def __init__(self, first: duckdb.DuckDBPyConnection) -> None:
        self._first = first
        self._own = threading.local()
        self._own.connection = first
        self._own.beside = weakref.WeakSet()
        self._made: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def here(self) -> duckdb.DuckDBPyConnection:
        """The connection of the calling thread; it is closed with the thread.

        Raises:
            UsageError: the connections are closed.
        """
        if not hasattr(self._own, "connection"):
            self._own.connection = self._new()
            self._own.beside = weakref.WeakSet()
        connection: duckdb.DuckDBPyConnection = self._own.connection
        return connection

    @property
    def beside_here(self) -> "weakref.WeakSet[duckdb.DuckDBPyConnection]":
        """What `beside` has given to the calling thread and is still in use."""
        _ = self.here
        made: weakref.WeakSet[duckdb.DuckDBPyConnection] = self._own.beside
        return made

    def beside(self) -> duckdb.DuckDBPyConnection:
        """Make one more connection for the calling thread; it ends with its last relation.

        Raises:
            UsageError: the connections are closed.
        """
        connection = self._new()
        self.beside_here.add(connection)
        return connection

    def _new(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._is_closed:
                raise UsageError("this dataset is closed; open it again")
            connection = self._first.cursor()
            self._made.add(connection)
        return connection

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._is_closed = True
            for connection in (*self._made, self._first):
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
