"""Ceilings of a run, and endpoints that fail every task: what is sent, and what no longer is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.client.budget import RequestBudget, StoppedError
from clearml_snapshot.exporter.client.failures import retry_after_seconds
from clearml_snapshot.exporter.errors import ExitCode, LimitReachedError, RefusedError, ServerError
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.clients import count, logged_in

if TYPE_CHECKING:
    from tests.conftest import Clock, Hasty
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_no_request_beyond_the_ceiling_is_sent(start_standin: Start) -> None:
    server = start_standin()
    api = logged_in(server, max_requests=5)
    ends = []

    def ask(_: int) -> None:
        try:
            api.get("server.info")
        except LimitReachedError as error:
            ends.append(str(error))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(20)))
    assert len(server.requests) == api.traffic.requests == 5, "the login is one of them"
    assert len(ends) == 16
    assert set(ends) == {"`max_requests=5` is reached; run it again to continue"}
    assert api.limit_reached == "`max_requests=5` is reached"


def test_the_last_request_that_is_allowed_reaches_no_ceiling(start_standin: Start) -> None:
    api = logged_in(start_standin(), max_requests=2)
    api.get("server.info")
    assert api.limit_reached is None
    with pytest.raises(LimitReachedError) as caught:
        api.get("server.info")
    assert caught.value.exit_code == ExitCode.LIMIT
    assert not isinstance(caught.value, StoppedError)


def test_no_pause_for_a_try_that_will_not_come(start_standin: Start) -> None:
    """Sleeping until Retry-After is over would be for nothing: no request is left."""
    wait = {"Retry-After": "300"}
    server = start_standin(faults=[Fault("status", "server.info", status=503, headers=wait)])
    api = logged_in(server, max_requests=2, give_up_after=400)
    with pytest.raises(LimitReachedError, match="`max_requests=2` is reached"):
        api.get("server.info")


# A server that requests a pause.
def test_a_pause_is_one_for_all_threads(
    start_standin: Start, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = {"Retry-After": "30"}
    server = start_standin(faults=[Fault("status", "server.info", count=1, headers=wait)])
    api = logged_in(server)
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def hold(event: threading.Event, seconds: float) -> None:
        waiting.release()
        go_on.wait()
        clock.wait(event, seconds)

    monkeypatch.setattr(RequestBudget, "_wait", staticmethod(hold))
    begun = clock.now
    with ThreadPoolExecutor(2) as pool:
        both = []
        for endpoint in ("server.info", "users.get_current_user"):
            both.append(pool.submit(api.get, endpoint))
            waits = waiting.acquire(timeout=60)
            if not waits:
                break
        go_on.set()
        for budget in both:
            budget.result()
    assert waits, "the second thread sends nothing either"
    assert clock.now - begun >= 30
    assert [name for name, _ in server.requests].count("server.info") == 2


def test_a_thread_in_a_pause_is_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, begun = RequestBudget(), threading.Event()
    budget.pause(300)
    wait = RequestBudget._wait

    def wait_and_report(event: threading.Event, seconds: float) -> None:
        begun.set()
        wait(event, seconds)

    monkeypatch.setattr(RequestBudget, "_wait", staticmethod(wait_and_report))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(budget.acquire)
        begun.wait()
        budget.stop()
        with pytest.raises(StoppedError):
            waiting.result()


def test_a_pause_does_not_outlast_the_ceiling_of_time(clock: "Clock") -> None:
    begun = clock.now
    budget = RequestBudget(max_seconds=100)
    budget.pause(300)
    with pytest.raises(LimitReachedError, match="`max_seconds="):
        budget.acquire()
    assert clock.now - begun == 100


@pytest.mark.parametrize("wait", ["600", "1e400", "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_a_pause_beyond_patience_ends_the_run(take_home: TakeHome, wait: str) -> None:
    fault = Fault("status", EVENTS, status=429, headers={"Retry-After": wait}, skip=6)
    home = take_home(grid_history(30, 1, 3), faults=[fault])
    with pytest.raises(ServerError, match="requests a pause") as caught:
        home.export()
    assert caught.value.exit_code == ExitCode.SERVER
    assert not isinstance(caught.value, RefusedError)
    assert "Retry-After" in str(caught.value)
    assert "`give_up_after=120.0`" in str(caught.value)
    assert fault.fired <= 4, "at most those that the four threads had sent already"
    assert count(home.server, EVENTS) <= 6 + 4
    assert count(home.server, "server.info") == 0
    read = [task for task, row in home.tasks().items() if row["state"] == "complete"]
    home.check(*read)
    assert {row["state"] for row in home.tasks().values()} <= {"complete", "unread"}
    home.server.faults.clear()
    assert home.export().result == "complete"
    home.check()


def test_a_date_to_wait_for_is_of_the_clock_of_the_server() -> None:
    date, later = "Thu, 01 Jan 2015 00:00:00 GMT", "Thu, 01 Jan 2015 00:00:07 GMT"
    assert retry_after_seconds(later, date) == 7
    assert retry_after_seconds(later) == 0
    assert retry_after_seconds("nan") == retry_after_seconds("soon") == 0


def test_a_request_in_flight_is_cut_when_the_time_is_over(
    start_standin: Start, clock: "Clock", hasty: "Hasty"
) -> None:
    server = start_standin(faults=[Fault("stall", "server.info")])
    begun = clock.now
    api = logged_in(server, max_seconds=30, timeout=300, give_up_after=300)
    hasty(lambda endpoint, _: endpoint == "server.info")
    with pytest.raises(LimitReachedError, match="`max_seconds=30` is reached"):
        api.get("server.info")
    assert clock.now - begun == 30
    sent = len(server.requests)
    with pytest.raises(LimitReachedError, match="`max_seconds=30` is reached"):
        api.get("users.get_current_user")
    assert len(server.requests) == sent


@pytest.mark.usefixtures("clock")
def test_what_waits_for_another_try_ends_when_the_time_is_over(start_standin: Start) -> None:
    wait = {"Retry-After": "300"}
    server = start_standin(faults=[Fault("status", "server.info", status=429, headers=wait)])
    api = logged_in(server, max_seconds=30, give_up_after=400)
    with pytest.raises(LimitReachedError, match="`max_seconds="):
        api.get("server.info")
    assert count(server, "server.info") == 1


def test_our_own_end_is_not_a_limit(start_standin: Start) -> None:
    api = logged_in(start_standin(), max_requests=50)
    api.stop()
    with pytest.raises(StoppedError):
        api.get("server.info")
    assert api.limit_reached is None


@pytest.mark.parametrize("faulty", [False, True], ids=["healthy", "every fifth request fails"])
def test_the_rate_is_of_all_threads_and_of_repetitions_too(
    start_standin: Start, faulty: bool
) -> None:
    faults = [Fault("status", "server.info", status=503, probability=0.2)] if faulty else []
    server = start_standin(faults=faults)
    api = logged_in(server, max_rate=100)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.get("server.info"), range(40)))
    took = time.monotonic() - begun
    assert count(server) >= 41
    # The least time that the rate allows, never the most: that depends on the machine.
    assert took >= (count(server) - 1) / 100 - 0.1


def test_turns_are_evenly_spread() -> None:
    budget = RequestBudget(max_rate=50)
    turns = []
    for _ in range(6):
        budget.acquire()
        turns.append(time.monotonic())
    assert turns[-1] - turns[0] >= 0.09, "not all at once at the start of a second"


@pytest.mark.usefixtures("clock")
def test_a_slow_rate_is_not_silence_of_the_server(start_standin: Start) -> None:
    """One request in 70 s, and a server that counts as dead after 50 s without a success."""
    server = start_standin(faults=[Fault("status", "server.info", status=503, count=2)])
    api = logged_in(server, max_rate=1 / 70, timeout=50, give_up_after=50)
    assert api.get("server.info")["version"] == "2.3.0"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30, "30s"), (5400, "90min"), (21600, "6h"), (172800, "2d"), (1.5, "1.5s")],
)
def test_the_ceiling_is_named_as_it_is_typed(seconds: float, words: str) -> None:
    budget = RequestBudget(max_seconds=seconds)
    budget._until = 0.0  # the time has passed
    expected = f"^--max-time {words} is reached; run it again"
    with naming_options(), pytest.raises(LimitReachedError, match=expected):
        budget.acquire()
