"""One JSON object from each command that may run at night, whatever happens; and its log."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.text.outcome import COMMANDS, OUTCOMES
from clearml_snapshot.exporter.client.configured_keys import remember_configured
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.status import Capture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Export = Callable[..., int]
HEAD = ["command", "outcome", "exit_code", "error", "missing"]


def run(capsys: Capture, *arguments: str) -> tuple[dict[str, Any], str]:
    """Run a command for JSON; check what all have in common, and return object and stderr."""
    capsys.readouterr()
    code = main([*arguments, "--format", "json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert out.count("\n") == 1
    assert [*document][: len(HEAD)] == HEAD
    assert document["command"] == arguments[0]
    assert document["exit_code"] == code
    assert document["outcome"] == OUTCOMES[ExitCode(code)]
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", key) for key in document)
    if document["error"] is not None:
        assert err.splitlines()[-1] == f"error: {document['error']}"
        assert [*document] == HEAD
    return document, err


def test_each_exit_code_has_its_own_word() -> None:
    assert set(OUTCOMES) == set(ExitCode)
    assert len({*OUTCOMES.values()}) == len(ExitCode)


def test_export(take: Export, data: Path, capsys: Capture) -> None:
    document, err = run(capsys, "export", "--all", "--data", str(data))
    totals = open_snapshot(data).totals
    assert (document["outcome"], document["error"], document["missing"]) == ("complete", None, {})
    assert document["totals"]["points"] == totals.points == document["points"]
    assert f"tasks: {document['tasks_new']} new" in err
    assert err.splitlines()[-1] == f"complete; the folder to copy: {document['snapshot']}"
    document, _ = run(capsys, "export", "--dry-run", "--data", str(data))
    assert (document["missing"], document["tasks_unchanged"]) == (None, 6)


def test_export_at_a_limit(take: Export, data: Path, capsys: Capture) -> None:
    document, err = run(capsys, "export", "--all", "--max-requests", "6", "--data", str(data))
    assert (document["outcome"], document["exit_code"]) == ("limit_reached", 7)
    unread = document["missing"]["unread"]
    assert f"not read: {unread} selected task" in err
    assert open_snapshot(data).states["unread"] == unread


def test_export_that_fails(take: Export, server: StandIn, data: Path, capsys: Capture) -> None:
    folder = ("--data", str(data))
    assert run(capsys, "export", *folder)[0]["outcome"] == "usage_error"
    assert run(capsys, "export", "--bogus", *folder)[0]["outcome"] == "usage_error"
    with writing(data):
        assert run(capsys, "export", "--all", *folder)[0]["outcome"] == "locked"
    server.stop()
    assert run(capsys, "export", "--all", *folder, "--give-up-after", "1")[0]["exit_code"] == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_credentials_are_not_in_it(
    command: str, server: StandIn, tmp_path: Path, capsys: Capture
) -> None:
    secret = server.environment()["CLEARML_API_SECRET_KEY"]
    remember_configured()
    target = ("-o", str(tmp_path / "p.zip")) if command == "pack" else ()
    document, err = run(capsys, command, *target, f"--{secret}")
    assert document["outcome"] == "usage_error"
    assert secret not in json.dumps(document) + err


def test_verify(in_trouble: Path, capsys: Capture) -> None:
    document, err = run(capsys, "verify", str(in_trouble))
    assert (document["outcome"], document["missing"]) == ("incomplete", {"partial": 1})
    assert (document["intact"], document["tasks"], document["files"]) == (True, 2, 5)
    assert document["problems"] == []
    assert "hashing 5 files" in err
    assert main(["verify", str(in_trouble)]) == 3
    assert f"content id: {document['content_id']}\n" in capsys.readouterr().out
    damaged = next((in_trouble / "current").glob("tasks/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    document, _ = run(capsys, "verify", str(in_trouble), "--quick")
    assert (document["outcome"], document["intact"], document["quick"]) == ("damaged", False, True)
    assert main(["verify", str(in_trouble), "--quick"]) == 5
    printed = capsys.readouterr().out.splitlines()
    assert [f"damaged: {problem}" for problem in document["problems"]] == printed[:-1]


def test_verify_that_fails(tmp_path: Path, capsys: Capture) -> None:
    document, _ = run(capsys, "verify", str(tmp_path))
    assert "no snapshot at" in document["error"]
    document, _ = run(capsys, "verify", str(tmp_path), "-o", str(tmp_path / "x"))
    assert "redirect it" in document["error"]


def test_pack(in_trouble: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "it.zip"
    typed = ("pack", "--data", str(in_trouble), "-o", str(target), "--redact", "users")
    document, err = run(capsys, *typed)
    assert document["missing"] == {"partial": 1}
    assert (document["path"], document["bytes"]) == (str(target), target.stat().st_size)
    assert [f"omitted: {text}" for text in document["omitted"]] == [
        line for line in err.splitlines() if line.startswith("omitted: ")
    ]
    assert run(capsys, "verify", str(target))[0]["content_id"] == document["content_id"]
    document, _ = run(capsys, *typed, "--task-name", "nothing")
    assert document["exit_code"] == 2


def test_safe_to_delete(take: Export, server: StandIn, data: Path, capsys: Capture) -> None:
    assert take("--all", "--quiet") == 0
    first, *others = server.database.tasks
    server.database.set_status(first, "in_progress")
    for task in others:
        server.database.set_status(task, "completed")
    assert take("--quiet") == 0
    document, err = run(capsys, "safe-to-delete", "--data", str(data))
    assert sorted(document["task_ids"]) == sorted(others)
    assert document["not_listed"] == {first: "running"}
    assert (document["missing"], document["recorded"]) == ({}, True)
    assert all(line in err.splitlines() for line in document["notes"])
    server.stop()
    document, _ = run(capsys, "safe-to-delete", "--data", str(data), "--give-up-after", "1")
    assert document["outcome"] == "server_failed"


def test_each_line_of_a_log_has_a_time(
    take: Export, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert take("--all", "--log", "time") == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(re.match(f"{time} [a-z0-9]", line) for line in lines)
    assert any(line.endswith(" 6 tasks to read") for line in lines)
    monkeypatch.setenv("CLEARML_SNAPSHOT_LOG", "json")
    assert take("--bogus") == 2
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert re.fullmatch(time, entry["time"])
    assert (entry["level"], entry["message"][:16]) == ("error", "no such option: ")
    assert take("--bogus", "--log", "text") == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert take() == 0
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert entries[-1]["message"].startswith("complete; the folder to copy: ")
