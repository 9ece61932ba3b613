"""Faults on demand: what a server, a proxy or a cable may do to an answer.

A plan is a list of faults; the first one that matches a request is applied.
"""

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "status",  # an error answer: ``status``, as JSON in the API's envelope unless it is a proxy's
    "echo",  # an error answer that quotes the request's Authorization header, see ``echo``
    "expired",  # 401/30, as for an expired token
    "html",  # a proxy's page in place of JSON
    "garbage",  # 200 with bytes that are not JSON
    "truncate",  # the connection ends in the middle of the body
    "drop",  # the connection ends without an answer
    "slow",  # the right answer, ``seconds`` late
    "stall",  # no answer until the server stops
    "mixed up",  # the right answer to another request: ``instead``
]


@dataclass
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: what happens.
        endpoint: to which calls; a trailing ``*`` is a prefix.
        when: to which bodies of these.
        probability: how often, of the calls that match.
        count: how many times at most; None is for ever.
        skip: how many matching calls pass unharmed first.
        status: for ``status`` (503 unless given), ``echo`` (400) and ``html`` (200 unless given).
        subcode: of a ``status`` in the API's envelope; 100 is the search engine's.
        headers: sent along, such as ``{"Retry-After": "1"}``.
        seconds: for ``slow``.
        echo: the text of an ``echo``, made from the header.
        instead: the request that is answered in place of the real one, for ``mixed up``; a
            cache whose key leaves out a part of the request does so.
    """

    kind: Kind
    endpoint: str = "*"
    when: Callable[[dict[str, Any]], bool] | None = None
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    status: int | None = None
    subcode: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.5
    echo: Callable[[str], str] = str
    instead: dict[str, Any] = field(default_factory=dict)
    fired: int = 0

    def matches(self, endpoint: str, body: dict[str, Any]) -> bool:
        """Return whether the fault applies to this call."""
        if self.count is not None and self.fired >= self.count:
            return False
        name, star = self.endpoint.removesuffix("*"), self.endpoint.endswith("*")
        if not (endpoint.startswith(name) if star else endpoint == name):
            return False
        return self.when is None or self.when(body)


class FaultPlan:
    """The faults of one server, and a latency that every call has.

    Args:
        faults: in order of precedence; more may be added while the server runs.
        latency: seconds before each answer.
        seed: for ``probability``.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), *, latency: float = 0.0, seed: int = 0
    ) -> None:
        self.faults = list(faults)
        self.latency = latency
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Add a fault and return it (its ``fired`` counts)."""
        with self._lock:
            self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self.faults.clear()

    def pick(self, endpoint: str, body: dict[str, Any]) -> Fault | None:
        """Return the fault to apply to this call, if any."""
        with self._lock:
            for fault in self.faults:
                if not fault.matches(endpoint, body):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if self._random.random() < fault.probability:
                    fault.fired += 1
                    return fault
        return None
