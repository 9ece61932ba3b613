"""Calls: bounded, repeated where that helps, and nothing but reading; exports over bad lines."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import READING_ENDPOINTS, Client
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.errors import (
    ExitCode,
    LimitReachedError,
    LoginError,
    RefusedError,
    ServerError,
)
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.history import grid_history, grid_value
from clearml_snapshot.exporter.standin.http.faults import Fault, FaultPlan, Kind
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.sync.export import export
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from clearml_snapshot.exporter.sync.report import ExportReport
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


def test_the_login_says_who_and_where(start_standin: Start) -> None:
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


# Exports over lines like these.

Point = tuple[str, str, str, int, float]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ExportReport]:
    """Export everything of a stand-in into ``data``."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(server: StandIn, limits: RequestLimits = PATIENT, workers: int = 4) -> ExportReport:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        options = ExportOptions(limits=limits, workers=workers)
        return export(tmp_path / "data", Selection(), options=options)

    return run


def stored(data: Path) -> set[Point]:
    """Every point of the current snapshot."""
    columns = ["task_id", "metric", "variant", "iteration", "value"]
    rows = [
        tuple(row[name] for name in columns)
        for path in open_snapshot(data).paths("scalars")
        for row in pq.ParquetFile(path).read(columns).to_pylist()
    ]
    assert len(rows) == len(set(rows))
    return set(rows)


def states(data: Path) -> dict[str, str]:
    paths = open_snapshot(data).paths("tasks")
    rows = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    return {row["name"]: row["state"] for row in rows}


def truth(server: StandIn, series: int, points: int, without: Iterable[str] = ()) -> set[Point]:
    """What ``grid_history`` holds, but for some tasks by name."""
    return {
        (key, f"metric {s // 4}", f"variant {s % 4}", i, grid_value(n, s, i))
        for n, (key, task) in enumerate(server.database.tasks.items())
        if task["name"] not in without
        for s in range(series)
        for i in range(points)
    }


def first_task(server: StandIn) -> tuple[str, str]:
    key, task = next(iter(server.database.tasks.items()))
    return key, task["name"]


def test_an_export_asks_only_what_is_allowed(
    start_standin: Start, take: Callable[..., ExportReport]
) -> None:
    server = start_standin(grid_history(3, 2, 10))
    assert take(server).result == "complete"
    assert {name for name, _ in server.requests} <= READING_ENDPOINTS | {"auth.login"}
    assert server.unknown == []


@pytest.mark.usefixtures("clock")
def test_every_fifth_request_failing_changes_nothing(
    start_standin: Start, take: Callable[..., ExportReport], tmp_path: Path
) -> None:
    kinds: tuple[Kind, ...] = ("status", "drop", "truncate", "garbage", "html", "expired", "slow")
    faults = [
        Fault(kind, endpoint, probability=0.032, seconds=0.05)
        for kind in kinds
        for endpoint in ("events.*", "tasks.*")
    ]
    plan = FaultPlan([Fault("drop", "auth.login", count=1), *faults], seed=3)
    server = start_standin(grid_history(60, 5, 30), faults=plan)
    report = take(server, workers=8)
    assert report.result == "complete"
    assert report.retries > 5
    assert stored(tmp_path / "data") == truth(server, 5, 30)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", EVENTS, status=500), "HTTP 500"),
        (Fault("status", EVENTS, status=400), "General server error"),
        (Fault("stall", EVENTS), "no complete answer"),
    ],
    ids=["500", "400", "stall"],
)
def test_one_bad_task_spoils_no_other(
    start_standin: Start,
    take: Callable[..., ExportReport],
    tmp_path: Path,
    hasty: Hasty,
    fault: Fault,
    reason: str,
) -> None:
    server = start_standin(grid_history(6, 2, 20))
    key, name = first_task(server)
    fault.when = lambda body: body.get("task") == key
    server.faults.add(fault)
    hasty(lambda _, body: fault.kind == "stall" and body.get("task") == key)
    report = take(server)
    assert report.exit_code == ExitCode.PARTIAL
    assert [(p.task_id, p.state) for p in report.problems] == [(key, "failed")]
    assert reason in report.problems[0].reason
    assert stored(tmp_path / "data") == truth(server, 2, 20, without=[name])
    assert states(tmp_path / "data")[name] == "failed"


def test_a_failed_task_is_read_again_next_time(
    start_standin: Start, take: Callable[..., ExportReport], tmp_path: Path
) -> None:
    server = start_standin(grid_history(4, 2, 20))
    key, _ = first_task(server)
    server.faults.add(Fault("status", EVENTS, lambda body: body.get("task") == key, status=400))
    assert take(server).exit_code == ExitCode.PARTIAL
    server.faults.clear()
    report = take(server)
    assert (report.exit_code, report.tasks_changed, report.tasks_unchanged) == (0, 1, 3)
    assert stored(tmp_path / "data") == truth(server, 2, 20)


def test_a_task_deleted_after_the_listing(
    start_standin: Start, take: Callable[..., ExportReport], tmp_path: Path
) -> None:
    server = start_standin(grid_history(4, 2, 20))
    key, name = first_task(server)
    rest = truth(server, 2, 20, without=[name])

    def delete(body: dict[str, Any]) -> bool:
        if key in server.database.tasks and body.get("task") != key:
            server.database.delete_task(key)
        return False

    server.faults.add(Fault("drop", EVENTS, delete))
    # "newest first": the first task of the grid is read last.
    report = take(server, workers=1)
    assert report.exit_code == ExitCode.PARTIAL
    assert [(p.task_id, p.state) for p in report.problems] == [(key, "failed")]
    assert stored(tmp_path / "data") == rest


@pytest.mark.parametrize("kind", ["stall", "drop", "html", "status"])
def test_a_server_that_dies_in_the_middle(
    start_standin: Start,
    take: Callable[..., ExportReport],
    tmp_path: Path,
    hasty: Hasty,
    kind: Kind,
) -> None:
    server = start_standin(grid_history(30, 2, 20))
    fault = server.faults.add(Fault(kind, skip=15))
    hasty(lambda *_: kind == "stall" and not fault.skip)
    # Which is found out first, depends on how long five tasks take.
    said = "is not answering|fails for one task after another"
    with pytest.raises(ServerError, match=said) as caught:
        take(server)
    assert caught.value.exit_code == ExitCode.SERVER
    found = states(tmp_path / "data")
    assert set(found.values()) == {"complete", "unread"}
    assert len(found) == 30
    kept = [name for name, state in found.items() if state == "complete"]
    gone = {task["name"] for task in server.database.tasks.values()} - set(kept)
    assert stored(tmp_path / "data") == truth(server, 2, 20, without=gone)

    server.faults.clear()
    hasty(lambda *_: False)
    report = take(server)
    assert (report.result, report.tasks_unchanged) == ("complete", len(kept))
    assert stored(tmp_path / "data") == truth(server, 2, 20)


def test_no_credential_enters_the_dataset(
    start_standin: Start, take: Callable[..., ExportReport], tmp_path: Path
) -> None:
    server = start_standin(grid_history(2, 1, 5), credentials=("ACCESS-OF-THE-TESTS", SECRET))
    assert take(server).result == "complete"
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        written = path.read_bytes()
        assert SECRET.encode() not in written, path
        assert b"ACCESS-OF-THE-TESTS" not in written, path
