"""Limits requests by number, rate and time, and stops them on demand.

One object serves all threads of a server. A thread that waits to send a request, or to try again,
waits here, so that no wait exceeds a limit.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final, NoReturn

from clearml_snapshot.exporter.errors import LimitReachedError, ServerError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.spans import span_as_typed

_LONG: Final = 5.0
"""Pauses of at least this many seconds are reported."""
_CONTINUE: Final = "run it again to continue"


@dataclass(frozen=True)
class RequestLimits:
    """How long to wait for the server, and the limits on this run; None means no limit."""

    timeout: float = 60.0
    """Seconds for one request, from its first byte to its last."""
    give_up_after: float = 120.0
    """Seconds without a success after which the server counts as dead."""
    max_requests: int | None = None
    """Of the complete run, including repetitions and logins."""
    max_rate: float | None = None
    """Requests per second, of all threads together."""
    max_seconds: float | None = None
    """From the creation of the client to the end of its last request."""


class StoppedError(LimitReachedError):
    """``stop`` ended the requests; no limit is reached, and users do not see this."""


class RequestBudget:
    """Grants requests until a limit is reached; after that nothing is sent.

    Args:
        max_requests: of all threads together, including repetitions and logins.
        max_rate: requests per second, evenly distributed.
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
        self._granted = 0
        self._spent = threading.Event()
        self._stopped = threading.Event()
        self._paused_until = 0.0
        self._ended: str | None = None
        self.reached: str | None = None
        """A description of the limit that kept a request from being sent."""

    @staticmethod
    def now() -> float:
        """Return the time in seconds; all limits of a server are measured with this clock."""
        return time.monotonic()

    @staticmethod
    def _wait(event: threading.Event, seconds: float) -> None:
        event.wait(seconds)

    @property
    def left(self) -> float:
        """Seconds until the time limit."""
        return self._until - self.now()

    def acquire(self) -> None:
        """Wait until a request may be sent, and count it.

        Raises:
            StoppedError: ``stop`` was called.
            ServerError: ``end`` was called.
            LimitReachedError: a limit is reached; the text names it.
        """
        while self.pause_left:  # another thread may prolong it meanwhile
            self._wait(self._spent, min(self.pause_left, max(self.left, 0.0)))
            self._check_not_spent()
        with self._lock:
            self.check()
            if self._granted == self._max_requests:
                self._end()
            self._granted += 1
            if self._granted == self._max_requests:
                self._spent.set()  # threads that wait for another try will not get one
            now = self.now()
            send_at = max(self._next, now)
            self._next = send_at + self.interval
        if send_at > now:
            self._wait(self._stopped, min(send_at - now, self.left))
            self.check()

    def sleep(self, seconds: float) -> None:
        """Wait before another try; raises as ``acquire`` does, at once if no try is left."""
        self._wait(self._spent, min(seconds, max(self.left, 0.0)))
        self._check_not_spent()

    def _check_not_spent(self) -> None:
        self.check()
        if self._spent.is_set():
            self._end()

    def pause(self, seconds: float) -> bool:
        """Keep all threads from sending for a while, because the server requested it.

        Returns:
            Whether the pause is long and new.
        """
        with self._lock:
            before, until = self._paused_until, self.now() + seconds
            self._paused_until = max(before, until)
            return seconds >= _LONG and until > before + 1

    @property
    def pause_left(self) -> float:
        """Seconds until a pause ends; 0 if there is none."""
        return max(self._paused_until - self.now(), 0.0)

    def check(self) -> None:
        """Raise as ``acquire`` does if requests in flight have to end as well."""
        if self._ended is not None:
            raise ServerError(self._ended)
        if self._stopped.is_set():
            raise StoppedError("stopped")
        if self.left <= 0:
            self._end()

    def end(self, reason: str) -> None:
        """Send nothing more, and give every thread the reason."""
        self._ended = self._ended or reason
        self.stop()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()
        self._spent.set()

    def _end(self) -> NoReturn:
        if self.reached is None and self.left <= 0:
            seconds = self._max_seconds or 0.0
            limit = setting("max_seconds", seconds, typed=span_as_typed(seconds))
            self.reached = f"{limit} is reached"
        elif self.reached is None:
            self.reached = f"{setting('max_requests', self._max_requests)} is reached"
        raise LimitReachedError(f"{self.reached}; {_CONTINUE}")
