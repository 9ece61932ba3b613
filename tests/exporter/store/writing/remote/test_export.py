"""Exports into a bucket: what is stored, what travels, and what is refused before it begins."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.sync.dry_run import forecast
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from clearml_snapshot.exporter.sync.report import ExportReport
from tests.support.buckets import Store
from tests.support.changes import Clock, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def team(tasks: int = 6, points: int = 30) -> Database:
    database = Database(now=Clock())
    for number in range(tasks):
        task = database.add_task(f"task {number}", f"team/{number % 3}", tags=[f"t{number}"])
        database.set_status(task, "in_progress")
        for metric in ("loss", "acc"):
            curve(database, task, metric, 0, points, number / 7)
        database.set_status(task, "completed")
    return database


def run(store: Store, selection: Selection | None = None, **options: Any) -> ExportReport:
    return export(store.at(), selection, options=ExportOptions(**options))


def back(home: "Home", store: Store, tmp_path: Path) -> "Home":
    """Copy what is current to a folder and open that."""
    folder = tmp_path / f"back-{len(list(tmp_path.iterdir()))}"
    copy(store.at(), str(folder), snapshots=1)
    assert verify(folder).is_intact
    return type(home)(home.server, folder)


def test_it_is_what_a_local_export_makes(take_home: TakeHome, store: Store, tmp_path: Path) -> None:
    home = take_home(team())
    ids = list(home.database.tasks)
    for step in range(3):
        local, remote = home.export(), run(store, Selection())
        assert remote.exit_code == 0
        for name in ("tasks_new", "tasks_changed", "tasks_unchanged", "points", "totals"):
            if name != "totals":
                assert getattr(remote, name) == getattr(local, name)
        copied = back(home, store, tmp_path)
        copied.check()
        assert copied.points() == home.points()
        keys = ("task_id", "state", "points_stored", "fingerprint", "selected", "metric_filter")
        assert [{k: row[k] for k in keys} for row in copied.rows("tasks")] == [
            {k: row[k] for k in keys} for row in home.rows("tasks")
        ]
        curve(home.database, ids[step], "loss", 30, 35, 0.5)
        home.database.edit(ids[step + 3], comment="only metadata")


def test_only_what_is_new_or_rewritten_travels(take_home: TakeHome, store: Store) -> None:
    home = take_home(team(9))
    run(store, Selection())
    seen = store.proxy.seen
    before = len(seen.requests)
    assert run(store).tasks_unchanged == 9
    after = seen.requests[before:]
    written = [key for method, key in after if method == "PUT" and "/files/" in key]
    assert all("/exports/" in key for key in written), written
    assert not [key for method, key in after if method == "GET" and "/scalars/" in key]
    curve(home.database, next(iter(home.database.tasks)), "loss", 30, 35, 0.5)
    before = len(seen.requests)
    assert run(store).tasks_changed == 1
    after = seen.requests[before:]
    fetched = {key for method, key in after if method == "GET" and "/scalars/" in key}
    assert len({key.split("project_id=")[1].split("/")[0] for key in fetched}) == 1


def test_selections_are_remembered_and_snapshots_kept(
    take_home: TakeHome, store: Store, tmp_path: Path
) -> None:
    take_home(team())
    run(store, Selection(TaskFilter(tags=("t1",))), keep=Retention("2", newest=2))
    report = run(store, Selection(TaskFilter(tags=("t2",))))
    assert (report.totals["tasks"], report.keep[:3]) == (2, "the")
    assert run(store).tasks_unchanged == 2
    assert len(open_snapshot(Path(store.at())).selections) == 2
    assert [s.number for s in store.dataset().snapshots()] == [2, 3]
    assert run(store, keep=Retention("1", newest=1)).removed == (2, 3)


def test_checkpoints_are_in_the_bucket_until_the_end(
    take_home: TakeHome, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._CHECKPOINT_TASKS", 2)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._COMMIT_SHARE", 0)
    home = take_home(team())
    last = next(iter(home.database.tasks))  # newest first, so it is read last
    home.server.faults.add(
        Fault(
            "status",
            "events.get_task_events",
            status=400,
            when=lambda body: body.get("task") == last,
        )
    )
    report = run(store, Selection(), workers=1)
    assert report.exit_code == 3
    assert [s.checkpoint for s in store.dataset().snapshots()] == [False]
    home.server.faults.clear()
    again = run(store)
    assert (again.exit_code, again.tasks_unchanged) == (0, 5)
    back(home, store, tmp_path).check()


def test_a_forecast_writes_nothing(take_home: TakeHome, store: Store) -> None:
    home = take_home(team())
    assert forecast(store.at(), Selection()).tasks_new == 6
    run(store, Selection())
    writes = store.proxy.seen.count("PUT")
    curve(home.database, next(iter(home.database.tasks)), "loss", 30, 35, 0.5)
    expected = forecast(store.at(), None)
    assert (expected.tasks_changed, expected.tasks_unchanged) == (1, 5)
    assert store.proxy.seen.count("PUT") == writes


@pytest.mark.parametrize(
    ("address", "fault", "words"),
    [
        ("s3://no-such-bucket-here/x", None, "there is no bucket s3://no-such-bucket-here"),
        ("s3://u:secret@bucket/x", None, "give credentials"),
        ("", {"method": "GET", "status": 403}, "no permission to read"),
        ("", {"method": "PUT", "status": 403}, "no permission to write"),
    ],
)
def test_what_is_wrong_with_the_store_is_said_before_the_server_is_asked(
    take_home: TakeHome, store: Store, address: str, fault: dict[str, Any] | None, words: str
) -> None:
    home = take_home(team())
    if fault:
        store.fault("status", code="AccessDenied", **fault)
    with pytest.raises(SnapshotError, match=words):
        export(address or store.at(), Selection())
    assert home.server.requests == []


def test_a_store_without_conditions_is_refused_first(take_home: TakeHome, store: Store) -> None:
    home = take_home(team())
    store.proxy.keeps_conditions = False
    with pytest.raises(UsageError, match="does not support conditional writes"):
        run(store, Selection())
    assert home.server.requests == []
    with pytest.raises(UsageError, match=r"share. is for folders"):
        run(store, Selection(), share="group")


def test_a_failed_run_is_recorded(take_home: TakeHome, store: Store) -> None:
    home = take_home(team())
    home.server.faults.add(Fault("status", "tasks.get_all_ex", status=400))
    with pytest.raises(SnapshotError):
        run(store, Selection())
    snapshot = open_snapshot(Path(store.at()))
    assert (snapshot.totals.tasks, len(snapshot.selections)) == (0, 1)
    home.server.faults.clear()
    assert run(store).totals["tasks"] == 6


def test_a_bad_line_to_the_store_changes_nothing(
    take_home: TakeHome, store: Store, tmp_path: Path
) -> None:
    home = take_home(team())
    store.fault("status", method="PUT", skip=4, count=2)
    store.fault("lost", method="PUT", key="files/", count=2)
    store.fault("lost", method="PUT", key="snapshots/", count=2)
    store.fault("lost", method="PUT", key="current.json", count=1)
    store.fault("status", method="GET", count=2, code="SlowDown")
    run(store, Selection())
    curve(home.database, next(iter(home.database.tasks)), "loss", 30, 35, 0.5)
    store.fault("truncate", method="GET", key="files/", count=1)
    store.fault("drop", method="GET", key="files/", count=1)
    store.fault("status", method="GET", key="snapshots/", count=1)
    store.fault("truncate", method="GET", key="current.json", count=1)
    store.fault("lost", method="PUT", key="current.json", count=1)
    assert run(store).tasks_changed == 1
    back(home, store, tmp_path).check()
    assert len(store.dataset().snapshots()) == len(
        {s.content_id for s in store.dataset().snapshots()}
    )


@pytest.mark.parametrize("package", ["obstore.store", "fsspec"])
def test_a_missing_package_is_named_first(
    take_home: TakeHome, store: Store, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    home = take_home(team(1))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"pip install {package.partition('.')[0]}"):
        run(store, Selection())
    with pytest.raises(UsageError, match="only read"):
        export("https://example.org/data", Selection())
    assert home.server.requests == []
    assert home.export().exit_code == 0
