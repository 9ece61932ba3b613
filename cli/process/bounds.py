"""Limits of a query that hold whatever DuckDB does: they end the process.

DuckDB's interrupt and its ``memory_limit`` come first and end most queries with an ordinary error.
A query that ignores both is ended here. Only commands do this: a library must not end the process
of its caller.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clearml_snapshot.cli.process.ending import GRACE, end_now
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.queries.limits import more_memory, time_is_up

if sys.platform == "win32":  # there is only DuckDB's own limit
    resource = None
else:
    import resource

_LOOK_EVERY: Final = 0.02
"""Seconds; in that time DuckDB fills at most about 60 MB (measured on 2 cores)."""

_MARGIN: Final = 512 * 2**20
"""Bytes for the program itself and for what DuckDB does not count; see ``most_more``."""

_MOST_BYTES: Final = 2**62
"""No limit is written as 16 EiB, which the system does not accept."""

_STATM: Final = Path("/proc/self/statm")
_USED: Final = 1
_RESERVED: Final = 5
"""Columns of statm, in pages: resident, and data with stacks (proc_pid_statm(5))."""


@contextmanager
def ended_after(seconds: float | None) -> Iterator[None]:
    """End the process if the block takes longer than this and ``GRACE``; None means no limit.

    Python's other threads wait while one long operation of Python itself runs, such as a search in
    a text of many gigabytes. A C thread ends the process then, after another ``GRACE`` and without
    a message.
    """
    if seconds is None:
        yield
        return
    latest = min(seconds, threading.TIMEOUT_MAX / 2) + GRACE
    timer = threading.Timer(latest, end_now, (ExitCode.FAILED, time_is_up(seconds)))
    timer.daemon = True
    timer.start()
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(latest + GRACE, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            timer.cancel()


def most_more(limit: int) -> int:
    """Return how many bytes the process may use in addition to those at the start.

    The limit, an eighth of it and 512 MiB, because DuckDB only counts its buffers. A join that
    spilled to disk used 15 % more than its limit (duckdb 2.0.1, limits of 0.2 to 2 GB).

    Args:
        limit: DuckDB's own, in bytes.
    """
    return limit + limit // 8 + _MARGIN


@contextmanager
def within_memory(limit: int) -> Iterator[None]:
    """Keep the memory of the process near DuckDB's limit while the block runs.

    There are two limits, because neither is enough. The system refuses more than twice
    ``most_more``, which DuckDB and Python report as an error; it counts reserved memory, and a
    normal join reserves 1.8 times its limit. A thread watches the memory in use, and ends the
    process beyond ``most_more``. Windows has neither.

    Args:
        limit: DuckDB's own, in bytes.
    """
    if resource is None:
        yield
        return
    done, most = threading.Event(), _resident() + most_more(limit)

    def watch() -> None:
        while not done.wait(_LOOK_EVERY):
            used = _resident()
            if used > most:
                end_now(ExitCode.FAILED, _too_much(used, limit))

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    try:
        with _refusing_more_than(2 * most_more(limit)):
            yield
    finally:
        done.set()
        watcher.join()


def _too_much(used: int, limit: int) -> str:
    return (
        f"out of memory: the query made the program use {size_in_words(used)}, and the limit is "
        f"{size_in_words(limit)}; {more_memory()}"
    )


@contextmanager
def _refusing_more_than(more: int) -> Iterator[None]:
    """Let the system refuse more memory than this in addition to what is in use (Linux only)."""
    if not _STATM.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    given = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    most = min(_pages(_RESERVED) + more, _MOST_BYTES, *given)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _resident() -> int:
    """Return the memory in use, in bytes; without /proc, the maximum so far."""
    if _STATM.exists():
        return _pages(_USED)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _pages(column: int) -> int:
    return int(_STATM.read_bytes().split()[column]) * resource.getpagesize()
