"""A run that fails leaves a row, changes nothing else, and never hides its own error."""

import errno
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.errors import (
    LimitReachedError,
    LockedError,
    LoginError,
    NoSuchNameError,
    OtherServerError,
    ServerError,
    UsageError,
)
from clearml_snapshot.exporter.interrupt import terminated_as_interrupted
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pointer import numbers
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing import build as commit
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.changes import curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
EVENTS, LISTING, LOGIN = "events.get_task_events", "tasks.get_all_ex", "auth.login"
BUILD = "clearml_snapshot.exporter.store.writing.dataset.build"

pytestmark = pytest.mark.usefixtures("clock")


def rows(home: "Home") -> list[dict[str, Any]]:
    return sorted(home.rows("exports"), key=lambda row: row["started"])


def contents(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Path and hash of every file with rows, but the one of ``exports``."""
    files = (entry for entry in snapshot.files if entry.rows and entry.table != "exports")
    return {(entry.path, entry.sha256) for entry in files}


def lose(home: "Home", endpoint: str) -> None:
    """Let the server die at a request to an endpoint."""
    before = len(home.sent(endpoint))
    home.server.faults.add(Fault("drop", when=lambda _: len(home.sent(endpoint)) > before))


def reconfigure(home: "Home", patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CLEARML_API_HOST", "http://127.0.0.1:9")


def refuse(home: "Home", patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CLEARML_API_SECRET_KEY", "wrong")


def forget(home: "Home", patch: pytest.MonkeyPatch) -> None:
    for name in ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        patch.delenv(name, raising=False)
    patch.setenv("CLEARML_CONFIG_FILE", str(home.folder / "none.conf"))


def breaks(endpoint: str) -> Callable[["Home", pytest.MonkeyPatch], None]:
    return lambda home, _: lose(home, endpoint)


WAYS: dict[str, tuple[Callable[["Home", pytest.MonkeyPatch], None], type[Exception], str]] = {
    "no server": (reconfigure, ServerError, "failed"),
    "a refused login": (refuse, LoginError, "failed"),
    "no credentials": (forget, ServerError, "failed"),
    "lost while listing": (breaks(LISTING), ServerError, "failed"),
    "lost before a point": (breaks(EVENTS), ServerError, "server lost"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_run_leaves_a_row_and_nothing_else(
    way: str, home: "Home", database: Database, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail, error, result = WAYS[way]
    home.export(keep=Retention.parse("1"))
    before = open_snapshot(home.folder)
    curve(database, task, "loss", 60, 90, 0.0)
    for _ in range(3):
        home.server.faults.clear()
        fail(home, monkeypatch)
        with pytest.raises(error) as caught:
            home.export(all_tasks=False)
    after = open_snapshot(home.folder)
    assert contents(after) == contents(before)
    assert (after.selections, after.server, after.keep) == (before.selections, before.server, "1")
    assert after.created_at == before.created_at, "its points are as old as before"
    assert before.number in numbers(home.folder), "a failed run prunes nothing"
    assert len(numbers(home.folder)) == 2
    row = rows(home)[-1]
    assert (len(rows(home)), row["result"], row["error"]) == (5, result, str(caught.value))
    assert row["finished"] >= row["started"]
    assert verify(home.folder).problems == ()


def test_a_limit_before_a_task_was_read(home: "Home") -> None:
    with pytest.raises(LimitReachedError):
        home.export(all_tasks=False, limits=RequestLimits(max_requests=1))
    row = rows(home)[-1]
    assert (row["result"], row["error"]) == (
        "ceiling",
        "`max_requests=1` is reached before a task was read; use a higher limit",
    )
    assert row["requests"] == 1
    assert home.export(all_tasks=False).exit_code == 0


def test_a_dataset_of_another_server(
    home: "Home", start_standin: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = start_standin(Database())
    for name, value in other.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OtherServerError):
        home.export(all_tasks=False)
    assert (rows(home)[-1]["result"], rows(home)[-1]["server"]) == ("failed", other.url)
    assert open_snapshot(home.folder).server["host"] == home.server.url


def test_a_usage_error_is_not_a_row(home: "Home") -> None:
    for task_filter in (TaskFilter(projects=("teem",)), TaskFilter(created_after="soon")):
        with pytest.raises(UsageError):
            home.export(Selection(task_filter))
    assert len(rows(home)) == 1
    assert numbers(home.folder) == [1]


def test_another_writer_is_not_disturbed(home: "Home", monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(home.folder):
        with pytest.raises(LockedError):
            home.export()
        refuse(home, monkeypatch)
        with pytest.raises(LoginError):
            home.export()
    assert len(rows(home)) == 1


def test_an_error_while_the_row_is_written_hides_nothing(
    home: "Home", database: Database, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    curve(database, task, "loss", 60, 90, 0.0)
    monkeypatch.setattr(BUILD, full)
    for endpoint in (EVENTS, LISTING):
        lose(home, endpoint)
        with pytest.raises(ServerError, match="dropped"):
            home.export(all_tasks=False)
    assert len(rows(home)) == 1


def test_a_full_disk_leaves_a_row_where_there_is_room_for_it(
    home: "Home", database: Database, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, tries = commit.build, []

    def full_once(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, "No space left on device", "part-1.parquet")
        assert not list((home.folder / ".staging").glob("stage-1/*")), "the room is given back"
        build(*arguments)

    curve(database, task, "loss", 60, 90, 0.0)
    before = open_snapshot(home.folder)
    monkeypatch.setattr(BUILD, full_once)
    with pytest.raises(OSError, match="No space left"):
        home.export(all_tasks=False)
    row = rows(home)[-1]
    assert (row["result"], row["error"]) == ("disk full", "cannot write: No space left on device")
    assert contents(open_snapshot(home.folder)) == contents(before)
    assert home.export(all_tasks=False).exit_code == 0
    home.check()


@pytest.mark.parametrize(
    ("endpoint", "limits", "result"),
    [
        (LISTING, RequestLimits(), "failed"),
        (EVENTS, RequestLimits(), "server lost"),
        ("none", RequestLimits(max_requests=1), "ceiling"),
    ],
)
def test_a_first_export_that_failed_is_remembered(
    endpoint: str, limits: RequestLimits, result: str, take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    lose(home, endpoint)
    with pytest.raises((ServerError, LimitReachedError)):
        home.export(Selection(TaskFilter(projects=("team",))), limits=limits)
    assert [row["result"] for row in rows(home)] == [result]
    (kept,) = open_snapshot(home.folder).selections
    assert (kept["filter"], open_snapshot(home.folder).totals.points) == ({"projects": ["team"]}, 0)
    home.server.faults.clear()
    assert home.export(all_tasks=False).exit_code == 0
    home.check()


@pytest.mark.parametrize("chosen", [{"once": True}, {"task_ids": ("a" * 32,)}])
def test_what_is_not_remembered_is_not_remembered_either_when_it_fails(
    chosen: dict[str, Any], take_home: TakeHome, database: Database
) -> None:
    home = take_home(database)
    lose(home, LISTING)
    selection = Selection(TaskFilter(task_ids=chosen.pop("task_ids", ())))
    with pytest.raises(ServerError):
        home.export(selection, **chosen)
    assert numbers(home.folder) == []


def test_a_mistyped_name_leaves_no_folder(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    with pytest.raises(NoSuchNameError):
        home.export(Selection(TaskFilter(projects=("teem",))))
    assert not home.folder.exists()


def silence(home: "Home", patch: pytest.MonkeyPatch) -> None:
    home.server.faults.add(Fault("drop"))


@pytest.mark.parametrize("fail", [refuse, silence])
def test_a_first_login_that_failed_is_remembered(
    fail: Callable[["Home", pytest.MonkeyPatch], None],
    take_home: TakeHome,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = take_home(database)
    with monkeypatch.context() as patch:
        fail(home, patch)
        for name in ("team", "team/project"):
            with pytest.raises(ServerError) as caught:
                home.export(Selection(TaskFilter(projects=(name,))), keep=Retention.parse("7"))
    home.server.faults.clear()
    assert [(row["result"], row["error"]) for row in rows(home)] == [
        ("failed", str(caught.value))
    ] * 2
    stored = open_snapshot(home.folder)
    assert [kept["filter"]["projects"] for kept in stored.selections] == [
        ["team"],
        ["team/project"],
    ]
    assert (stored.server, stored.keep) == ({}, "7"), "the address may be the mistake"
    assert verify(home.folder).problems == ()
    assert home.export(all_tasks=False).exit_code == 0
    assert open_snapshot(home.folder).server["host"] == home.server.url
    home.check()


def test_what_was_not_sent_leaves_no_folder(
    take_home: TakeHome, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = take_home(database)
    reconfigure(home, monkeypatch)
    for task_filter in (TaskFilter(created_after="soon"), TaskFilter(statuses=("dun",))):
        with pytest.raises(UsageError):
            home.export(Selection(task_filter))
    with pytest.raises(UsageError, match="`server_moved=True`"):
        home.export(server_moved=True)
    monkeypatch.setenv("CLEARML_API_HOST", "localhost:8008")
    with pytest.raises(ServerError):
        home.export()
    forget(home, monkeypatch)
    with pytest.raises(ServerError):
        home.export()
    assert not home.folder.exists()


@pytest.mark.parametrize("moment", [LOGIN, LISTING])
@pytest.mark.parametrize("is_first", [True, False])
def test_ctrl_c_before_a_task_was_read_leaves_a_row(
    is_first: bool,
    moment: str,
    take_home: TakeHome,
    database: Database,
) -> None:
    home = take_home(database)
    selection = Selection(TaskFilter(projects=("team",)))
    if not is_first:
        home.export(selection)
    before = len(home.sent(moment))

    def press(_: Any) -> bool:
        if len(home.sent(moment)) > before and not pressed:
            pressed.append(None)
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    pressed: list[None] = []
    home.server.faults.add(Fault("drop", when=press))
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        home.export(selection if is_first else None, all_tasks=False)
    home.server.faults.clear()
    row = rows(home)[-1]
    assert (row["result"], row["error"]) == (
        "interrupted",
        "interrupted before a task was read",
    )
    (kept,) = open_snapshot(home.folder).selections
    assert kept["filter"] == {"projects": ["team"]}
    assert home.export(all_tasks=False).exit_code == 0
    home.check()


def test_ctrl_c_in_what_is_not_remembered_leaves_no_folder(
    take_home: TakeHome, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    home = take_home(database)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export.prepare_export", press)
    with pytest.raises(KeyboardInterrupt):
        home.export(once=True)
    assert not home.folder.exists()
    home.folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        home.export(once=True)
    assert list(home.folder.iterdir()) == []


def test_a_full_disk_while_listing_leaves_a_row(
    home: "Home", monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("clearml_snapshot.exporter.sync.export.prepare_export", full)
    with pytest.raises(OSError, match="No space left"):
        home.export(all_tasks=False)
    row = rows(home)[-1]
    assert (row["result"], row["error"]) == ("disk full", "cannot write: No space left on device")
