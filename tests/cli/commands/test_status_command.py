"""The `status` command: on one page, as JSON, of a selection, of an older snapshot."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.status import NOW, ODD, Capture, kilobytes


def _page(capsys: Capture) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return {line[:12].strip(): line[12:] for line in lines if line[:12].strip()}


def test_status_is_one_page(in_trouble: Path, capsys: Capture) -> None:
    assert main(["status", "--data", str(in_trouble)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"dataset     {in_trouble}"
    assert lines[1].startswith("snapshot    1, 20")
    assert lines[1].endswith(" UTC (less than a minute old)")
    assert lines[2:-1] == [
        "server      http://x (ClearML 2.3.0)",
        "tasks       2 in 0 projects: 1 complete, 1 partial",
        "            including 0 running, 0 archived, 0 no longer selected",
        "points      0 in 0 series",
        f"on disk     {kilobytes(in_trouble)}",
        "exports     1; the last one started 2026-03-01 12:00 UTC: partial",
        "kept        the newest 2",
        "readable by owner",
        "selections  1  --project vision --tag '\\x1b[2J'  (1 task)",
        "            2  --metric loss",
        r"partial   bbbbbbbb  bad \x1b[2J\n😀 \u202e n…: 5 points of 9 came, and the ser…",
    ]
    assert lines[-1] == f"the folder to copy: {in_trouble.resolve()}/snapshots/000001"
    assert all(len(line) <= 80 for line in lines[1:-1])


def test_status_as_json(in_trouble: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["status", "--data", str(in_trouble), "--format", "json"]) == 0
    printed = capsys.readouterr().out
    document = json.loads(printed)
    assert document["dataset"] == str(in_trouble)
    assert document["states"] == {"complete": 1, "partial": 1}
    assert document["problem_tasks"][0]["name"] == ODD
    assert [row["matched"] for row in document["selections"]] == [1, None]
    assert document["selections"][1]["selection"] == "--metric loss"
    file = tmp_path / "status.json"
    assert main(["status", "--data", str(in_trouble), "-o", str(file)]) == 0
    assert json.loads(file.read_text()).keys() == document.keys()


def test_status_is_not_a_table(in_trouble: Path, capsys: Capture, tmp_path: Path) -> None:
    for name in ("status.csv", "status.duckdb"):
        assert main(["status", "--data", str(in_trouble), "-o", str(tmp_path / name)]) == 2
        assert "status prints a page; use --by for a table" in capsys.readouterr().err
        assert not (tmp_path / name).exists()


def test_status_of_a_selection_that_found_nothing(in_trouble: Path, capsys: Capture) -> None:
    _commit(in_trouble, selections=[{"filter": {"tags": ["x"]}, "matched": None}])
    assert main(["status", "--data", str(in_trouble)]) == 0
    assert _page(capsys)["selections"] == "1  --tag x  (0 tasks)"


def test_status_of_tasks_that_are_not_selected(in_trouble: Path, capsys: Capture) -> None:
    note = "tasks no longer selected are as of their fetched_at, not of today"
    assert main(["status", "--data", str(in_trouble)]) == 0
    assert note not in capsys.readouterr().out
    task = {"server_id": "http://x", "fetched_at": NOW, "fingerprint": "f", "state": "complete"}
    _commit(in_trouble, {**task, "task_id": "c" * 32, "selected": False})
    assert main(["status", "--data", str(in_trouble)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index(f"            {note}")
    assert lines[at - 1].endswith(", 1 no longer selected")
    assert len(lines[at]) <= 80


def _commit(in_trouble: Path, *rows: dict[str, Any], selections: Any = ()) -> None:
    with writing(in_trouble) as dataset:
        stage = dataset.new_stage()
        for row in rows:
            stage.add(row)
        export = {"export_id": "later", "started": NOW, "result": "complete"}
        dataset.commit(stage, server={}, selections=list(selections), export_row=export)


def test_status_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert main(["status", "--data", str(tmp_path / "none")]) == 2
    assert "no dataset at" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_status_of_an_older_snapshot(in_trouble: Path, capsys: Capture) -> None:
    assert main(["selections", "remove", "2", "--data", str(in_trouble)]) == 0
    capsys.readouterr()
    assert main(["status", "--data", str(in_trouble)]) == 0
    assert _page(capsys)["snapshot"].startswith("2, ")
    assert main(["status", "--data", str(in_trouble), "--snapshot", "-1"]) == 0
    assert _page(capsys)["snapshot"].startswith("1, ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["status", "--top", "3"], "--top needs --by"),
        (["status", "--format", "csv"], "status prints a page; use --by"),
        (["status", "--table", "x"], "status prints a page; use --by"),
        (["verify", "--format", "csv"], "other formats and --table need --server-summary"),
        (["selections", "remove"], "remove needs the number"),
        (["selections", "remove", "3"], "there is no selection 3; choose a number from 1 to 2"),
        (["selections", "remove", "1", "--snapshot", "1"], "omit --snapshot"),
        (["selections", "forget", "1"], "'forget' is not one of remove"),
    ],
)
def test_what_cannot_be_meant(
    in_trouble: Path, capsys: Capture, arguments: list[str], error: str
) -> None:
    assert main([*arguments, "--data", str(in_trouble)]) == 2
    captured = capsys.readouterr()
    assert error in captured.err
    assert captured.out == ""
    assert open_snapshot(in_trouble).number == 1


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


def test_status_loads_nothing_heavy(in_trouble: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATUS_MODULES, str(in_trouble)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "duckdb" in loaded
    assert loaded & {"clearml", "requests", "pyarrow", "numpy", "rich", "detect_secrets"} == set()
