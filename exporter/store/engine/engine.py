"""Lends DuckDB connections for internal lookups, separate from the one for users' queries.

Starting one takes 17 ms of CPU, more than most lookups. So a finished instance is kept, empty, and
used again for the next lookup with the same limits.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.store.engine.file_names import literal
from clearml_snapshot.exporter.store.engine.reading_errors import readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


_BEGIN: Final = """
    ATTACH ':memory:' AS lent;  -- what is made in the block is dropped with it
    USE lent;
    SET TimeZone = 'UTC';
    SET enable_progress_bar = false;  -- `python -c` would show it on stdout
"""
_SHORT: Final = 0.2
"""Seconds of CPU in which not much memory is taken; on a busy machine, anything takes long."""

_idle: Final[dict[frozenset[tuple[str, object]], list[duckdb.DuckDBPyConnection]]] = {}
_lock: Final = threading.Lock()


@contextmanager
def engine(
    *, spill: Path | None = None, **settings: str | int
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend an exclusive connection to a DuckDB in memory; times are UTC.

    Tables, views and settings of the session end with the block. An instance whose block
    failed, that wrote to its spill folder, or that worked for long is closed to free its memory.

    Args:
        spill: a folder for what does not fit into memory, in one that exists; without it, DuckDB
            takes one in the working folder.
        settings: of DuckDB, by their names.
    """
    key = frozenset({**settings, "spills": spill is not None}.items())
    with _lock:
        waiting = _idle.get(key)
        instance = waiting.pop() if waiting else None
    instance = instance or _started(settings)
    is_good, begun = False, time.process_time()
    try:
        with instance.cursor() as connection:
            connection.execute(_BEGIN)
            if spill is not None:
                connection.execute("SET temp_directory = $spill", {"spill": literal(spill)})
            yield connection
            connection.execute("USE memory; DETACH lent")
        is_good = time.process_time() - begun < _SHORT and not (spill and spill.exists())
    finally:
        if is_good:
            with _lock:
                _idle.setdefault(key, []).append(instance)
        else:
            instance.close()


@contextmanager
def small_engine(
    *, spill: Path | None = None, **settings: str | int
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a connection as ``engine`` does, with two threads and 96 MB.

    Args:
        spill: as for ``engine``.
        settings: further ones.
    """
    with engine(spill=spill, **{"threads": 2, "memory_limit": "96MB", **settings}) as connection:
        yield connection


def query_stored(place: Path | str, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Query stored files in a small DuckDB.

    Args:
        place: of the snapshot that the files are of, for errors.
        sql: one statement.
        parameters: its named parameters; file names as ``literals`` gives them.

    Raises:
        DatasetError: a file is damaged.
    """
    with readable(place), small_engine() as connection:
        return connection.execute(sql, parameters).fetchall()


def _started(settings: dict[str, str | int]) -> duckdb.DuckDBPyConnection:
    import duckdb  # not every command needs it

    # Its cache would keep contents of files that are not read again.
    return duckdb.connect(config={"enable_external_file_cache": False, **settings})
