"""Ceilings of a run, and endpoints that fail every task: what is sent, and what no longer is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.api import Api, Limits
from clearml_snapshot.exporter.configuration import ServerConfiguration
from clearml_snapshot.exporter.errors import CeilingError, ExitCode, RefusedError
from clearml_snapshot.exporter.pace import Pace, StoppedError
from clearml_snapshot.exporter.standin.faults import Fault
from clearml_snapshot.exporter.standin.history import grid_history
from clearml_snapshot.exporter.standin.server import StandIn

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def logged_in(server: StandIn, **limits: float) -> Api:
    whole = {
        name: int(limit) if name == "max_requests" else limit for name, limit in limits.items()
    }
    keys = (server.access_key, server.secret_key)
    configuration = ServerConfiguration(server.url, None, access_key=keys[0], secret_key=keys[1])
    api = Api(configuration, Limits(**{"timeout": 10, "give_up_after": 20, **whole}))  # type: ignore[arg-type]
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
        except CeilingError as error:
            ends.append(str(error))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(20)))
    assert len(server.requests) == api.traffic.requests == 5, "the login is one of them"
    assert len(ends) == 16
    assert set(ends) == {"--max-requests 5 is reached; run it again to go on"}
    assert api.ceiling == "--max-requests 5 is reached"


def test_the_last_request_that_is_allowed_reaches_no_ceiling(start_standin: Start) -> None:
    api = logged_in(start_standin(), max_requests=2)
    api.get("server.info")
    assert api.ceiling is None
    with pytest.raises(CeilingError) as caught:
        api.get("server.info")
    assert caught.value.exit_code == ExitCode.CEILING
    assert not isinstance(caught.value, StoppedError)


def test_what_waits_for_another_try_ends_with_the_last_request(start_standin: Start) -> None:
    """Sleeping until Retry-After is over would be for nothing: no request is left."""
    wait = {"Retry-After": "300"}
    server = start_standin(faults=[Fault("status", "server.info", status=503, headers=wait)])
    api = logged_in(server, max_requests=3, give_up_after=400)
    ended: list[BaseException] = []

    def ask() -> None:
        with pytest.raises(CeilingError) as caught:
            api.get("server.info")
        ended.append(caught.value)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not count(server, "server.info"):
        time.sleep(0.01)
    assert not ended
    api.get("users.get_current_user")
    waiting.join(timeout=30)
    assert len(ended) == 1


def test_a_request_in_flight_is_cut_when_the_time_is_over(start_standin: Start) -> None:
    server = start_standin(faults=[Fault("stall", "server.info")])
    api = logged_in(server, max_seconds=1, timeout=300, give_up_after=300)
    with pytest.raises(CeilingError, match="--max-time 1s is reached"):
        api.get("server.info")
    sent = len(server.requests)
    with pytest.raises(CeilingError, match="--max-time 1s is reached"):
        api.get("users.get_current_user")
    assert len(server.requests) == sent


def test_what_waits_for_another_try_ends_when_the_time_is_over(start_standin: Start) -> None:
    wait = {"Retry-After": "300"}
    server = start_standin(faults=[Fault("status", "server.info", status=429, headers=wait)])
    api = logged_in(server, max_seconds=1, give_up_after=400)
    with pytest.raises(CeilingError, match="--max-time"):
        api.get("server.info")
    assert count(server, "server.info") == 1


def test_our_own_end_is_no_ceiling(start_standin: Start) -> None:
    api = logged_in(start_standin(), max_requests=50)
    api.stop()
    with pytest.raises(StoppedError):
        api.get("server.info")
    assert api.ceiling is None


@pytest.mark.parametrize("faulty", [False, True], ids=["healthy", "every fifth request fails"])
def test_the_rate_is_of_all_threads_and_of_repetitions_too(
    start_standin: Start, faulty: bool
) -> None:
    faults = [Fault("status", "server.info", status=503, probability=0.2)] if faulty else []
    server = start_standin(faults=faults)
    api = logged_in(server, max_rate=40)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.get("server.info"), range(40)))
    took = time.monotonic() - begun
    assert count(server) >= 41
    # The least time that the rate allows, never the most: that depends on the machine.
    assert took >= (count(server) - 1) / 40 - 0.1


def test_turns_are_evenly_spread() -> None:
    pace = Pace(max_rate=50)
    turns = []
    for _ in range(6):
        pace.take_turn()
        turns.append(time.monotonic())
    assert turns[-1] - turns[0] >= 0.09, "not all at once at the start of a second"


def test_a_slow_rate_is_no_silence_of_the_server(start_standin: Start) -> None:
    """One request in 0.7 s, and a server that counts as dead after 0.5 s without a success."""
    server = start_standin(faults=[Fault("status", "server.info", status=503, count=2)])
    api = logged_in(server, max_rate=1 / 0.7, timeout=0.5, give_up_after=0.5)
    assert api.get("server.info")["version"] == "2.3.0"


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "30s"), (5400, "90m"), (21600, "6h"), (172800, "2d"), (1.5, "1.5s")]
)
def test_the_ceiling_is_named_as_it_is_typed(seconds: float, words: str) -> None:
    pace = Pace(max_seconds=seconds)
    pace._until = 0.0  # the time has passed
    with pytest.raises(CeilingError, match=f"^--max-time {words} is reached; run it again"):
        pace.take_turn()


# A search engine that is down behind an API that is up.


def read_tasks(api: Api, tasks: list[str], workers: int = 1) -> list[str]:
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
def test_an_endpoint_that_fails_each_task_is_asked_less(start_standin: Start) -> None:
    database = grid_history(8, 1, 3)
    server = start_standin(database, faults=[broken()])
    api = logged_in(server)
    assert read_tasks(api, list(database.tasks)) == list(database.tasks)
    assert list(tries(server).values()) == [9, 9, 9, 2, 2, 2, 2, 2]
    assert count(server, "auth.login") == 1


@pytest.mark.usefixtures("hurried")
def test_an_export_ends_soon_when_the_search_engine_is_down(take_home: TakeHome) -> None:
    """Nor does it try smaller pages task by task; what comes after the repair is read."""
    home = take_home(grid_history(8, 1, 3), faults=[broken()])

    def repair(_: dict[str, Any]) -> bool:
        if len(tries(home.server)) == 8:
            del home.server.faults.faults[1:]
        return False

    home.server.faults.faults.insert(0, Fault("drop", EVENTS, repair))
    report = home.export(workers=1)
    asked = tries(home.server)
    *lost, last = asked
    assert min(asked[task] for task in lost[:3]) > 40, "ever smaller pages, several times each"
    assert [asked[task] for task in lost[3:]] == [4] * 4
    assert {problem.task_id for problem in report.problems} == set(lost)
    home.check(last)


@pytest.mark.usefixtures("hurried")
def test_a_proxy_that_fails_one_endpoint_is_no_dead_server(start_standin: Start) -> None:
    database = grid_history(6, 1, 3)
    server = start_standin(database, faults=[broken()])
    api = logged_in(server)
    tasks = list(database.tasks)
    read_tasks(api, tasks[:4])
    server.faults.clear()
    server.faults.add(Fault("html", EVENTS, status=502))
    read_tasks(api, tasks[4:])
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
