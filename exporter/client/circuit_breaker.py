"""Circuit breaker: stops retrying an endpoint that keeps failing.

A dead search engine behind a healthy API answers every ``events.*`` call with an error. Without
this, each of ten thousand tasks would get all of its tries, and smaller and smaller pages too, and
would count as failed although nothing is wrong with it.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

_OPEN_AFTER: Final = 3
"""Tasks lost in a row after which an endpoint gets fewer tries; a single odd task does not
count."""
_END_AFTER: Final = 5
"""Tasks lost in a row after which one more ends the run, unless what worked before still works."""


class CircuitBreaker:
    """Counts the tasks lost since each endpoint's last success, for any number of threads.

    A task takes several calls, and one that is given up may be followed by a smaller one that
    succeeds. So a task counts as lost only when its thread has moved on to another one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: dict[str, int] = {}
        self._last_answered: dict[str, bytes] = {}
        self._own = threading.local()
        self._others: tuple[str, ...] = ()

    def compare_with(self, task_ids: Sequence[str]) -> None:
        """Set the tasks that are requested as a check before the first tasks of a run end it."""
        self._others = tuple(dict.fromkeys(task_ids))

    @property
    def task(self) -> str:
        """The task that the calling thread requested last; empty if it named none."""
        return str(self._own.body.get("task") or "")

    def begin(self, endpoint: str, body: Mapping[str, Any]) -> None:
        """Note the request that the calling thread is about to send."""
        self._own.body = body
        last, task = self._last(), self.task
        before, was_given_up = last.get(endpoint, (task, False))
        if before == task:
            last[endpoint] = (task, was_given_up)
            return
        last[endpoint] = (task, False)
        if was_given_up:
            with self._lock:
                self._lost[endpoint] = self._lost.get(endpoint, 0) + 1

    def succeed(self, endpoint: str, body: bytes) -> None:
        """Note that a request of the calling thread was answered."""
        self._last().pop(endpoint, None)
        with self._lock:
            self._lost.pop(endpoint, None)
            self._last_answered[endpoint] = body

    def others(self, endpoint: str) -> list[bytes]:
        """Return requests that the endpoint answers unless it is down.

        That is the last one that it answered. Before the first answer it is the request of the
        calling thread for other tasks: the first tasks of a run may be odd, and would end every
        run.
        """
        with self._lock:
            answered = self._last_answered.get(endpoint)
        if answered is not None:
            return [answered]
        others = (task_id for task_id in self._others if task_id != self.task)
        return [json.dumps({**self._own.body, "task": task_id}).encode() for task_id in others]

    def give_up(self, endpoint: str) -> None:
        """Note that a call of the calling thread failed in all of its tries."""
        last = self._last()
        if endpoint in last:
            last[endpoint] = (last[endpoint][0], True)

    def is_open(self, endpoint: str) -> bool:
        """Return whether an endpoint has failed for several tasks in a row."""
        with self._lock:
            return self._lost.get(endpoint, 0) >= _OPEN_AFTER

    def ends_the_run(self, endpoint: str) -> bool:
        """Return whether enough tasks were lost for the next one to end the run."""
        with self._lock:
            return self._lost.get(endpoint, 0) >= _END_AFTER

    def _last(self) -> dict[str, tuple[str, bool]]:
        """Return, by endpoint, the calling thread's last task, and whether a call was given up."""
        last: dict[str, tuple[str, bool]] | None = getattr(self._own, "last", None)
        if last is None:
            last = self._own.last = {}
        return last
