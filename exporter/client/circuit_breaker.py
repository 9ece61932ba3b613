"""Tasks lost in a row: when an endpoint fails them all, each further one is not worth nine tries.

A dead search engine behind a healthy API answers every ``events.*`` call with an error; without
this each of ten thousand tasks would be given all of its tries, smaller and smaller pages too, and
would count as failed though nothing is wrong with it.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

_MANY: Final = 3
"""Tasks lost in a row at which an endpoint counts as down. One odd task is only one."""
_TOO_MANY: Final = 5
"""Tasks lost in a row after which one more ends the run, unless what worked before still works."""


class CircuitBreaker:
    """What was given up since each endpoint's last success; for any number of threads.

    A task takes several calls, and one that is given up may be followed by a smaller one that
    works. So a task counts as lost only when its thread has turned to another one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: dict[str, int] = {}
        self._good: dict[str, bytes] = {}
        self._own = threading.local()
        self._others: tuple[str, ...] = ()

    def compare_with(self, task_ids: Sequence[str]) -> None:
        """Name tasks that are asked for once more before the first ones of a run end it."""
        self._others = tuple(dict.fromkeys(task_ids))

    @property
    def task(self) -> str:
        """The task that the calling thread asked for last; empty when it named none."""
        return str(self._own.body.get("task") or "")

    def begin(self, endpoint: str, body: Mapping[str, Any]) -> None:
        """Note what the calling thread now asks an endpoint for."""
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
        """Note that the calling thread got an answer, and to which request."""
        self._last().pop(endpoint, None)
        with self._lock:
            self._lost.pop(endpoint, None)
            self._good[endpoint] = body

    def others(self, endpoint: str) -> list[bytes]:
        """Give requests that an endpoint answers unless it is down.

        That is the last one that it answered. Before the first answer it is what the calling
        thread asked, for other tasks: the first ones of a run may be odd, and would end every run.
        """
        with self._lock:
            good = self._good.get(endpoint)
        if good is not None:
            return [good]
        others = (one for one in self._others if one != self.task)
        return [json.dumps({**self._own.body, "task": one}).encode() for one in others]

    def give_up(self, endpoint: str) -> None:
        """Note that the calling thread's call failed in all of its tries."""
        last = self._last()
        if endpoint in last:
            last[endpoint] = (last[endpoint][0], True)

    def is_open(self, endpoint: str) -> bool:
        """Tell whether nothing but failures has come of an endpoint for several tasks."""
        with self._lock:
            return self._lost.get(endpoint, 0) >= _MANY

    def ends_the_run(self, endpoint: str) -> bool:
        """Tell whether so many tasks were lost that the next one ends the run."""
        with self._lock:
            return self._lost.get(endpoint, 0) >= _TOO_MANY

    def _last(self) -> dict[str, tuple[str, bool]]:
        """Give, by endpoint, the calling thread's last task, and whether a call was given up."""
        last: dict[str, tuple[str, bool]] | None = getattr(self._own, "last", None)
        if last is None:
            last = self._own.last = {}
        return last
