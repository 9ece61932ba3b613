"""Every command that reports completeness names what a limit left out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def stopped(take: Callable[..., int], data: Path, capsys: Capture) -> Path:
    """A dataset whose first export read some of six tasks, and not the others."""
    for requests in range(4, 20):  # the first few are the login and the listing
        code = take("--all", "--max-requests", str(requests), "--workers", "1", "-q")
        capsys.readouterr()
        if code == 7 and data.exists() and _states(data, capsys).keys() == {"complete", "unread"}:
            return data
    raise AssertionError("no number of requests stops the export half-way")


def _states(data: Path, capsys: Capture) -> dict[str, int]:
    assert main(["status", "--data", str(data), "--format", "json"]) == 0
    states: dict[str, int] = json.loads(capsys.readouterr().out)["states"]
    return states


def test_every_command_reports_it(stopped: Path, tmp_path: Path, capsys: Capture) -> None:
    pack = tmp_path / "a.zip"
    states = _states(stopped, capsys)
    unread = f"{states['unread']} not read yet"
    outputs = {
        "query max": ["query", "max", "--data", str(stopped)],
        "query tasks": ["query", "tasks", "--data", str(stopped)],
        "status": ["status", "--data", str(stopped)],
        "verify": ["verify", str(stopped)],
        "pack": ["pack", "-o", str(pack), "--data", str(stopped)],
        "verify of the pack": ["verify", str(pack)],
        "query of the pack": ["query", "max", "--data", str(pack)],
    }
    words = {}
    codes = {}
    for name, arguments in outputs.items():
        codes[name] = main(arguments)
        words[name] = "".join(capsys.readouterr())
    silent = [name for name in outputs if unread not in words[name] and name != "status"]
    assert silent == []
    for name in ("query max", "query tasks", "query of the pack"):
        main([*outputs[name], "-q"])
        (line,) = capsys.readouterr().err.splitlines()
        assert unread in line, "quiet leaves out notes, and never what is missing"
    assert f"{states['unread']} unread" in words["status"]
    complete = f"{states['complete']} of 6 tasks have metrics (:monitor: not counted)"
    has_it = f"{complete}; of all selected {unread}"
    assert has_it in words["query max"]
    assert codes.pop("verify") == codes.pop("verify of the pack") == 3
    assert set(codes.values()) == {0}


def test_the_next_export_reads_them(
    stopped: Path, take: Callable[..., int], capsys: Capture
) -> None:
    assert take() == 0
    assert main(["verify", str(stopped)]) == 0
    assert "not complete" not in capsys.readouterr().out
