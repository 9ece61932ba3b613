"""An endpoint that keeps failing gets fewer requests, and then none."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import ExitCode, RefusedError, ServerError
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.clients import count, logged_in

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# A search engine that is down behind an API that is up.
def read_tasks(api: Client, tasks: list[str], workers: int = 1) -> list[str]:
    """Request a page of each task, as an export's threads do, and name those that were refused."""

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
    task_ids = [str(body["task"]) for name, body in server.requests if name == EVENTS]
    return {task: task_ids.count(task) for task in dict.fromkeys(task_ids)}


def broken(**more: object) -> Fault:
    """Make every call for events an error of the search engine's."""
    return Fault("status", "events.*", status=500, subcode=100, **more)  # type: ignore[arg-type]


@pytest.mark.usefixtures("hurried")
def test_an_endpoint_that_fails_each_task_gets_fewer_requests_and_then_none(
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
def test_an_answer_that_was_under_way_does_not_make_other_tasks_fail(take_home: TakeHome) -> None:
    """A task that was begun before another one failed does not prove that it is odd."""
    database = grid_history(40, 1, 3)
    newest = sorted(database.tasks, key=lambda task: database.tasks[task]["created"], reverse=True)
    first, third = newest[0], newest[2]
    faults = [
        Fault("slow", EVENTS, lambda body: body["task"] == first, count=1, seconds=1.0),
        Fault("stall", EVENTS, lambda body: body["task"] == third, count=1),
        broken(),
    ]
    home = take_home(database, faults=faults)
    with pytest.raises(ServerError, match="Elasticsearch"):
        home.export(workers=2)
    states = {task: row["state"] for task, row in home.tasks().items()}
    assert states.pop(first) == "complete"
    assert set(states.values()) == {"unread"}


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
    """Before the first answer other tasks are tried: the next run would stop at the same one."""
    database = grid_history(20, 1, 3)
    newest = sorted(database.tasks.values(), key=lambda task: task["created"], reverse=True)
    odd = [task["id"] for task in newest[:9]]
    home = take_home(database, faults=[broken(when=lambda body: body["task"] in odd)])
    report = home.export(workers=workers)
    assert {problem.task_id for problem in report.problems} == set(odd)
    home.check(*(set(database.tasks) - set(odd)))
    assert home.export(all_tasks=False, workers=workers).exit_code == ExitCode.PARTIAL


@pytest.mark.usefixtures("hurried")
def test_a_proxy_that_fails_one_endpoint_is_not_a_dead_server(start_standin: Start) -> None:
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
def test_one_odd_task_does_not_disable_the_endpoint(start_standin: Start) -> None:
    """A task may fail in many of its calls; the others have all their tries."""
    database = grid_history(2, 1, 3)
    odd, other = database.tasks
    faults = [broken(when=lambda body: body["task"] == odd), broken(count=8)]
    server = start_standin(database, faults=faults)
    assert read_tasks(logged_in(server), [odd, odd, odd, odd, odd, other]) == [odd] * 5
    assert tries(server) == {odd: 45, other: 9}


@pytest.mark.usefixtures("hurried")
def test_pages_that_are_too_large_are_not_a_dead_endpoint(start_standin: Start) -> None:
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
