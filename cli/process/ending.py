"""Ends the process immediately from any thread, whatever the main thread is doing."""

import os
import threading
from contextlib import suppress
from typing import Final, NoReturn

from clearml_snapshot.cli.output.terminal import complain
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.store.disk.leftovers import remove_leftovers

GRACE: Final = 3.0
"""Seconds; a query that ignores an interrupt for this long is ended with the process.

DuckDB checks for interrupts between batches of rows, and some functions work longer on one row: the
similarity of two texts of 4 MB takes hours (seen with duckdb 2.0.1).
"""

_TIDYING: Final = 2.0
"""Seconds for the message and for temporary files: a full pipe or a failed disk may block them."""

_ending: Final = threading.Lock()


def end_now(code: ExitCode, text: str) -> NoReturn:
    """Write the error, remove this process's temporary files, and end it.

    Neither ``finally`` nor ``atexit`` runs, and stdout is not flushed, because the main thread may
    block it. A file of ``-o`` is replaced only when it is complete, so it stays unchanged.

    Args:
        code: the exit code.
        text: the error, without ``error:``.
    """
    _ending.acquire()  # never released, so that two reasons to end print one line
    tidying = threading.Thread(target=_tidy, args=(text,), name="tidying", daemon=True)
    with suppress(RuntimeError):  # out of memory: no thread can be started
        tidying.start()
        tidying.join(_TIDYING)
    os._exit(code)


def _tidy(text: str) -> None:
    with suppress(OSError, ValueError):
        complain(text)
    remove_leftovers()
