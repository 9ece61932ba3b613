"""A server under another address: the same one goes on, another one never does."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.sync.dry_run import forecast
from clearml_snapshot.exporter.sync.prepare import ExportOptions

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
Start = Callable[..., StandIn]
Move = Callable[[StandIn], str]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Lead the exporter to a server by the name of its host; gives that address."""

    def to(server: StandIn) -> str:
        address = server.url.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("CLEARML_API_HOST", address)
        monkeypatch.setenv("CLEARML_WEB_HOST", "http://localhost:8080")
        monkeypatch.setenv("NO_PROXY", "localhost")
        return address

    return to


def header(folder: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((folder / "current" / "snapshot.json").read_text())
    return written


def test_the_same_server_goes_on(take_home: TakeHome, move: Move) -> None:
    home = take_home(grid_history(30, 2, 5))
    old = home.server.url
    home.export()
    home.database.delete_task(next(iter(home.database.tasks)))
    home.export()  # one is gone, and that proves nothing about the address
    points = home.points()
    new = move(home.server)
    with pytest.raises(
        UsageError, match=f"exported from {old}, .* is {new}; .* `server_moved=True`"
    ):
        home.export(all_tasks=False)
    sent = len(home.server.requests)
    report = home.export(all_tasks=False, server_moved=True)
    assert (report.result, report.tasks_unchanged) == ("complete", 29)
    assert len(home.server.requests) - sent <= 6
    assert home.points() == points
    assert {row["server_id"] for row in home.tasks().values()} == {new}
    for row in home.tasks().values():
        assert row["web_url"].startswith("http://localhost:8080/projects/")
    server = header(home.folder)["server"]
    assert (server["host"], server["moved_from"]) == (new, [old])
    assert verify(home.folder).problems == ()
    assert len(list((home.folder / "snapshots").iterdir())) == 2, "the step between is gone"

    assert home.export(all_tasks=False).result == "complete"
    assert header(home.folder)["server"]["moved_from"] == [old]


def test_the_option_is_harmless_where_nothing_moved(take_home: TakeHome) -> None:
    home = take_home(grid_history(2, 1, 3))
    with pytest.raises(UsageError, match="`server_moved=True` needs an existing dataset"):
        home.export(server_moved=True)
    home.export()
    assert home.export(all_tasks=False, server_moved=True).result == "complete"
    assert "moved_from" not in header(home.folder)["server"]


@pytest.mark.parametrize("spelling", [str.upper, "{}/".format, " {}".format])
def test_another_spelling_needs_nothing(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch, spelling: Callable[[str], str]
) -> None:
    home = take_home(grid_history(2, 1, 3))
    home.export()
    monkeypatch.setenv("CLEARML_API_HOST", spelling(home.server.url))
    assert home.export(all_tasks=False).tasks_unchanged == 2


def test_a_dataset_that_was_stored_with_another_spelling(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As versions before this one did."""
    home = take_home(grid_history(2, 1, 3))
    odd = home.server.url.replace("http", "HTTP")
    with monkeypatch.context() as patch:
        patch.setattr(
            "clearml_snapshot.exporter.client.configuration.normal_address", lambda _: odd
        )
        home.export()
    assert header(home.folder)["server"]["host"] == odd
    assert home.export(all_tasks=False).tasks_unchanged == 2
    curve = next(iter(home.database.tasks))
    home.database.report(curve, [{"metric": "new", "variant": "v", "iter": 1, "value": 1.0}])
    assert home.export(all_tasks=False).tasks_changed == 1


def refused(home: "Home", message: str, **options: Any) -> None:
    before = header(home.folder)
    with pytest.raises(UsageError, match=message):
        home.export(all_tasks=False, server_moved=True, **options)
    assert header(home.folder) == before


def test_another_server_is_refused(take_home: TakeHome, start_standin: Start, move: Move) -> None:
    home = take_home(grid_history(3, 1, 3))
    home.export()
    other = Database(99)
    other.add_task("another", "p")
    move(start_standin(other))
    refused(home, "it has none of 3 stored tasks")
    refused(home, "it has none of 3 stored tasks", accept_gone=("all",))


def test_a_copy_with_other_tasks_of_the_same_ids_is_refused(
    take_home: TakeHome, start_standin: Start, move: Move
) -> None:
    home = take_home(grid_history(3, 1, 3))
    home.export()
    copy = grid_history(3, 1, 3)
    for task in copy.tasks.values():
        task["created"] = task["created"].replace(year=2001)
    move(start_standin(copy))
    refused(home, "was created at another time")


def test_a_restored_backup_is_refused(take_home: TakeHome, move: Move) -> None:
    home = take_home(grid_history(3, 1, 3))
    task = home.database.tasks[next(iter(home.database.tasks))]
    before = {name: task[name] for name in ("last_update", "last_change")}
    home.database.set_status(task["id"], "in_progress")
    home.export()
    task.update(before)
    move(home.server)
    refused(home, "is older there than here")


def test_most_tasks_gone_needs_a_word(take_home: TakeHome, move: Move) -> None:
    home = take_home(grid_history(9, 1, 3))
    home.export()
    for key in list(home.database.tasks)[:6]:
        home.database.delete_task(key)
    move(home.server)
    refused(home, "has only 3 of 9 stored tasks .* `accept_gone='all'`")
    refused(home, "has only 3 of 9 stored tasks", accept_loss=True)
    assert home.export(all_tasks=False, server_moved=True, accept_gone=("all",)).tasks_gone == 6


@pytest.mark.parametrize(
    ("tasks", "why"),
    [(2, r"all stored tasks \(2\) were gone"), (0, "no stored task can be compared")],
)
def test_a_dataset_without_a_task_to_compare(
    tasks: int, why: str, take_home: TakeHome, move: Move
) -> None:
    home = take_home(grid_history(tasks, 1, 3))
    home.export()
    home.database.tasks.clear()
    if tasks:
        home.export(accept_gone=("all",))
    move(home.server)
    refused(home, f"cannot prove that .*: {why}")
    refused(home, f"cannot prove that .*: {why}", accept_gone=("all",))


def test_a_forecast_does_not_move_it(take_home: TakeHome, move: Move) -> None:
    home = take_home(grid_history(2, 1, 3))
    home.export()
    move(home.server)
    with pytest.raises(UsageError, match="cannot be combined with `forecast`"):
        forecast(home.folder, options=ExportOptions(server_moved=True))


# Merging what was exported from several addresses of one server.


@pytest.fixture
def two(take_home: TakeHome, move: Move, tmp_path: Path) -> "Callable[[], tuple[Home, Home]]":
    """Export tasks from a server, and later, with a new one, from its other address."""

    def make() -> "tuple[Home, Home]":
        old = take_home(grid_history(4, 2, 5))
        old.export()
        keys = list(old.database.tasks)
        old.database.delete_task(keys[0])
        task = old.database.add_task("later", "p")
        old.database.report(task, [{"metric": "m", "variant": "v", "iter": 1, "value": 1.0}])
        move(old.server)
        new = type(old)(old.server, tmp_path / "new")
        new.export()
        return old, new

    return make


def test_one_server_by_two_addresses(
    two: "Callable[[], tuple[Home, Home]]", tmp_path: Path
) -> None:
    old, new = two()
    sources, target = [old.folder, new.folder], tmp_path / "both"
    with pytest.raises(UsageError, match=r"only datasets of one server .*`same_server=True`"):
        merge_datasets(sources, target)
    assert not target.exists()
    merge_datasets(sources, target, same_server=True)
    both = type(old)(old.server, target)
    address = header(new.folder)["server"]["host"]
    assert {row["server_id"] for row in both.tasks().values()} == {address}
    assert len(both.tasks()) == 5
    assert all(row["web_url"].startswith("http://localhost:") for row in both.tasks().values())
    assert both.points() == {**old.points(), **new.points()}
    assert header(target)["server"]["host"] == address
    assert header(target)["server"]["moved_from"] == [header(old.folder)["server"]["host"]]
    assert verify(target).problems == ()

    report = both.export(all_tasks=False)
    assert (report.tasks_unchanged, report.tasks_gone) == (4, 1)
    # The address that is noted as a former one no longer needs an option.
    merge_datasets([old.folder, target], tmp_path / "again")


def test_the_order_of_the_sources_does_not_matter(
    two: "Callable[[], tuple[Home, Home]]", tmp_path: Path
) -> None:
    old, new = two()
    merge_datasets([new.folder, old.folder], tmp_path / "both", same_server=True)
    assert header(tmp_path / "both")["server"]["host"] == header(new.folder)["server"]["host"]


def test_no_common_task_is_not_a_proof(
    take_home: TakeHome, start_standin: Start, move: Move, tmp_path: Path
) -> None:
    old = take_home(grid_history(2, 1, 3))
    old.export()
    other = Database(99)
    other.add_task("another", "p")
    server = start_standin(other)
    move(server)
    new = type(old)(server, tmp_path / "two")
    new.export()
    with pytest.raises(UsageError, match="needs a task in both, and there is none"):
        merge_datasets([old.folder, new.folder], tmp_path / "both", same_server=True)
    assert not (tmp_path / "both").exists()


def elsewhere(home: "Home", database: Database, start: Start, move: Move, folder: Path) -> "Home":
    """Export what another server holds, by its other address."""
    server = start(database)
    move(server)
    other = type(home)(server, folder)
    other.export()
    return other


def older(task: dict[str, Any]) -> None:
    task["last_update"] -= timedelta(days=1)


COPIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "it was created at another time": lambda task: task.update(
        created=task["created"].replace(year=2001)
    ),
    "its last_update is older there than here": older,
    "its name is another one, though its last_change is the same": lambda task: task.update(
        name="another"
    ),
    "its started is another one, though its last_update is the same": lambda task: task.update(
        started=task["last_update"]
    ),
}
"""What the tasks of a copy of a server may show, once the copy goes on by itself."""


@pytest.mark.parametrize("why", COPIES)
def test_a_copy_that_went_on_by_itself_is_not_merged(
    why: str, take_home: TakeHome, start_standin: Start, move: Move, tmp_path: Path
) -> None:
    old = take_home(grid_history(2, 1, 3))
    old.export()
    copy = grid_history(2, 1, 3)
    for task in copy.tasks.values():
        COPIES[why](task)
    new = elsewhere(old, copy, start_standin, move, tmp_path / "two")
    with pytest.raises(UsageError, match=rf"are not of one server: task \w+: {why}"):
        merge_datasets([old.folder, new.folder], tmp_path / "both", same_server=True)
    assert not (tmp_path / "both").exists()


def test_other_options_are_not_another_server(
    take_home: TakeHome, move: Move, tmp_path: Path
) -> None:
    """They give each task another fingerprint, and prove nothing about the server."""
    old = take_home(grid_history(2, 1, 3))
    old.export()
    move(old.server)
    new = type(old)(old.server, tmp_path / "two")
    new.export(with_params=False)
    prints = [{row["fingerprint"] for row in home.tasks().values()} for home in (old, new)]
    assert prints[0].isdisjoint(prints[1])
    merge_datasets([old.folder, new.folder], tmp_path / "both", same_server=True)
    both = type(old)(old.server, tmp_path / "both")
    assert both.points() == old.points()
