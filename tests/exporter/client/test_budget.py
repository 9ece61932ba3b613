"""Ceilings of a run, and endpoints that fail every task: what is sent, and what no longer is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.client.budget import RequestBudget, RequestLimits, StoppedError
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.client.failures import retry_after_seconds
from clearml_snapshot.exporter.errors import ExitCode, LimitReachedError, RefusedError, ServerError
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn

if TYPE_CHECKING:
    from tests.conftest import Clock, Hasty
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def logged_in(server: StandIn, **limits: float) -> Client:
    whole = {
        name: int(limit) if name == "max_requests" else limit for name, limit in limits.items()
    }
    keys = (server.access_key, server.secret_key)
    configuration = ServerConfiguration(server.url, None, access_key=keys[0], secret_key=keys[1])
    api = Client(configuration, RequestLimits(**{"timeout": 60, "give_up_after": 120, **whole}))  # type: ignore[arg-type]
    api.login()
    return api


def count(server: StandIn, endpoint: str = "") -> int:
    return sum(name.startswith(endpoint) for name, _ in server.requests)


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
    assert set(ends) == {"--max-requests 5 is reached; run it again to continue"}
    assert api.limit_reached == "--max-requests 5 is reached"


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
    with pytest.raises(LimitReachedError, match="--max-requests 2 is reached"):
        api.get("server.info")


# A server that asks for a pause.


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
        for one in both:
            one.result()
    assert waits, "the second thread sends nothing either"
    assert clock.now - begun >= 30
    assert [name for name, _ in server.requests].count("server.info") == 2


def test_a_thread_in_a_pause_is_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, begun = RequestBudget(), threading.Event()
    budget.pause(300)
    wait = RequestBudget._wait

    def tell(event: threading.Event, seconds: float) -> None:
        begun.set()
        wait(event, seconds)

    monkeypatch.setattr(RequestBudget, "_wait", staticmethod(tell))
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
    with pytest.raises(LimitReachedError, match="--max-time"):
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
    assert "--give-up-after 120" in str(caught.value)
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
    with pytest.raises(LimitReachedError, match="--max-time 30s is reached"):
        api.get("server.info")
    assert clock.now - begun == 30
    sent = len(server.requests)
    with pytest.raises(LimitReachedError, match="--max-time 30s is reached"):
        api.get("users.get_current_user")
    assert len(server.requests) == sent


@pytest.mark.usefixtures("clock")
def test_what_waits_for_another_try_ends_when_the_time_is_over(start_standin: Start) -> None:
    wait = {"Retry-After": "300"}
    server = start_standin(faults=[Fault("status", "server.info", status=429, headers=wait)])
    api = logged_in(server, max_seconds=30, give_up_after=400)
    with pytest.raises(LimitReachedError, match="--max-time"):
        api.get("server.info")
    assert count(server, "server.info") == 1


def test_our_own_end_is_no_ceiling(start_standin: Start) -> None:
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
def test_a_slow_rate_is_no_silence_of_the_server(start_standin: Start) -> None:
    """One request in 70 s, and a server that counts as dead after 50 s without a success."""
    server = start_standin(faults=[Fault("status", "server.info", status=503, count=2)])
    api = logged_in(server, max_rate=1 / 70, timeout=50, give_up_after=50)
    assert api.get("server.info")["version"] == "2.3.0"


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "30s"), (5400, "90m"), (21600, "6h"), (172800, "2d"), (1.5, "1.5s")]
)
def test_the_ceiling_is_named_as_it_is_typed(seconds: float, words: str) -> None:
    budget = RequestBudget(max_seconds=seconds)
    budget._until = 0.0  # the time has passed
    with pytest.raises(LimitReachedError, match=f"^--max-time {words} is reached; run it again"):
        budget.acquire()


# A search engine that is down behind an API that is up.


def read_tasks(api: Client, tasks: list[str], workers: int = 1) -> list[str]:
    """Ask for a page of each task, as an export's threads do, and name those that were refused."""

    def refused(task: str) -> str:
        try:
            api.get(EVENTS, task=task, batch_size=100)
        except RefusedError:
            return task
        return ""

    with ThreadPoolExecutor(workers) as pool:
        return [task for task in pool.map(refused, tasks) if task]


def tries(server: StandIn) -> dict[str, int]:
    """Count the requests for the events of each task."""
    asked = [str(body["task"]) for name, body in server.requests if name == EVENTS]
    return {task: asked.count(task) for task in dict.fromkeys(asked)}


def broken(**more: object) -> Fault:
    """Make every call for events an error of the search engine's."""
    return Fault("status", "events.*", status=500, subcode=100, **more)  # type: ignore[arg-type]


@pytest.mark.usefixtures("hurried")
def test_an_endpoint_that_fails_each_task_is_asked_less_and_then_no_more(
    start_standin: Start,
) -> None:
    database = grid_history(8, 1, 3)
    server = start_standin(database, faults=[broken()])
    api = logged_in(server)
    tasks = list(database.tasks)
    with pytest.raises(ServerError, match="Elasticsearch") as caught:
        read_tasks(api, tasks)
    assert not isinstance(caught.value, RefusedError)
    assert list(tries(server).values()) == [9, 9, 9, 2, 2, 2]
    sent = len(server.requests)
    with pytest.raises(ServerError, match="Elasticsearch"):
        api.get("server.info")
    assert len(server.requests) == sent, "nothing is sent any more"


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("workers", [1, 4])
def test_an_export_ends_soon_when_the_search_engine_is_down(
    take_home: TakeHome, workers: int
) -> None:
    """Nor does it try ever smaller pages task by task; no task counts as failed for it."""
    home = take_home(grid_history(40, 1, 3), faults=[broken(skip=9)])
    with pytest.raises(ServerError, match="Elasticsearch") as caught:
        home.export(workers=workers)
    assert caught.value.exit_code == ExitCode.SERVER
    assert count(home.server, "events.") <= 9 + 8 * (6 + workers)
    stored = home.tasks()
    read = [task for task, row in stored.items() if row["state"] == "complete"]
    assert len(read) >= 9 - workers
    home.check(*read)
    assert {row["state"] for row in stored.values()} <= {"complete", "unread"}

    home.server.faults.clear()
    assert home.export().result == "complete"
    home.check()


@pytest.mark.usefixtures("hurried")
def test_a_search_engine_that_is_down_from_the_start(take_home: TakeHome) -> None:
    home = take_home(grid_history(40, 1, 3), faults=[broken()])
    with pytest.raises(ServerError, match="the other tasks are not read yet"):
        home.export(workers=1)
    assert count(home.server, "events.") <= 3 * 8 + 3 * 4
    assert count(home.server) <= 60
    home.server.faults.clear()
    assert home.export().result == "complete"


@pytest.mark.usefixtures("hurried")
def test_odd_tasks_in_a_row_are_not_a_dead_search_engine(take_home: TakeHome) -> None:
    """What was answered before is still answered: it is the tasks, and the others are read."""
    database = grid_history(20, 1, 3)
    odd = list(database.tasks)[5:15]
    faults = [broken(when=lambda body: body["task"] in odd)]
    home = take_home(database, faults=faults)
    report = home.export(workers=1)
    assert {problem.task_id for problem in report.problems} == set(odd)
    assert {home.tasks()[task]["state"] for task in odd} == {"failed"}
    home.check(*(set(database.tasks) - set(odd)))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("workers", [1, 4])
def test_odd_tasks_before_all_others_do_not_end_every_run(
    take_home: TakeHome, workers: int
) -> None:
    """Before the first answer other tasks are asked for: the next run would stop at the same."""
    database = grid_history(20, 1, 3)
    newest = sorted(database.tasks.values(), key=lambda task: task["created"], reverse=True)
    odd = [task["id"] for task in newest[:9]]
    home = take_home(database, faults=[broken(when=lambda body: body["task"] in odd)])
    report = home.export(workers=workers)
    assert {problem.task_id for problem in report.problems} == set(odd)
    home.check(*(set(database.tasks) - set(odd)))
    assert home.export(all_tasks=False, workers=workers).exit_code == ExitCode.PARTIAL


@pytest.mark.usefixtures("hurried")
def test_a_proxy_that_fails_one_endpoint_is_no_dead_server(start_standin: Start) -> None:
    database = grid_history(6, 1, 3)
    tasks = list(database.tasks)
    proxy = Fault("html", EVENTS, lambda body: body["task"] in tasks[4:], status=502)
    server = start_standin(database, faults=[proxy, broken()])
    with pytest.raises(ServerError, match="fails for one task after another"):
        read_tasks(logged_in(server), tasks)
    assert list(tries(server).values())[4:] == [2, 2]
    assert count(server, "server.info") >= 1, "something else was asked first"


@pytest.mark.usefixtures("hurried")
def test_one_success_brings_all_tries_back(start_standin: Start) -> None:
    database = grid_history(9, 1, 3)
    tasks = list(database.tasks)
    fault = broken(when=lambda body: body["task"] != tasks[5])
    server = start_standin(database, faults=[fault])
    assert read_tasks(logged_in(server), tasks) == tasks[:5] + tasks[6:]
    assert list(tries(server).values()) == [9, 9, 9, 2, 2, 1, 9, 9, 9]


@pytest.mark.usefixtures("hurried")
def test_one_odd_task_is_not_the_whole_endpoint(start_standin: Start) -> None:
    """A task may fail in many of its calls; the others have all their tries."""
    database = grid_history(2, 1, 3)
    odd, other = database.tasks
    faults = [broken(when=lambda body: body["task"] == odd), broken(count=8)]
    server = start_standin(database, faults=faults)
    assert read_tasks(logged_in(server), [odd, odd, odd, odd, odd, other]) == [odd] * 5
    assert tries(server) == {odd: 45, other: 9}


@pytest.mark.usefixtures("hurried")
def test_pages_that_are_too_large_are_no_dead_endpoint(start_standin: Start) -> None:
    """Every task's first calls fail, as where the search engine allows only smaller pages."""
    database = grid_history(12, 1, 3)
    fault = broken(when=lambda body: body["batch_size"] > 10)
    server = start_standin(database, faults=[fault])
    api = logged_in(server)
    subcodes = set()

    def read(task: str) -> int:
        with pytest.raises(RefusedError) as caught:
            api.get(EVENTS, task=task, batch_size=100)
        subcodes.add(caught.value.subcode)
        return len(api.get(EVENTS, task=task, batch_size=10)["events"])

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(read, database.tasks)) == [3] * 12
    assert subcodes == {100}
    assert set(tries(server).values()) == {10}
