"""Exports whose requests fail: what arrives is exact, and what does not is counted."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import READING_ENDPOINTS
from clearml_snapshot.exporter.errors import (
    ExitCode,
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
from tests.conftest import Hasty

Start = Callable[..., StandIn]
EVENTS = "events.get_task_events"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "s3cr3t-of-the-tests"
PATIENT = RequestLimits(timeout=60.0, give_up_after=60.0)
"""A machine may be busy for as long; what never answers is cut by ``hasty``."""

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


def test_an_export_requests_only_what_is_allowed(
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
    message = "is not answering|fails for one task after another"
    with pytest.raises(ServerError, match=message) as caught:
        take(server)
    assert caught.value.exit_code == ExitCode.SERVER
    counts = states(tmp_path / "data")
    assert set(counts.values()) == {"complete", "unread"}
    assert len(counts) == 30
    kept = [name for name, state in counts.items() if state == "complete"]
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
