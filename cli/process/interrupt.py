"""Lets Ctrl-C end a query, whatever DuckDB is doing at that moment."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from clearml_snapshot.cli.process.ending import GRACE, end_now
from clearml_snapshot.exporter.errors import ExitCode

_AGAIN: Final = 0.02
"""Seconds between repeated interrupts: one that arrives between two statements stops neither."""


class Interruptible:
    """A block that the first Ctrl-C ends within seconds, and a second one immediately.

    Python raises KeyboardInterrupt in the main thread, between two steps of Python code only.
    DuckDB checks for Ctrl-C only while the main thread waits for others: if the main thread works
    on a part itself and that part does not end, Ctrl-C is lost (seen with duckdb 2.0.1 in a join of
    two ranges). So the signal also wakes a thread here, which interrupts DuckDB.

    SIGTERM acts like the first Ctrl-C, see ``terminated_as_interrupted``. Outside the main thread
    nothing changes, because Python delivers no signals there.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; also replaces the error that DuckDB raised for it.
    """

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []
        self._lock, self._done = threading.Lock(), threading.Event()
        self._was_pressed = False
        self._is_watched = threading.current_thread() is threading.main_thread()

    @contextmanager
    def stopped_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call ``stop`` after Ctrl-C, repeatedly until the block ends."""
        with self._lock:
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def __enter__(self) -> Self:
        if self._is_watched:
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._watcher = threading.Thread(target=self._watch, name="interrupt", daemon=True)
            self._watcher.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._is_watched:
            signal.set_wakeup_fd(self._before)
            self._done.set()
            os.close(self._writer)
            self._watcher.join()
            os.close(self._reader)
        if self._was_pressed and error is not None and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from None

    def _watch(self) -> None:
        signals = b""
        while not {signal.SIGINT, signal.SIGTERM}.intersection(signals):
            signals = os.read(self._reader, 64)
            if not signals:
                return
        pressed = signals.count(signal.SIGINT)
        self._was_pressed = True
        os.set_blocking(self._reader, False)
        ends = time.monotonic() + GRACE
        while not self._done.wait(_AGAIN):
            with suppress(BlockingIOError):
                pressed += os.read(self._reader, 64).count(signal.SIGINT)
            if pressed > 1 or time.monotonic() > ends:
                end_now(ExitCode.INTERRUPTED, "interrupted")
            with self._lock:
                for stop in self._stops:
                    stop()
