"""Calls the reading endpoints of a ClearML server: login, allow-list, retries, raw bytes.

Everything is a POST of plain JSON. A call ends in one of five ways: decoded data, RefusedError
(this request only), LoginError, LimitReachedError, or ServerError after ``give_up_after`` seconds
without a success.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import InsecureRequestWarning

from clearml_snapshot.exporter.client.answers import data_of
from clearml_snapshot.exporter.client.auth import (
    Authenticator,
    Identity,
    read_identity,
    refuse_too_old,
)
from clearml_snapshot.exporter.client.budget import RequestBudget, RequestLimits
from clearml_snapshot.exporter.client.circuit_breaker import CircuitBreaker
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.client.failures import (
    DamagedBodyError,
    TryAgainError,
    failure,
    is_of_clearml,
)
from clearml_snapshot.exporter.client.retry import MOST_TRIES, RetryPolicy, ServerHealth
from clearml_snapshot.exporter.client.route import find_route
from clearml_snapshot.exporter.client.transport import Bearer, Transport
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.own_keys import scrub_bytes

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
        "tasks.get_types",
        "users.get_all_ex",
        "users.get_current_user",
    }
)
"""All that this tool can request besides ``auth.login``; none of them changes anything."""

_PROBE: Final = 5.0
"""Seconds that a server which seems to be dead gets for a last request."""
_PROBES: Final = 3


class Client:
    """One server, for any number of threads; call ``login`` first."""

    def __init__(
        self,
        configuration: ServerConfiguration,
        limits: RequestLimits | None = None,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.host = configuration.api_host
        self.web_host = configuration.web_host
        self.route = find_route(configuration)
        self.breaker = CircuitBreaker()
        self.remarks: list[str] = []  # about answers that could not be used
        self._version = ""
        self._limits = limits = limits or RequestLimits()
        self._budget = RequestBudget(limits.max_requests, limits.max_rate, limits.max_seconds)
        self._transport = Transport(self.route, configuration.verify)
        self.traffic = self._transport.traffic
        self._health = ServerHealth(limits, self._budget)
        self._retries = RetryPolicy(
            self.route,
            limits,
            self._budget,
            self._health,
            self.breaker,
            self.traffic,
            notice,
            self._is_alive,
            self._answers,
            self._end_requests,
        )
        self._auth = Authenticator(
            configuration, self.route, self._post, self._retries.until_done, self._budget.now
        )
        if configuration.verify is False:
            notice("certificates are not checked (verify certificate is False)")
            urllib3.disable_warnings(InsecureRequestWarning)

    def login(self) -> Identity:
        """Get a token.

        Raises:
            LoginError: the server refuses the credentials.
            ServerError: there is no ClearML server, it does not answer, or it is too old.
        """
        self._health.last_success = self._budget.now()
        claims = self._auth.log_in()
        self._version = claims.api_version or "2.23"
        refuse_too_old(self.host, claims, self.version)
        return read_identity(claims, self._version)

    def call(
        self,
        endpoint: str,
        body: Mapping[str, Any],
        decode: Callable[[bytes], T],
        most_tries: int = MOST_TRIES,
    ) -> T:
        """POST to a reading endpoint until it answers.

        Args:
            endpoint: one of READING_ENDPOINTS.
            body: the request; it is sent as JSON.
            decode: converts the body of an answer with status 200; raises DamagedBodyError.
            most_tries: of this request while the server answers others.

        Raises:
            RefusedError: the server will not answer this request.
            LoginError: the token expired and no new one is given.
            ServerError: nothing has succeeded for ``give_up_after`` seconds, the server requests a
                longer pause, or the endpoint fails for task after task.
            LimitReachedError: a limit of the run is reached; a StoppedError after ``stop``.
        """
        if endpoint not in READING_ENDPOINTS:
            raise AssertionError(f"{endpoint} is not in the allow-list of reading endpoints")
        data = json.dumps(body).encode()
        self.breaker.begin(endpoint, body)
        done = self._retries.until_done(
            lambda: self._one_call(endpoint, data, decode), most_tries, endpoint
        )
        self.breaker.succeed(endpoint, data)
        return done

    def get(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """POST to a reading endpoint and return its ``data``; raises as ``call`` does."""
        return self.call(endpoint, body, data_of)

    def stop(self) -> None:
        """End every call in flight, and every later one, with StoppedError."""
        self._budget.stop()
        self._transport.abort_all()

    @property
    def limit_reached(self) -> str | None:
        """The limit that kept a request from being sent such as the largest number of requests."""
        return self._budget.reached

    @property
    def version(self) -> tuple[int, ...]:
        """The server's API version, e.g. (2, 34)."""
        return tuple(int(part) for part in self._version.split(".") if part)

    def _one_call(self, endpoint: str, data: bytes, decode: Callable[[bytes], T]) -> T:
        token = self._auth.valid_token()
        status, body = self._post(self._path(endpoint), data, Bearer(token))
        if status == 401:
            self._auth.renew(token)
        if status != 200:
            raise failure(self.route, endpoint, status, body)
        try:
            return decode(body)
        except DamagedBodyError as error:
            raise TryAgainError(f"{endpoint} answered {error}", status=error.status) from None

    def _path(self, endpoint: str) -> str:
        return f"/v{self._version}/{endpoint}"

    def _post(
        self, path: str, data: bytes, auth: AuthBase, least: float = _PROBE
    ) -> tuple[int, bytes]:
        """Send one request as soon as the budget allows, and read its answer in time.

        Pauses may have used up all the time: a request that is sent still gets ``least`` seconds,
        but not more than the server has for a success.
        """
        self._budget.acquire()
        least = min(least, self._limits.give_up_after)
        time_to_live = self._health.dead_at - self._budget.now()
        allowed = min(self._limits.timeout, max(time_to_live, least))
        try:
            allowed = max(min(allowed, self._budget.left), 0.001)
            status, body = self._transport.post(path, data, auth, allowed)
        except TryAgainError:
            self._budget.check()
            raise
        return status, body if status == 200 else scrub_bytes(body)

    def _answers(self, endpoint: str, body: bytes) -> bool:
        """Return whether the endpoint answers a request that it should be able to answer."""
        auth = Bearer(self._auth.token or "")
        try:
            status, _ = self._post(self._path(endpoint), body, auth, self._limits.timeout)
        except (TryAgainError, RefusedError):
            return False
        if status == 200:
            self.breaker.succeed(endpoint, body)
        return status == 200

    def _is_alive(self) -> bool:
        """Return whether the server answers a cheap request."""
        if not self._health.ever_succeeded or self._auth.token is None:
            return False
        until = self._budget.now() + min(_PROBE, self._limits.timeout)
        for _ in range(_PROBES):
            try:
                status, body = self._post("/server.info", b"{}", Bearer(self._auth.token))
                if status in (200, 401) and is_of_clearml(body):
                    self._health.succeed()
                    return True
            except (TryAgainError, RefusedError):
                pass
            if self._budget.now() > until:
                break
            self._budget.sleep(0.1)
        return False

    def _end_requests(self, reason: str) -> None:
        self._budget.end(reason)
        self._transport.abort_all()
