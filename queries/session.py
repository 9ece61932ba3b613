"""Opens a DuckDB that can read the files of one snapshot and nothing else."""

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import duckdb

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.sizes import size_in_bytes
from clearml_snapshot.exporter.store.disk.leftovers import is_removed, remove_at_end
from clearml_snapshot.exporter.store.engine.file_names import is_pattern, literal, literals
from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.exporter.store.format.layout import DOUBLES, TABLE_NAMES, missing_columns
from clearml_snapshot.exporter.store.format.shared_views import SCHEMA, outside_views
from clearml_snapshot.exporter.store.own_cache import spill_folder
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.cursors import Cursors
from clearml_snapshot.queries.duckdb_errors import in_one_line
from clearml_snapshot.queries.limits import time_is_up
from clearml_snapshot.queries.result import Result

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # otherwise `FROM x` would find the caller's Python variable x
    "python_enable_replacements": False,
    "preserve_insertion_order": True,
}

FILES: Final = "files"
"""The schema of the tables of a snapshot."""

_PACKED_POINTS: Final = "points_still_in_the_pack"
"""What the view ``scalars`` reads while the points of a pack are not unpacked."""

_USUAL_MEMORY: Final = "50%"
"""Of the machine's memory or, if it is less, of what its container may use: DuckDB asks both."""
_USUAL_MOST: Final = 4_000_000_000
"""Bytes; what a question needs beyond that goes to disk."""

_THREADS_THAT_WAIT: Final = 8
"""Threads for files that are elsewhere: each waits for its requests, 30 ms and more."""

_INTERRUPT_EVERY: Final = 0.02
"""Seconds between interrupts; they are repeated, as one between two statements stops neither."""


def connect(
    snapshot: Snapshot,
    *,
    points: bool = True,
    schema: str = FILES,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory with the tables of a snapshot as views in a schema.

    Args:
        snapshot: whose files to read.
        points: whether the files of ``scalars`` are there; if not, ``add_points`` makes the view
            later.
        schema: the schema of the views.
        threads: threads of DuckDB; None means one per core, and at least 8 if the files are in a
            bucket or on a web server.
        memory_limit: in DuckDB's format, ``2GB``; None means half of the memory of the machine or
            container, at most 4 GB.

    Raises:
        UsageError: DuckDB does not accept ``threads`` or ``memory_limit``.
    """
    connection = start(threads=threads, memory_limit=memory_limit)
    if threads is None and snapshot.elsewhere is not None:
        _wait_together(connection)
    connection.execute("CREATE SCHEMA picked")
    show(connection, snapshot, schema, points=points)
    return connection


def start(
    *, threads: int | None = None, memory_limit: str | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB in memory; ``connect`` describes the arguments.

    Raises:
        UsageError: DuckDB does not accept ``threads`` or ``memory_limit``.
    """
    spill = spill_folder()
    settings = dict(
        _SETTINGS,
        temp_directory=literal(spill) if spill else "",
        memory_limit=_USUAL_MEMORY if memory_limit is None else memory_limit,
    )
    if threads is not None:
        settings["threads"] = threads
    try:
        connection = duckdb.connect(":memory:", config=settings)
    except duckdb.Error as error:
        wrong = f"threads {threads}, memory limit {memory_limit}"
        raise UsageError(f"DuckDB cannot start with {wrong}: {in_one_line(error)}") from error
    if spill:
        remove_at_end(spill)  # DuckDB does, unless the process ends at once
        weakref.finalize(connection, is_removed, spill).atexit = False
    if memory_limit is None and memory_limit_of(connection) > _USUAL_MOST:
        connection.execute(f"SET memory_limit = '{_USUAL_MOST}B'")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # a session's would not be its cursors'
    connection.execute("SET enable_progress_bar = false")  # `python -c` would show it on stdout
    return connection


def _wait_together(connection: duckdb.DuckDBPyConnection) -> None:
    """Let more threads than cores wait for requests."""
    rows = connection.execute("SELECT current_setting('threads')").fetchall()
    connection.execute(f"SET threads = {max(_THREADS_THAT_WAIT, rows[0][0])}")


def show(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, schema: str, *, points: bool = True
) -> None:
    """Make a schema with a view per table that has files.

    Without points, the view ``scalars`` reads another one, which ``hide_points`` removes.
    """
    connection.execute(f"CREATE SCHEMA {schema}")
    if snapshot.elsewhere is not None:
        snapshot.elsewhere.register(connection)
    # Text from someone else is never put into SQL.
    listed = {entry.table for entry in snapshot.files}
    for table in filter(listed.__contains__, TABLE_NAMES):
        if points or table != "scalars":
            connection.execute(f"CREATE VIEW {schema}.{table} AS {_reading(table, snapshot)}")
            if table in DOUBLES and _may_mislead(connection, snapshot):
                reading = _reading(table, snapshot, any_bounds=False)
                connection.execute(f"CREATE OR REPLACE VIEW {schema}.{table} AS {reading}")
        else:
            packed = f"{schema}.{_PACKED_POINTS}"
            connection.execute(f"CREATE VIEW {packed} AS {read('packed_points.sql')}")
            connection.execute(f"CREATE VIEW {schema}.scalars AS FROM {packed}")


def _may_mislead(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> bool:
    """Return whether files may have bounds that leave NaN out, which DuckDB skips rows by.

    Versions before 0.2.0.dev5 wrote such bounds. Only the footers of ``series`` are read, which
    tell whether a series has NaN or infinities.
    """
    files = _named(snapshot, "series")
    if not files:  # a part of a snapshot
        return True
    return connection.execute(read("lookups/nonfinite.sql"), [files]).fetchone() is not None


def views_script(snapshot: Snapshot, schema: str = SCHEMA, over_them: str = "") -> str:
    """Write SQL for another DuckDB that makes the views of ``open.sql`` and names every file.

    Args:
        snapshot: whose files to read; they must not be in a pack.
        schema: the schema of the tables.
        over_them: SQL that makes the schema of ``open.sql`` if it is another one.
    """
    listed = {entry.table for entry in snapshot.files}
    with start() as connection:
        show(connection, snapshot, FILES)
        any_bounds = not _may_mislead(connection, snapshot)
    views = (
        f"CREATE OR REPLACE VIEW {schema}.{table} AS "
        f"{_reading(table, snapshot, any_bounds=any_bounds)};\n"
        for table in filter(listed.__contains__, TABLE_NAMES)
    )
    begin = f"SET TimeZone = 'UTC';\nCREATE SCHEMA IF NOT EXISTS {schema};\n"
    return begin + "".join(views) + over_them + outside_views()


def hide_points(connection: duckdb.DuckDBPyConnection, schema: str = FILES) -> None:
    """Refuse statements that read points, however they name them, until ``add_points``.

    DuckDB finds out itself, when it binds a statement: ``get_table_names`` takes no parameters.
    """
    connection.execute(f"DROP VIEW {schema}.{_PACKED_POINTS}")


def reads_hidden_points(error: duckdb.Error) -> bool:
    """Return whether a statement was refused because it reads points that are still packed."""
    return isinstance(error, duckdb.CatalogException) and _PACKED_POINTS in str(error)


def add_points(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, schema: str = FILES
) -> None:
    """Add the view of points that were not there when the connection was opened."""
    from clearml_snapshot.exporter.store.pack.cache import with_points  # only packs need it

    with_points(snapshot)
    reading = _reading("scalars", snapshot, any_bounds=not _may_mislead(connection, snapshot))
    connection.execute(f"CREATE OR REPLACE VIEW {schema}.scalars AS {reading}")


def confine(
    connection: duckdb.DuckDBPyConnection,
    snapshots: Iterable[Snapshot],
    folders: Iterable[Path] = (),
) -> None:
    """Restrict DuckDB to the snapshots' files, and lock this setting.

    Not ``allowed_directories``: ``EXPLAIN ANALYZE COPY … TO`` could write into them.

    Args:
        connection: a connection from ``connect`` or ``start``.
        snapshots: whose files stay readable.
        folders: their present files stay readable too; links are not followed.

    Raises:
        UsageError: one of them is not a folder, cannot be read, or has a name that SQL cannot
            express.
    """
    allowed = [p for snapshot in snapshots for t in TABLE_NAMES for p in _named(snapshot, t)]
    allowed += [path for folder in folders for path in _files_below(folder)]
    connection.execute(f"SET allowed_paths = {sql_value(allowed)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def ending_after(interrupt: Callable[[], None], seconds: float | None) -> Iterator[None]:
    """Interrupt queries in this block if they take longer; None means no limit.

    Raises:
        SnapshotError: the time is up.
    """
    if seconds is None:
        yield
        return
    over, done = threading.Event(), threading.Event()
    longest = min(seconds, threading.TIMEOUT_MAX)

    def watch() -> None:
        if not done.wait(longest):
            over.set()
            while not done.wait(_INTERRUPT_EVERY):
                interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except (SnapshotError, duckdb.Error, KeyboardInterrupt):
        if not over.is_set():
            raise
        raise SnapshotError(time_is_up(seconds)) from None
    finally:
        done.set()
        watcher.join()


def memory_limit_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Return DuckDB's own limit for its buffers, in bytes."""
    [(text,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    return size_in_bytes(text)


class Interruptible(Protocol):
    """What can be told from any thread, again and again, to stop what it does."""

    def interrupt(self) -> None:
        """Stop what runs now."""


class Session:
    """An open DuckDB for several threads; the base of a dataset and of a comparison."""

    _cursors: Cursors
    _open: ExitStack

    def __init__(self) -> None:
        self._others: Final[weakref.WeakSet[Interruptible]] = weakref.WeakSet()
        """Connections of another DuckDB, or others, that answer questions to this one."""
        self._beside: Final[
            weakref.WeakKeyDictionary[duckdb.DuckDBPyRelation, duckdb.DuckDBPyConnection]
        ] = weakref.WeakKeyDictionary()
        """The connections of relations that do not have the one of their thread."""

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._cursors.here

    def own_connection(self) -> duckdb.DuckDBPyConnection:
        """Make one more connection of the calling thread, for tables of its own; close it."""
        return self._cursors.beside()

    @contextmanager
    def ending_after(self, seconds: float | None) -> Iterator[None]:
        """Interrupt what runs in this block if it takes longer; None means no limit.

        The interrupt stops DuckDB between batches of rows. A function that works long on one row
        reacts late or never (the similarity of two texts of 4 MB), and nothing here ends your
        process: if the limit must be certain, query in a process that can be killed, or run
        ``clearml-snapshot sql --query-timeout``, which ends its own process.

        Raises:
            SnapshotError: the time is up.
        """
        with ending_after(self.interrupter(), seconds):
            yield

    @property
    def memory_limit(self) -> int:
        """DuckDB's limit for its buffers, in bytes; DuckDB uses more memory than that."""
        return memory_limit_of(self._connection)

    def result(self, *relations: duckdb.DuckDBPyRelation, is_materialized: bool = False) -> Result:
        """Return what reads relations of the calling thread, one by one, in bounded memory."""
        connection = self._beside.get(relations[0]) if relations else None
        return Result(connection or self._connection, relations, are_materialized=is_materialized)

    def interrupter(self) -> Callable[[], None]:
        """Return a function that interrupts the calling thread's queries, from any thread."""
        own, others = self._connection.interrupt, (self._others, self._cursors.beside_here)

        def interrupt() -> None:
            own()
            with suppress(RuntimeError):  # one was added at this moment; interrupts are repeated
                for other in [other for several in others for other in several]:
                    with suppress(duckdb.ConnectionException):  # it was closed at this moment
                        other.interrupt()

        return interrupt

    @contextmanager
    def also_interrupting(self, other: Interruptible) -> Iterator[None]:
        """Interrupt this as well, while the block runs, if queries of this session are."""
        self._others.add(other)
        try:
            yield
        finally:
            self._others.discard(other)

    def close(self) -> None:
        """Close everything; relations can no longer be read."""
        self._open.close()


def _files_below(folder: Path) -> Iterator[str]:
    """List the files of a folder without links, which may lead out of it."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read the folder {error.filename}: {error.strerror}")

    if is_pattern(str(folder.resolve())):
        raise UsageError(
            f"SQL cannot read files in {folder}: DuckDB treats * ? [ in a path as a pattern; "
            "rename the folder"
        )
    for parent, _, names in os.walk(folder.resolve(), onerror=refuse):
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield str(path)


def _named(snapshot: Snapshot, table: str) -> list[str]:
    """Return the names by which DuckDB reads a table's files."""
    paths = snapshot.paths(table)
    return literals(paths) if snapshot.elsewhere is None else paths


def _reading(table: str, snapshot: Snapshot, *, any_bounds: bool = True) -> str:
    """Write the SELECT over a table's files: an explicit list, never a glob.

    Without bounds, no condition on a double reaches the files, where it could skip rows.
    """
    files = sql_value(_named(snapshot, table))
    missing = missing_columns(table, snapshot.format_version).items()
    newer = "".join(f", NULL::{kind} AS {name}" for name, kind in missing)
    partitions = "true" if table == "scalars" else "false"
    doubles = () if any_bounds else DOUBLES.get(table, ())
    same = ", ".join(f"if(isnan({name}), 'nan', {name}) AS {name}" for name in doubles)
    replaced = f" REPLACE ({same})" if same else ""
    return (
        f"SELECT *{replaced}{newer} FROM read_parquet({files}, hive_partitioning = {partitions}, "
        "hive_types_autocast = false)"
    )
