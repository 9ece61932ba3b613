"""How many requests, how fast and how long: ceilings that the user set, and the end of it all.

One object for all threads of a server; whatever waits for its turn or for another try waits here,
so that nothing sleeps beyond a ceiling.
"""

import threading
import time
from typing import Final, NoReturn

from clearml_snapshot.exporter.errors import LimitReachedError, ServerError

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))
_LONG: Final = 5.0
"""Seconds from which on a pause is worth a word."""
_GO_ON: Final = "run it again to go on"


class StoppedError(LimitReachedError):
    """We ended our own requests (``stop``); no ceiling is reached, and no user reads this."""


class RequestBudget:
    """Gives each request its turn until a ceiling is reached; from then on nothing is sent.

    Args:
        max_requests: of all threads together, repetitions and logins too.
        max_rate: requests a second, evenly spread.
        max_seconds: from now.
    """

    def __init__(
        self,
        max_requests: int | None = None,
        max_rate: float | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self._max_requests = max_requests
        self._max_seconds = max_seconds
        self._until = self.now() + (float("inf") if max_seconds is None else max_seconds)
        self.interval: Final = 1 / max_rate if max_rate else 0.0
        """Seconds between two requests."""
        self._lock = threading.Lock()
        self._next = 0.0
        self._given = 0
        self._spent = threading.Event()
        self._stopped = threading.Event()
        self._paused_until = 0.0
        self._ended: str | None = None
        self.reached: str | None = None
        """The ceiling that has kept a request from being sent, in words."""

    @staticmethod
    def now() -> float:
        """Tell the seconds of the clock that every limit of a server is measured with."""
        return time.monotonic()

    @staticmethod
    def _wait(event: threading.Event, seconds: float) -> None:
        event.wait(seconds)

    @property
    def left(self) -> float:
        """Seconds until the ceiling of time."""
        return self._until - self.now()

    def acquire(self) -> None:
        """Wait until a request may be sent, and count it.

        Raises:
            StoppedError: ``stop`` was called.
            ServerError: ``end`` was called.
            LimitReachedError: a ceiling is reached; its text says which.
        """
        while self.pause_left:  # another thread may prolong it meanwhile
            self._wait(self._spent, min(self.pause_left, max(self.left, 0.0)))
            self._check_turns()
        with self._lock:
            self.check()
            if self._given == self._max_requests:
                self._end()
            self._given += 1
            if self._given == self._max_requests:
                self._spent.set()  # what sleeps until another try will never get one
            now = self.now()
            turn = max(self._next, now)
            self._next = turn + self.interval
        if turn > now:
            self._wait(self._stopped, min(turn - now, self.left))
            self.check()

    def sleep(self, seconds: float) -> None:
        """Wait before another try; raises as ``acquire`` does, without waiting for nothing."""
        self._wait(self._spent, min(seconds, max(self.left, 0.0)))
        self._check_turns()

    def _check_turns(self) -> None:
        self.check()
        if self._spent.is_set():
            self._end()

    def pause(self, seconds: float) -> bool:
        """Let no thread send anything for a while: the server asked for it.

        Returns:
            Whether it is long, and was not known of before.
        """
        with self._lock:
            before, until = self._paused_until, self.now() + seconds
            self._paused_until = max(before, until)
            return seconds >= _LONG and until > before + 1

    @property
    def pause_left(self) -> float:
        """Seconds until a pause ends; 0 when there is none."""
        return max(self._paused_until - self.now(), 0.0)

    def check(self) -> None:
        """Raise as ``acquire`` does if requests in flight have to end, too."""
        if self._ended is not None:
            raise ServerError(self._ended)
        if self._stopped.is_set():
            raise StoppedError("stopped")
        if self.left <= 0:
            self._end()

    def end(self, reason: str) -> None:
        """Send nothing further, and tell every thread why."""
        self._ended = self._ended or reason
        self.stop()

    def stop(self) -> None:
        """Let nothing be sent any more."""
        self._stopped.set()
        self._spent.set()

    def _end(self) -> NoReturn:
        if self.reached is None and self.left <= 0:
            self.reached = f"--max-time {_words(self._max_seconds or 0.0)} is reached"
        elif self.reached is None:
            self.reached = f"--max-requests {self._max_requests} is reached"
        raise LimitReachedError(f"{self.reached}; {_GO_ON}")


def _words(seconds: float) -> str:
    """Write a span as it is typed: 6h, 90m, 30s."""
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
