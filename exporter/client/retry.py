"""Repeats requests with backoff, and decides when to give up a request, an endpoint or a server."""

from collections.abc import Callable
from typing import Final, TypeVar

import tenacity

from clearml_snapshot.exporter.client.budget import RequestBudget, RequestLimits
from clearml_snapshot.exporter.client.circuit_breaker import CircuitBreaker
from clearml_snapshot.exporter.client.failures import (
    TryAgainError,
    asks_to_wait,
    fails_each_task,
    speaks_it,
)
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.client.transport import Traffic
from clearml_snapshot.exporter.errors import RefusedError, ServerError, SnapshotError
from clearml_snapshot.exporter.settings import setting

T = TypeVar("T")

MOST_TRIES: Final = 9
"""Of one request while others succeed: with 20 % of all requests failing, one in two million."""
_TRIES_WHEN_OPEN: Final = 2
"""Of a request to an endpoint that has failed for several tasks in a row."""
_FIRST_TRIES: Final = 3
"""Of the first request, if the address itself seems to be wrong."""


class ServerHealth:
    """When a server last answered, and from when on it counts as dead."""

    def __init__(self, limits: RequestLimits, budget: RequestBudget) -> None:
        self._limits = limits
        self._budget = budget
        self.last_success = budget.now()
        self.ever_succeeded = False

    def succeed(self) -> None:
        """Note a success."""
        self.last_success = self._budget.now()
        self.ever_succeeded = True

    @property
    def silence(self) -> float:
        """Seconds since the last success."""
        return self._budget.now() - self.last_success

    @property
    def dead_at(self) -> float:
        """The moment from which on the server counts as dead unless it answers.

        Pauses that the request rate makes necessary do not count as silence of the server.
        """
        pauses = MOST_TRIES * self._budget.interval
        return self.last_success + self._limits.give_up_after + pauses

    def is_dead_after(self, error: TryAgainError) -> bool:
        """Return whether another try after this error would come too late."""
        return self._budget.now() + max(error.after, 0.2) > self.dead_at

    def begin(self) -> float:
        """Give a new request a complete timeout, however long earlier ones had no answer.

        Returns:
            The moment at which the request begins.
        """
        begun = self._budget.now() + self._budget.pause_left
        least = min(self._limits.timeout, self._limits.give_up_after)
        self.last_success = max(self.last_success, begun + least - self._limits.give_up_after)
        return begun


class RetryPolicy:
    """Repeats the requests of all threads to one server.

    Args:
        route: the way to the server, for errors.
        limits: how long to wait, and how long for a success.
        budget: where a thread waits before another try.
        health: when the server last answered.
        breaker: the tasks lost in a row, by endpoint.
        traffic: counts the repetitions.
        notice: receives a sentence for the user.
        is_alive: sends a cheap request: is it the server, or only this request?
        answers: sends a request to an endpoint again: is it the endpoint, or only these tasks?
        end_requests: aborts all requests, with the reason.
    """

    def __init__(
        self,
        route: Route,
        limits: RequestLimits,
        budget: RequestBudget,
        health: ServerHealth,
        breaker: CircuitBreaker,
        traffic: Traffic,
        notice: Callable[[str], None],
        is_alive: Callable[[], bool],
        answers: Callable[[str, bytes], bool],
        end_requests: Callable[[str], None],
    ) -> None:
        self._route = route
        self._limits = limits
        self._budget = budget
        self._health = health
        self._breaker = breaker
        self._traffic = traffic
        self._notice = notice
        self._is_alive = is_alive
        self._answers = answers
        self._end_requests = end_requests
        self._backoff = tenacity.wait_exponential(multiplier=0.2, max=10.0) + tenacity.wait_random(
            0.0, 0.3
        )

    def until_done(
        self, one_try: Callable[[], T], most_tries: int = MOST_TRIES, endpoint: str = ""
    ) -> T:
        """Repeat a request until it succeeds.

        Raises:
            RefusedError: only this request is given up.
            ServerError: the server or the endpoint is given up.
            LimitReachedError: a limit of the run is reached.
        """
        begun = self._health.begin()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgainError),
            stop=lambda state: self._should_stop(state, begun, most_tries, endpoint),
            wait=self._wait,
            before_sleep=self._pause_if_requested,
            sleep=self._budget.sleep,
            reraise=True,
        )
        try:
            done = retrying(one_try)
        except TryAgainError as error:
            raise self._given_up(error, begun, endpoint) from None
        self._health.succeed()
        return done

    def _wait(self, state: tenacity.RetryCallState) -> float:
        self._traffic.add(retries=1)
        return self._backoff(state)

    def _pause_if_requested(self, state: tenacity.RetryCallState) -> None:
        """Make all threads wait for as long as the server requested."""
        after = _failed_with(state).after
        if self._budget.pause(after):
            self._notice(f"{self._route.host} requests a pause of {after:.0f} s (Retry-After)")

    def _should_stop(
        self, state: tenacity.RetryCallState, begun: float, most: int, endpoint: str
    ) -> bool:
        error, tries = _failed_with(state), state.attempt_number
        if tries == _FIRST_TRIES:
            self._notice(f"{self._route.host}: {error}; trying again")
        if self._health.is_dead_after(error):
            return True
        if not self._health.ever_succeeded and error.wrong_address:
            return tries >= _FIRST_TRIES
        is_open = self._breaker.is_open(endpoint)
        if tries < (min(most, _TRIES_WHEN_OPEN) if is_open else most):
            return False
        others_succeed = self._health.last_success > begun
        return error.is_about_the_request or others_succeed or (is_open and self._is_alive())

    def _given_up(self, error: TryAgainError, begun: float, endpoint: str) -> SnapshotError:
        """Make the error for a request that is not tried again: of the request, or of the run."""
        host, health = self._route.host, self._health
        if not health.ever_succeeded and error.wrong_address:
            return ServerError(f"{host}: {error}")
        is_dead = health.is_dead_after(error)
        if is_dead and error.after:
            return self._end(asks_to_wait(host, error, self._limits.give_up_after))
        if (health.last_success > begun and not is_dead) or self._is_alive():
            return self._refused(error, endpoint)
        silence = health.silence
        if error.was_dropped and not health.ever_succeeded:
            return ServerError(f"{host}: {error}; {speaks_it(self._route)}")
        return ServerError(
            f"{host} is not answering: {error}; gave up after {silence:.0f} s without a success "
            f"({setting('give_up_after')}); what is committed is kept, run it again later"
        )

    def _refused(self, error: TryAgainError, endpoint: str) -> SnapshotError:
        """Distinguish a request that the server cannot answer from an endpoint that fails."""
        breaker = self._breaker
        breaker.give_up(endpoint)
        if breaker.ends_the_run(endpoint) and not self._still_works(endpoint):
            return self._end(fails_each_task(self._route.host, endpoint, error, breaker.task))
        # The subcode of an endpoint that always fails does not describe this request: taken for
        # "too large a page" it would lead to ever smaller ones.
        subcode = 0 if breaker.is_open(endpoint) else error.subcode or 0
        return RefusedError(f"{error}, repeatedly", status=error.status, subcode=subcode)

    def _still_works(self, endpoint: str) -> bool:
        """Request something else that should succeed: is it the endpoint, or only these tasks?"""
        return any(self._answers(endpoint, body) for body in self._breaker.others(endpoint))

    def _end(self, reason: str) -> ServerError:
        """End the requests of all threads, so that a server that cannot answer gets no more."""
        self._end_requests(reason)
        return ServerError(reason)


def _failed_with(state: tenacity.RetryCallState) -> TryAgainError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TryAgainError)
    return error
