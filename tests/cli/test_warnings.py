"""Warnings are printed despite --quiet, kept with the dataset, and found by status --check."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.writing.dataset import writing

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Capture = pytest.CaptureFixture[str]
Export = Callable[..., int]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def check(data: Path, capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["status", "--data", str(data), *arguments])
    return (code, *capsys.readouterr())


def test_quiet_leaves_out_what_went_well(take: Export, data: Path, capsys: Capture) -> None:
    assert take("--all", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert take("-q", "--dry-run") == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_prints_which_tasks_failed(
    take: Export, server: StandIn, data: Path, capsys: Capture
) -> None:
    task = next(iter(server.database.tasks))
    server.faults.add(
        Fault("status", "events.get_task_events", lambda body: body["task"] == task, status=400)
    )
    assert take("--all", "-q") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"failed: {task[:8]} ")
    assert err.count("\n") == 1
    code, _, wrong = check(data, capsys, "--check")
    assert code == 3
    assert wrong.splitlines() == [
        "warning: the newest export did not read everything (result partial)",
        "warning: tasks that are failed: 1",
    ]
    server.faults.clear()
    assert take("-q") == 0
    assert check(data, capsys, "--check")[0] == 0


def test_quiet_prints_where_it_stopped(take: Export, data: Path, capsys: Capture) -> None:
    assert take("--all", "-q", "--max-requests", "6", "--workers", "1") == 7
    not_read, ending = capsys.readouterr().err.splitlines()
    assert not_read.startswith("not read: ")
    assert ending.startswith("stopped at a limit, run it again to continue; ")
    assert "tasks that are unread" in check(data, capsys, "--check")[2]


def test_warnings_stay_until_an_export_has_none(
    take: Export, server: StandIn, data: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take("--task-name", "later*", "-q") == 0
    assert take("--all", "-q") == 0
    assert take("-q") == 3
    stderr = capsys.readouterr().err
    warning = "a remembered selection has never matched a task"
    assert stderr.startswith(f"warning: {warning}")
    with monkeypatch.context() as patch:
        patch.setenv("CLEARML_API_SECRET_KEY", "wrong")
        assert take("-q") == 4
        assert capsys.readouterr().err.startswith("error: ")
    code, page, wrong = check(data, capsys, "--check")
    assert code == 3
    assert f"\nwarnings    {warning}" in page
    assert "refused the login" in page
    assert [line.partition(":")[0] for line in wrong.splitlines()] == ["warning", "warning"]
    assert check(data, capsys)[0] == 0, "only --check changes the exit code"
    document = json.loads(check(data, capsys, "--format", "json")[1])
    assert document["warnings"][0].startswith(warning)
    assert document["last_export"]["result"] == "failed"
    assert "refused the login" in document["last_export"]["error"]
    assert len(document["concerns"]) == 2
    assert main(["selections", "remove", "1", "--data", str(data), "-q"]) == 0
    assert take("-q") == 0
    assert check(data, capsys, "--check") == (0, check(data, capsys)[1], "")


def _dataset(folder: Path, **row: Any) -> Path:
    with writing(folder) as dataset:
        dataset.commit(
            dataset.new_stage(),
            server={},
            selections=[],
            export_row={"export_id": "e", "started": NOW, "result": "complete", **row},
        )
    return folder


def test_a_snapshot_that_is_too_old(
    data: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # not a Later
            return datetime.now(tz) + timedelta(hours=27.5)

    _dataset(data)
    assert check(data, capsys, "--max-age", "26h")[0] == 0
    monkeypatch.setattr("clearml_snapshot.queries.status.status.datetime", Later)
    code, _, wrong = check(data, capsys, "--max-age", "26h")
    cut_off = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC"
    message = rf"warning: the snapshot is 27.5 hours old, from before {cut_off} \(--max-age 26h\)\n"
    assert (code, re.fullmatch(message, wrong) is not None) == (3, True), wrong
    assert check(data, capsys, "--max-age", "2d")[0] == 0
    assert check(data, capsys, "--check")[0] == 0


@pytest.mark.parametrize("result", ["running", "interrupted", "server lost", "of a newer version"])
def test_an_export_that_did_not_end_well(result: str, data: Path, capsys: Capture) -> None:
    _dataset(data, result=result)
    code, _, wrong = check(data, capsys, "--check")
    assert (code, wrong.count("\n")) == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-age", "30m"), "minutes or months"),
        (("--max-age", "soon"), "is not an age"),
        (("--check", "--by", "task"), "omit --by"),
    ],
)
def test_what_check_does_not_take(
    arguments: tuple[str, ...], message: str, data: Path, capsys: Capture
) -> None:
    code, out, err = check(_dataset(data), capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_first_export_without_a_server_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARML_API_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("CLEARML_API_ACCESS_KEY", "key")
    monkeypatch.setenv("CLEARML_API_SECRET_KEY", "secret")
    data = ["--data", str(tmp_path / "data")]
    assert main(["export", "--project", "team", "-q", "--give-up-after", "0.1", *data]) == 4
    assert main(["status", "--check", *data]) == 3
    assert "the newest export failed: http://127.0.0.1:1: " in capfd.readouterr().err
    assert main(["selections", *data]) == 0
    assert "--project team" in capfd.readouterr().out
