"""Options of `export` that steer a later run, as a user meets them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.options.export import read_keep
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pointer import numbers
from tests.conftest import Hasty

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Export = Callable[..., int]
EVENTS = "events.get_task_events"


def test_a_dry_run(take: Export, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take("--all", "--dry-run") == 0
    stderr = capsys.readouterr().err
    assert "tasks: 6 new, 0 to read again, 0 with new metadata only, 0 unchanged, 0 gone" in stderr
    assert "points: about 240 to read" in stderr
    assert "an export would send about 10 requests; this dry run took 4" in stderr
    assert "and wrote nothing" in stderr
    assert not data.exists()
    assert take("--all", "--quiet") == 0
    capsys.readouterr()
    assert take("--dry-run", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["tasks_unchanged"] == 6


def test_only_failed(
    take: Export, server: StandIn, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(iter(server.database.tasks))
    server.faults.add(Fault("status", EVENTS, lambda body: body["task"] == first, status=400))
    assert take("--all") == 3
    server.faults.clear()
    sent = len(server.requests)
    assert take("--only-failed") == 0
    assert len(server.requests) - sent == 4
    assert "tasks: 0 new, 1 read again" in capsys.readouterr().err
    assert open_snapshot(data).totals.points == 240
    assert take("--only-failed") == 0
    assert take("--only-failed", "--tag", "x") == 2
    assert "--only-failed and a filter cannot be combined" in capsys.readouterr().err


def test_lost_points_and_lost_tasks_are_reported(
    take: Export, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take("--all") == 0
    first, second, *_ = server.database.tasks
    server.database.lose(first)
    server.database.set_status(first, "in_progress")
    server.database.delete_task(second)
    capsys.readouterr()
    assert take() == 0
    stderr = capsys.readouterr().err
    assert "tasks: 0 new, 1 read again, 4 unchanged, 0 partial, 0 failed, 1 newly gone" in stderr
    assert "shrunk: the server has fewer points than stored for 1 task" in stderr
    assert take("--accept-loss") == 0
    assert "shrunk" not in capsys.readouterr().err


def test_an_order_alone_selects_nothing(take: Export, data: Path) -> None:
    assert take("--order", "archived-first") == 2
    assert take("--all", "--order", "archived-first") == 0
    assert take("--order", "oldest") == 0
    assert len(open_snapshot(data).selections) == 1


def test_how_many_exports_stay(take: Export, data: Path) -> None:
    for _ in range(4):
        assert take("--all", "--keep", "3", "--quiet") == 0
    assert numbers(data) == [2, 3, 4]
    assert take("--keep", "30d", "--quiet") == 0
    assert numbers(data) == [2, 3, 4, 5]
    assert open_snapshot(data).keep == "30d"
    for _ in range(2):
        assert take("--quiet") == 0
    assert numbers(data) == [2, 3, 4, 5, 6, 7], "the rule is remembered"


def test_what_is_removed_is_printed(
    take: Export, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert take("--all", "--keep", "30d") == 0
    assert "removed snap" not in capsys.readouterr().err
    assert take("--keep", "2") == 0
    stderr = capsys.readouterr().err
    assert "removed snapshots 1, 2 (kept: the newest 2; --keep changes it)\n" in stderr
    assert main(["status", "--data", str(data)]) == 0
    assert "\nkept        the newest 2\n" in capsys.readouterr().out
    assert take("--keep", "7d,4w,12m") == 0
    stderr = capsys.readouterr().err
    calendar = "the newest of each of the last 7 days, 4 weeks, 12 months (UTC)"
    assert f"removed snapshots 3, 4 (kept: {calendar}; --keep changes it)\n" in stderr


def test_what_keep_takes(take: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_keep(None) is None
    assert str(read_keep("3")) == "the newest 3"
    for text in ("0", "-1", "", "two", "2026-01-01", "²", "30m", "7d,4h"):
        with pytest.raises(UsageError, match="--keep"):
            read_keep(text)
    assert take("--all", "--keep", "none") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_ceiling_ends_the_run_and_the_next_one_goes_on(
    take: Export, server: StandIn, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    while not codes or codes[-1] == 7:
        sent = len(server.requests)
        codes.append(take("--all", "--max-requests", "6", "--workers", "1"))
        assert len(server.requests) - sent <= 6
        assert len(codes) < 10
    assert codes[-1] == 0
    assert len(codes) > 2
    assert open_snapshot(data).totals.points == 240
    reads = [body["task"] for name, body in server.requests if name == EVENTS]
    assert len(set(reads)) == 6
    assert len(reads) <= 6 + len(codes), "at most the task in flight is read again"
    stderr = capsys.readouterr().err
    assert (
        "--max-requests 6 is reached; run it again to continue; committing complete tasks" in stderr
    )
    assert "stopped at a limit, run it again to continue; the folder to copy" in stderr


def test_a_ceiling_below_the_listing(take: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert take("--all", "--max-requests", "1") == 7
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("error: --max-requests 1 is reached before a task was read; use a higher limit")
    )


def test_a_ceiling_of_time(take: Export, server: StandIn, data: Path, hasty: Hasty) -> None:
    """The task that stalls is read last."""
    task = next(iter(server.database.tasks))
    server.faults.add(Fault("stall", EVENTS, lambda body: body["task"] == task))
    hasty(lambda endpoint, body: endpoint == EVENTS and body["task"] == task)
    assert take("--all", "--max-time", "30s", "--workers", "1") == 7
    assert open_snapshot(data).states == {"complete": 5, "unread": 1}
    assert take("--all", "--max-time", "soon") == 2
