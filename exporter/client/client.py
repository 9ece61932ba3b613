"""Calls to a ClearML server: login, an allow-list of reading endpoints, bounded retries, raw bytes.

Everything is a POST of plain JSON. A call ends in one of four ways: decoded data, RefusedError
(this request only), LoginError, or ServerError once nothing has succeeded for ``give_up_after``.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import tenacity
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import InsecureRequestWarning

from clearml_snapshot.exporter.client.answers import Login, TokenClaims, data_of, reader
from clearml_snapshot.exporter.client.budget import RequestBudget
from clearml_snapshot.exporter.client.circuit_breaker import CircuitBreaker
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.client.failures import (
    DamagedBodyError,
    TryAgainError,
    asks_to_wait,
    fails_each_task,
    failure,
    is_it_the_api,
    is_of_clearml,
    looks_like,
    message,
    speaks_it,
)
from clearml_snapshot.exporter.client.login import (
    Identity,
    check_login,
    read_identity,
    refuse_too_old,
    token_claims,
)
from clearml_snapshot.exporter.client.route import find_route
from clearml_snapshot.exporter.client.transport import Bearer, Transport
from clearml_snapshot.exporter.errors import LoginError, RefusedError, ServerError, SnapshotError
from clearml_snapshot.exporter.own_keys import remember, scrub_bytes

T = TypeVar("T")

READING_ENDPOINTS: Final = frozenset(
    {
        "events.get_multi_task_metrics",
        "events.get_scalar_metrics_and_variants",
        "events.get_scalar_metric_data",
        "events.get_task_events",
        "events.get_task_metrics",
        "events.scalar_metrics_iter_raw",
        "organization.get_tags",
        "projects.get_all_ex",
        "server.info",
        "tasks.get_all_ex",
        "users.get_all_ex",
        "users.get_current_user",
    }
)
"""All that this tool can ask of a server besides ``auth.login``; none of it changes anything."""

_MOST_TRIES: Final = 9
"""Of one request while others succeed: with 20 % of all requests failing, one in two million."""
_TRIES_WHEN_DOWN: Final = 2
"""Of a request to an endpoint that has failed several tasks in a row."""
_FIRST_TRIES: Final = 3
"""Of the first contact, where the address itself seems wrong."""
_RENEW_BEFORE: Final = 300.0
"""Seconds before its end at which a token is renewed; at most a tenth of its life."""
_PROBE: Final = 5.0
"""Seconds that a seemingly dead server gets for a last question."""
_PROBES: Final = 3


@dataclass(frozen=True)
class RequestLimits:
    """How long to wait, and what is too much."""

    timeout: float = 60.0
    """Seconds for one request, from its first byte to its last."""
    give_up_after: float = 120.0
    """Seconds without any success after which the server counts as dead."""
    max_requests: int | None = None
    """Of the whole run, repetitions and logins too."""
    max_rate: float | None = None
    """Requests a second, of all threads together."""
    max_seconds: float | None = None
    """From the making of the Client to its last request's end."""


class Client:
    """One server, for any number of threads; ``login`` comes first."""

    def __init__(
        self,
        configuration: ServerConfiguration,
        limits: RequestLimits | None = None,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.host = configuration.api_host
        self.web_host = configuration.web_host
        self.route = find_route(configuration)
        self._transport = Transport(self.route, configuration.verify)
        self.traffic = self._transport.traffic
        self._configuration = configuration
        remember(configuration.access_key, configuration.secret_key, configuration.token)
        self._limits = limits or RequestLimits()
        self._budget = RequestBudget(
            self._limits.max_requests, self._limits.max_rate, self._limits.max_seconds
        )
        self.breaker = CircuitBreaker()
        self._notice = notice
        self.remarks: list[str] = []  # of what came and could not be used
        self._login_lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = float("inf")
        self._version = ""
        self._last_success = self._budget.now()
        self._ever_succeeded = False
        if configuration.verify is False:
            notice("certificates are not checked (verify certificate is False)")
            urllib3.disable_warnings(InsecureRequestWarning)

    def login(self) -> Identity:
        """Get a token.

        Raises:
            LoginError: the server refuses the credentials.
            ServerError: there is no ClearML server, it stays silent, or it is too old.
        """
        self._last_success = self._budget.now()
        self._token = None
        claims = self._renew(None)
        self._version = claims.api_version or "2.23"
        refuse_too_old(self.host, claims, self.version)
        return read_identity(claims, self._version)

    def call(
        self,
        endpoint: str,
        body: Mapping[str, Any],
        decode: Callable[[bytes], T],
        most_tries: int = _MOST_TRIES,
    ) -> T:
        """POST to a reading endpoint until it answers.

        Args:
            endpoint: one of READING_ENDPOINTS.
            body: the request, as it becomes JSON.
            decode: makes the result of a body whose status was 200; raises DamagedBodyError.
            most_tries: of this request while the server lives.

        Raises:
            RefusedError: the server will not answer this request.
            LoginError: the token ended and no other is given.
            ServerError: nothing has succeeded for ``give_up_after`` seconds, the server asks for a
                longer pause, or the endpoint fails task after task.
            LimitReachedError: a ceiling is reached; a StoppedError once ``stop`` was called.
        """
        if endpoint not in READING_ENDPOINTS:
            raise AssertionError(f"{endpoint} is not in the allow-list of reading endpoints")
        data = json.dumps(body).encode()
        self.breaker.begin(endpoint, body)
        done = self._until_done(
            lambda: self._one_call(endpoint, data, decode), most_tries, endpoint
        )
        self.breaker.succeed(endpoint, data)
        return done

    def get(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """POST to a reading endpoint and give its ``data``; raises as ``call`` does."""
        return self.call(endpoint, body, data_of)

    def stop(self) -> None:
        """Make every call in flight, and every later one, end soon with StoppedError."""
        self._budget.stop()
        self._transport.abort_all()

    @property
    def limit_reached(self) -> str | None:
        """The ceiling that has kept a request from being sent (``--max-requests 500 is …``)."""
        return self._budget.reached

    @property
    def version(self) -> tuple[int, ...]:
        """The server's API version, e.g. (2, 34)."""
        return tuple(int(part) for part in self._version.split(".") if part)

    def _one_call(self, endpoint: str, data: bytes, decode: Callable[[bytes], T]) -> T:
        if (token := self._token) is None or self._budget.now() > self._renew_at:
            self._renew(token)
            token = self._token
        assert token is not None
        status, body = self._post(f"/v{self._version}/{endpoint}", data, Bearer(token))
        if status == 401:
            self._renew(token)
        if status != 200:
            raise failure(self.route, endpoint, status, body)
        try:
            return decode(body)
        except DamagedBodyError as error:
            raise TryAgainError(f"{endpoint} answered {error}", status=error.status) from None

    def _renew(self, old_token: str | None) -> TokenClaims:
        """Log in, once however many threads found the token ended."""
        with self._login_lock:
            if old_token is not None and self._token != old_token:
                return TokenClaims()
            if old_token is None:
                return self._until_done(self._one_login)
            return self._one_login()

    def _one_login(self) -> TokenClaims:
        configured = self._configuration
        if configured.access_key and configured.secret_key:
            auth: AuthBase = HTTPBasicAuth(configured.access_key, configured.secret_key)
        else:
            auth = Bearer(self._token or configured.token or "")
        status, body = self._post("/auth.login", b"{}", auth)
        if status == 401:
            raise LoginError(
                f"{self.host} refused the login ({message(body) or looks_like(body)}); "
                f"{check_login(self._configuration, self.route)}"
            )
        if status != 200:
            raise failure(self.route, "auth.login", status, body, login=True)
        try:
            token = reader(Login)(body).token
            claims = token_claims(token)
        except (DamagedBodyError, ValueError):
            raise TryAgainError(
                f"the login was answered with {looks_like(body)}; {is_it_the_api(self.route)}",
                wrong_address=True,
            ) from None
        remember(token)
        self._token = token
        # By the length of its life: our clock and the server's need not agree.
        life = (claims.exp or float("inf")) - (claims.iat or time.time())
        self._renew_at = self._budget.now() + life - min(_RENEW_BEFORE, life / 10)
        return claims

    def _post(
        self, path: str, data: bytes, auth: AuthBase, least: float = _PROBE
    ) -> tuple[int, bytes]:
        """Send one request when its turn has come, and read its answer in time.

        Pauses may have taken all the time there was: what is sent still gets ``least`` seconds,
        but no more than the server has for a success.
        """
        self._budget.acquire()
        least = min(least, self._limits.give_up_after)
        allowed = min(self._limits.timeout, max(self._dead_at() - self._budget.now(), least))
        try:
            allowed = max(min(allowed, self._budget.left), 0.001)
            status, body = self._transport.post(path, data, auth, allowed)
        except TryAgainError:
            self._budget.check()
            raise
        return status, body if status == 200 else scrub_bytes(body)

    def _until_done(
        self, one_try: Callable[[], T], most_tries: int = _MOST_TRIES, endpoint: str = ""
    ) -> T:
        """Repeat with backoff and jitter; turn the last failure into a word for the user."""
        backoff = tenacity.wait_exponential(multiplier=0.2, max=10.0) + tenacity.wait_random(
            0.0, 0.3
        )
        begun = self._budget.now() + self._budget.pause_left
        # A new request gets a whole timeout, however long the ones before it went unanswered.
        least = min(self._limits.timeout, self._limits.give_up_after)
        entitled = begun + least - self._limits.give_up_after
        self._last_success = max(self._last_success, entitled)

        def wait(state: tenacity.RetryCallState) -> float:
            self.traffic.add(retries=1)
            return backoff(state)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgainError),
            stop=lambda state: self._should_stop(state, begun, most_tries, endpoint),
            wait=wait,
            before_sleep=self._heed_pause,
            sleep=self._budget.sleep,
            reraise=True,
        )
        try:
            done = retrying(one_try)
        except TryAgainError as error:
            raise self._given_up(error, begun, endpoint) from None
        self._last_success = self._budget.now()
        self._ever_succeeded = True
        return done

    def _heed_pause(self, state: tenacity.RetryCallState) -> None:
        """Hold all threads for as long as the server asked."""
        after = _failed_with(state).after
        if self._budget.pause(after):
            self._notice(f"{self.host} asks for a pause of {after:.0f} s (Retry-After)")

    def _should_stop(
        self, state: tenacity.RetryCallState, begun: float, most: int, endpoint: str
    ) -> bool:
        error, tries = _failed_with(state), state.attempt_number
        if tries == _FIRST_TRIES:
            self._notice(f"{self.host}: {error}; trying again")
        if self._budget.now() + max(error.after, 0.2) > self._dead_at():
            return True
        if not self._ever_succeeded and error.wrong_address:
            return tries >= _FIRST_TRIES
        is_open = self.breaker.is_open(endpoint)
        if tries < (min(most, _TRIES_WHEN_DOWN) if is_open else most):
            return False
        others_succeed = self._last_success > begun
        return error.is_about_the_request or others_succeed or (is_open and self._is_alive())

    def _dead_at(self) -> float:
        # The pauses that we make ourselves are no silence of the server's.
        return self._last_success + self._limits.give_up_after + _MOST_TRIES * self._budget.interval

    def _given_up(self, error: TryAgainError, begun: float, endpoint: str) -> SnapshotError:
        """Make the error for a call that is not tried again: of one request, or of the run."""
        if not self._ever_succeeded and error.wrong_address:
            return ServerError(f"{self.host}: {error}")
        is_dead = self._budget.now() + max(error.after, 0.2) > self._dead_at()
        if is_dead and error.after:
            return self._end(asks_to_wait(self.host, error, self._limits.give_up_after))
        if (self._last_success > begun and not is_dead) or self._is_alive():
            return self._refused(error, endpoint)
        silent = self._budget.now() - self._last_success
        if error.was_dropped and not self._ever_succeeded:
            return ServerError(f"{self.host}: {error}; {speaks_it(self.route)}")
        return ServerError(
            f"{self.host} is not answering: {error}; gave up after {silent:.0f} s without "
            "a success (--give-up-after); what is committed stays, run it again later"
        )

    def _refused(self, error: TryAgainError, endpoint: str) -> SnapshotError:
        """Tell a request that the server cannot answer from an endpoint that answers nothing."""
        self.breaker.give_up(endpoint)
        if self.breaker.ends_the_run(endpoint) and not self._still_works(endpoint):
            return self._end(fails_each_task(self.host, endpoint, error, self.breaker.task))
        # Of an endpoint that is down the subcode says nothing about this request: taken for
        # "too large a page" it would bring on ever smaller ones.
        subcode = 0 if self.breaker.is_open(endpoint) else error.subcode or 0
        return RefusedError(f"{error}, again and again", status=error.status, subcode=subcode)

    def _still_works(self, endpoint: str) -> bool:
        """Ask for something else that should be answered: is it the endpoint, or the tasks?"""
        return any(self._answers(endpoint, one) for one in self.breaker.others(endpoint))

    def _answers(self, endpoint: str, body: bytes) -> bool:
        path, auth = f"/v{self._version}/{endpoint}", Bearer(self._token or "")
        try:
            status, _ = self._post(path, body, auth, self._limits.timeout)
        except (TryAgainError, RefusedError):
            return False
        if status == 200:
            self.breaker.succeed(endpoint, body)
        return status == 200

    def _end(self, reason: str) -> ServerError:
        """End all threads' requests: a server that cannot answer is not asked again and again."""
        self._budget.end(reason)
        self._transport.abort_all()
        return ServerError(reason)

    def _is_alive(self) -> bool:
        """Ask for something cheap: is it the server, or just the one request?"""
        if not self._ever_succeeded or self._token is None:
            return False
        until = self._budget.now() + min(_PROBE, self._limits.timeout)
        for _ in range(_PROBES):
            try:
                status, body = self._post("/server.info", b"{}", Bearer(self._token))
                if status in (200, 401) and is_of_clearml(body):
                    self._last_success = self._budget.now()
                    return True
            except (TryAgainError, RefusedError):
                pass
            if self._budget.now() > until:
                break
            self._budget.sleep(0.1)
        return False


def _failed_with(state: tenacity.RetryCallState) -> TryAgainError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TryAgainError)
    return error
