"""Calls: bounded, repeated where that helps, and nothing but reading; exports over bad lines."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import READING_ENDPOINTS, Client
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.errors import (
    LimitReachedError,
    LoginError,
    RefusedError,
    ServerError,
)
from clearml_snapshot.exporter.standin.http.faults import Fault, Kind
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.conftest import Clock, Hasty

Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "s3cr3t-of-the-tests"
PATIENT = RequestLimits(timeout=60.0, give_up_after=60.0)
"""A machine may be busy for as long; what never answers is cut by ``hasty``."""


def configuration(server: StandIn, **others: Any) -> ServerConfiguration:
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return ServerConfiguration(server.url, None, **{**keys, **others})


def logged_in(server: StandIn, limits: RequestLimits = PATIENT) -> Client:
    api = Client(configuration(server), limits)
    api.login()
    return api


def logins(server: StandIn) -> int:
    return sum(name == "auth.login" for name, _ in server.requests)


def test_the_login_names_user_and_server(start_standin: Start) -> None:
    server = start_standin()
    identity = Client(configuration(server)).login()
    assert (identity.user_name, identity.user_id) == ("Default User", "__tests__")
    assert (identity.server_version, identity.api_version) == ("2.3.0", "2.34")


def test_what_is_not_allowed_is_not_even_sent(start_standin: Start) -> None:
    server = start_standin()
    api = logged_in(server)
    for endpoint in ("tasks.delete", "tasks.edit", "auth.login", "events.add_batch", ""):
        with pytest.raises(AssertionError, match="allow-list"):
            api.get(endpoint)
    assert [name for name, _ in server.requests] == ["auth.login"]


def test_the_allow_list_only_reads() -> None:
    verbs = {endpoint.partition(".")[2].partition("_")[0] for endpoint in READING_ENDPOINTS}
    assert verbs == {"get", "info", "scalar"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429),
        Fault("status", status=502),
        Fault("status", status=503),
        Fault("status", status=504),
        Fault("status", status=500),
        Fault("drop"),
        Fault("truncate"),
        Fault("garbage"),
        Fault("html"),
        Fault("html", status=502),
        Fault("slow"),
        Fault("expired"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.usefixtures("clock")
def test_one_bad_moment_is_survived(start_standin: Start, fault: Fault) -> None:
    fault = replace(fault, endpoint="users.get_current_user", count=1, seconds=0.1)
    api = logged_in(start_standin(faults=[fault]))
    assert api.get("users.get_current_user")["user"]["id"] == "__tests__"
    assert fault.fired == 1
    assert api.traffic.retries == (0 if fault.kind == "slow" else 1)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("kind", ["status", "drop", "html"])
def test_a_bad_moment_at_the_login_is_survived(start_standin: Start, kind: Kind) -> None:
    server = start_standin(faults=[Fault(kind, "auth.login", count=1)])
    logged_in(server)
    assert logins(server) == 2


def test_a_stalled_request_is_given_up_and_repeated(start_standin: Start) -> None:
    server = start_standin(faults=[Fault("stall", "users.get_current_user", count=1)])
    api = logged_in(server, RequestLimits(timeout=0.5, give_up_after=60))
    begun = time.monotonic()
    assert api.get("users.get_current_user")["user"]["id"] == "__tests__"
    assert time.monotonic() - begun >= 0.5
    assert api.traffic.retries >= 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept_to(start_standin: Start, clock: Clock, form: str) -> None:
    from email.utils import formatdate

    wait = "30" if form == "seconds" else formatdate(time.time() + 1000, usegmt=True)
    fault = Fault("status", "server.info", status=429, count=1, headers={"Retry-After": wait})
    api = logged_in(start_standin(faults=[fault]), RequestLimits(timeout=60, give_up_after=2000))
    begun = clock.now
    api.get("server.info")
    assert clock.now - begun >= (30 if form == "seconds" else 500), "the answer may come late"


@pytest.mark.parametrize("header", ["soon", "-5", "nan", "Thu, 99 Xyz", "1e400"])
def test_an_odd_retry_after_ends_in_time(start_standin: Start, clock: Clock, header: str) -> None:
    fault = Fault("status", "server.info", status=503, count=1, headers={"Retry-After": header})
    api = logged_in(start_standin(faults=[fault]))
    begun = clock.now
    if header == "1e400":
        with pytest.raises(ServerError, match="HTTP 503, and requests a pause of unlimited length"):
            api.get("server.info")
    else:
        api.get("server.info")
    assert clock.now - begun < 3


def test_an_ended_token_is_renewed_once_for_all_threads(start_standin: Start) -> None:
    server = start_standin()
    api = logged_in(server)
    server.gate.revoke_all()
    threads = [threading.Thread(target=api.get, args=("server.info",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logins(server) == 2
    assert api.traffic.requests >= 2 + 8


def test_a_token_is_renewed_before_it_ends(start_standin: Start, clock: Clock) -> None:
    server = start_standin()
    server.gate.token_seconds = 1000
    api = logged_in(server)
    api.get("server.info")
    assert logins(server) == 1, "a short life is no reason to log in before every call"
    clock.move(899)
    api.get("server.info")
    assert logins(server) == 1, "nine tenths of it are not over"
    clock.move(2)
    api.get("server.info")
    assert logins(server) == 2
    assert api.traffic.retries == 0


def test_a_clock_that_is_wrong_does_not_matter(
    start_standin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_standin()
    api = logged_in(server)
    monkeypatch.setattr(time, "time", lambda: 4e9)  # the year 2096
    api.get("users.get_current_user")
    assert logins(server) == 1


def test_keys_that_are_withdrawn_end_it(start_standin: Start) -> None:
    server = start_standin()
    api = logged_in(server)
    server.gate.secret_key = "another"
    server.gate.revoke_all()
    with pytest.raises(LoginError, match="refused the login"):
        api.get("server.info")


def test_a_token_in_place_of_keys_is_renewed_with_itself(start_standin: Start) -> None:
    server = start_standin()
    token = server.gate.issue(None)
    settings = configuration(server, access_key=None, secret_key=None, token=token)
    api = Client(settings, PATIENT)
    api.login()
    server.faults.add(Fault("expired", "server.info", count=1))
    assert api.get("server.info")["version"] == "2.3.0"
    assert logins(server) == 2
    server.gate.revoke_all()
    with pytest.raises(LoginError, match="CLEARML_AUTH_TOKEN"):
        api.get("server.info")


def test_netrc_is_not_used(
    start_standin: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\ndefault login x password y\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api = logged_in(start_standin())
    assert api.get("server.info")["version"] == "2.3.0"
    assert api.traffic.retries == 0


def test_proxies_are_looked_up_once(start_standin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """requests would search the environment for each request, which takes a third of its time."""
    hosts: list[str] = []
    find = requests.sessions.get_environ_proxies

    def count(url: str, no_proxy: Any = None) -> Any:
        hosts.append(url)
        return find(url, no_proxy)

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", count)
    api = logged_in(start_standin())
    for _ in range(3):
        api.get("server.info")
    assert len(hosts) == 1


def test_a_refusal_is_not_repeated(start_standin: Start) -> None:
    server = start_standin()
    api = logged_in(server)
    with pytest.raises(RefusedError) as caught:
        api.get(EVENTS, task="f" * 32, event_type="training_stats_scalar")
    assert caught.value.status == 400
    assert [name for name, _ in server.requests].count(EVENTS) == 1


@pytest.mark.parametrize("kind", ["stall", "drop", "html", "truncate", "garbage"])
def test_a_request_that_never_works_is_not_the_servers_end(
    start_standin: Start, clock: Clock, hasty: Hasty, kind: Kind
) -> None:
    """The server lives: the next request has all its time again, however long this one took."""
    server = start_standin(faults=[Fault(kind, "organization.get_tags")])
    server.faults.add(Fault("slow", "users.get_current_user", seconds=0.3))
    api = logged_in(server)
    hasty(lambda endpoint, _: kind == "stall" and endpoint == "organization.get_tags")
    begun = clock.now
    with pytest.raises(RefusedError):
        api.get("organization.get_tags")
    assert clock.now - begun < 60 + 11, "--give-up-after, and the longest pause after it"
    assert api.get("users.get_current_user")["user"]["id"] == "__tests__"


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_answers_nothing_but_errors_is_given_up(
    start_standin: Start, clock: Clock, status: int
) -> None:
    server = start_standin()
    api = logged_in(server)
    server.faults.add(Fault("status", status=status))
    begun = clock.now
    with pytest.raises(ServerError, match=f"HTTP {status}") as caught:
        api.get("users.get_current_user")
    assert not isinstance(caught.value, RefusedError)
    assert clock.now - begun < 60 + 11


def test_stopping_ends_what_waits(start_standin: Start) -> None:
    """It would wait for longer than a test may take."""
    fault = Fault("stall", "server.info")
    api = logged_in(start_standin(faults=[fault]), RequestLimits(timeout=600, give_up_after=600))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "server.info")
        while not fault.fired:
            time.sleep(0.01)
        api.stop()
        with pytest.raises(LimitReachedError):
            waiting.result()
    with pytest.raises(LimitReachedError):
        api.get("server.info")
