"""`status`, `verify` and `selections` as they are typed."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing

Capture = pytest.CaptureFixture[str]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = "bad \x1b[2J\n😀 \u202e name that goes on and on and on"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dataset that remembers two selections, with a task in trouble of an odd name."""
    folder = tmp_path / "data"
    with writing(folder) as dataset:
        stage = dataset.new_stage()
        task = {"server_id": "http://x", "fetched_at": NOW, "fingerprint": "f"}
        stage.add({**task, "task_id": "a" * 32, "name": "fine", "state": "complete"})
        reason = "5 points of 9 came, and the server answered 500 to everything after that"
        stage.add({**task, "task_id": "b" * 32, "name": ODD, "state": "partial", "reason": reason})
        dataset.commit(
            stage,
            server={"host": "http://x", "version": "2.3.0"},
            selections=[
                {"filter": {"projects": ["vision"], "tags": ["\x1b[2J"]}, "matched": 1},
                {"filter": {}, "metrics": ["loss"]},
            ],
            export_row={"export_id": "e", "started": NOW, "finished": NOW, "result": "partial"},
        )
    return folder


def _page(capsys: Capture) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return {line[:12].strip(): line[12:] for line in lines if line[:12].strip()}


def _kilobytes(data: Path) -> str:
    return f"{open_snapshot(data).totals.bytes / 1000:.1f} kB"


def test_status_is_one_page(data: Path, capsys: Capture) -> None:
    assert main(["status", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"dataset     {data}"
    assert lines[1].startswith("snapshot    1, 20")
    assert lines[1].endswith(" UTC (less than a minute old)")
    assert lines[2:-1] == [
        "server      http://x (ClearML 2.3.0)",
        "tasks       2 in 0 projects: 1 complete, 1 partial",
        "            including 0 running, 0 archived, 0 no longer selected",
        "points      0 in 0 series",
        f"on disk     {_kilobytes(data)}",
        "exports     1; the last one started 2026-03-01 12:00 UTC: partial",
        "kept        the newest 2",
        "readable by owner",
        "selections  1  --project vision --tag '\\x1b[2J'  (1 task)",
        "            2  --metric loss",
        r"partial   bbbbbbbb  bad \x1b[2J\n😀 \u202e n…: 5 points of 9 came, and the ser…",
    ]
    assert lines[-1] == f"the folder to copy: {data.resolve()}/snapshots/000001"
    assert all(len(line) <= 80 for line in lines[1:-1])


def test_status_as_json(data: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["status", "--data", str(data), "--format", "json"]) == 0
    printed = capsys.readouterr().out
    told = json.loads(printed)
    assert told["dataset"] == str(data)
    assert told["states"] == {"complete": 1, "partial": 1}
    assert told["problem_tasks"][0]["name"] == ODD
    assert [one["matched"] for one in told["selections"]] == [1, None]
    assert told["selections"][1]["selection"] == "--metric loss"
    file = tmp_path / "status.json"
    assert main(["status", "--data", str(data), "-o", str(file)]) == 0
    assert json.loads(file.read_text()).keys() == told.keys()


def test_status_is_no_table(data: Path, capsys: Capture, tmp_path: Path) -> None:
    for name in ("status.csv", "status.duckdb"):
        assert main(["status", "--data", str(data), "-o", str(tmp_path / name)]) == 2
        assert "status prints a page; use --by for a table" in capsys.readouterr().err
        assert not (tmp_path / name).exists()


def test_status_of_a_selection_that_found_nothing(data: Path, capsys: Capture) -> None:
    _commit(data, selections=[{"filter": {"tags": ["x"]}, "matched": None}])
    assert main(["status", "--data", str(data)]) == 0
    assert _page(capsys)["selections"] == "1  --tag x  (0 tasks)"


def test_status_of_tasks_that_are_not_selected(data: Path, capsys: Capture) -> None:
    told = "tasks no longer selected are as of their fetched_at, not of today"
    assert main(["status", "--data", str(data)]) == 0
    assert told not in capsys.readouterr().out
    task = {"server_id": "http://x", "fetched_at": NOW, "fingerprint": "f", "state": "complete"}
    _commit(data, {**task, "task_id": "c" * 32, "selected": False})
    assert main(["status", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index(f"            {told}")
    assert lines[at - 1].endswith(", 1 no longer selected")
    assert len(lines[at]) <= 80


def _commit(data: Path, *rows: dict[str, Any], selections: Any = ()) -> None:
    with writing(data) as dataset:
        stage = dataset.new_stage()
        for row in rows:
            stage.add(row)
        export = {"export_id": "later", "started": NOW, "result": "complete"}
        dataset.commit(stage, server={}, selections=list(selections), export_row=export)


def test_status_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert main(["status", "--data", str(tmp_path / "none")]) == 2
    assert "no dataset at" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_status_of_an_older_snapshot(data: Path, capsys: Capture) -> None:
    assert main(["selections", "remove", "2", "--data", str(data)]) == 0
    capsys.readouterr()
    assert main(["status", "--data", str(data)]) == 0
    assert _page(capsys)["snapshot"].startswith("2, ")
    assert main(["status", "--data", str(data), "--snapshot", "-1"]) == 0
    assert _page(capsys)["snapshot"].startswith("1, ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["status", "--top", "3"], "--top needs --by"),
        (["status", "--format", "csv"], "status prints a page; use --by"),
        (["status", "--table", "x"], "status prints a page; use --by"),
        (["verify", "--format", "csv"], "--format and --table need --server-summary"),
        (["selections", "remove"], "remove needs the number"),
        (["selections", "remove", "3"], "there is no selection 3; choose a number from 1 to 2"),
        (["selections", "remove", "1", "--snapshot", "1"], "omit --snapshot"),
        (["selections", "forget", "1"], "'forget' is not one of remove"),
    ],
)
def test_what_cannot_be_meant(
    data: Path, capsys: Capture, arguments: list[str], error: str
) -> None:
    assert main([*arguments, "--data", str(data)]) == 2
    captured = capsys.readouterr()
    assert error in captured.err
    assert captured.out == ""
    assert open_snapshot(data).number == 1


def test_status_ranks_by_points(piped: Callable[..., Any]) -> None:
    done = piped("status", "--by", "task", "--top", "2")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["name"], row["points"]) for row in rows] == [
        ("training lr=0.1", "7"),
        ("training lr=0.01", "6"),
    ]
    whole = json.loads(piped("status", "--by", "project", "--format", "json").stdout)
    assert [(row["name"], row["tasks"], row["share"]) for row in whole] == [("vision/resnet", 3, 1)]


def test_on_a_terminal(on_terminal: Callable[..., Any]) -> None:
    for arguments in (["status"], ["status", "--by", "task"], ["selections"], ["verify"]):
        session = on_terminal(*arguments, NO_COLOR="1")
        assert session.code == 0, session.stderr
        assert "\x1b[2J" not in session.screen
        lines = [line for line in session.screen.splitlines() if "/snapshots/" not in line]
        assert max(map(len, lines), default=0) <= 80, session.screen


STATUS_MODULES = """
import sys
from clearml_snapshot.cli.main import main
code = main(["status", "--data", sys.argv[1]])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def test_status_loads_nothing_heavy(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATUS_MODULES, str(data)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "duckdb" in loaded
    assert loaded & {"clearml", "requests", "pyarrow", "numpy", "rich", "detect_secrets"} == set()


def test_verify_an_intact_one_that_is_not_complete(data: Path, capsys: Capture) -> None:
    assert main(["verify", str(data)]) == 3
    out, err = capsys.readouterr()
    line, missing, content_id = out.splitlines()
    assert missing == "not complete: of 2 tasks 1 partial"
    assert re.fullmatch(r"content id: [0-9a-f]{64}", content_id)
    assert line.startswith(f"intact: 5 files, {_kilobytes(data)}, 0 points, 0 series, 2 tasks in /")
    assert "hashing 5 files" in err
    assert main(["verify", "--data", str(data), "-q"]) == 3
    assert capsys.readouterr() == (out, "")


def test_verify_a_damaged_copy(data: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data / "current", copy)
    damaged = next(copy.glob("tasks/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    (copy / "series" / "a\x1b[2J.parquet").write_bytes(b"")
    assert main(["verify", str(copy)]) == 5
    out, err = capsys.readouterr()
    strange, changed = out.splitlines()
    assert strange == r"damaged: not listed in snapshot.json: series/a\x1b[2J.parquet"
    assert changed.startswith("damaged: content changed (sha256 ")
    assert changed.endswith(f": tasks/{damaged.name}")
    assert "the rows are not checked: " in err
    (copy / "snapshot.json").write_text("{")
    assert main(["verify", str(copy), "-q"]) == 5
    assert capsys.readouterr().out.startswith(f"damaged: {copy}/snapshot.json is damaged")


def test_verify_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "no snapshot at" in capsys.readouterr().err


def test_verify_the_summary(piped: Callable[..., Any]) -> None:
    done = piped("verify", "--server-summary")
    assert done.returncode == 0
    assert done.stdout.startswith("task,metric,variant,what,ours,theirs,why,legitimate,task_id")
    assert done.stderr.startswith("0 series compared with the server's summary")


def test_selections_are_listed_and_removed(data: Path, capsys: Capture) -> None:
    listing = ["selections", "--data", str(data), "--format", "json"]
    assert main(listing) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "number": 1,
        "selection": "--project vision --tag '\x1b[2J'",
        "matched": 1,
        "metrics": "all",
    }
    assert (second["selection"], second["metrics"]) == ("--metric loss", "loss")
    assert main(["selections", "remove", "1", "--data", str(data)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert r"removed: --project vision --tag '\x1b[2J'" in err
    assert "its tasks are kept" in err
    assert main(listing) == 0
    assert [one["selection"] for one in json.loads(capsys.readouterr().out)] == ["--metric loss"]
    assert main(["selections", "remove", "1", "--data", str(data), "-q"]) == 0
    assert main(listing) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "no selection is remembered" in err
    assert main(["verify", str(data)]) == 3
