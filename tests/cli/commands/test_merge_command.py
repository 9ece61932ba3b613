"""`merge` as it is typed: two colleagues export, and one dataset goes on."""

import csv
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.selection.remembered import remembered
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.stored import rows

Captured = pytest.CaptureFixture[str]


def _export(data: Path, *arguments: str) -> int:
    return main(["export", *arguments, "--data", str(data)])


@pytest.fixture
def two(server: StandIn, tmp_path: Path) -> list[str]:
    """Two datasets: everything, and one series of two tasks, read later."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert _export(ours, "--all", "--quiet") == 0
    row = next(rows(open_snapshot(ours), "series", ["metric", "variant"]))
    series = f"{row['metric']}/{row['variant']}"
    assert _export(theirs, "--limit", "2", "--metric", series, "--quiet") == 0
    return [str(ours), str(theirs)]


def test_a_merged_dataset_is_described_and_exported_again(
    two: list[str], server: StandIn, tmp_path: Path, capsys: Captured
) -> None:
    both = tmp_path / "both"
    table = tmp_path / "report.csv"
    assert main(["merge", *two, "-o", str(both), "--report", str(table)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[-1] == f"the folder to copy: {both}/snapshots/000001"
    assert any(line.startswith(f"{two[0]} (snapshot 1, ") for line in lines)
    assert f"  2 tasks taken from {two[1]} instead; here read earlier" in lines
    assert "2 tasks in more than one dataset" in lines
    assert any(line.startswith("2 tasks combined: 2 series (40 points) ") for line in lines)
    with table.open(encoding="utf-8", newline="") as stream:
        report = list(csv.DictReader(stream))
    assert [row["task_id"] for row in report] == sorted(server.database.tasks)
    assert sorted(row["taken_from"] for row in report) == [two[0]] * 4 + [two[1]] * 2
    assert all(row[f"fetched_at in {two[0]}"] for row in report)
    assert sum(int(row["points"]) for row in report) == 6 * 2 * 20

    assert main(["verify", str(both)]) == 0
    assert main(["status", "--data", str(both)]) == 0
    assert len(remembered(open_snapshot(both).selections)) == 2
    capsys.readouterr()
    assert _export(both) == 0
    assert "tasks: 0 new, 0 read again, 6 unchanged" in capsys.readouterr().err


def test_quiet_and_refused(two: list[str], tmp_path: Path, capsys: Captured) -> None:
    both = str(tmp_path / "both")
    assert main(["merge", *two, "-o", both, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert main(["merge", *two, "-o", both]) == ExitCode.USAGE
    assert "both already exists; use a new or an empty folder" in capsys.readouterr().err
    assert main(["merge", two[0], "-o", f"{both}2"]) == ExitCode.USAGE
    assert "merge needs two or more datasets" in capsys.readouterr().err
    assert main(["merge", *two, str(tmp_path / "no"), "-o", f"{both}2"]) == ExitCode.USAGE
    assert "no dataset at" in capsys.readouterr().err
    assert not Path(f"{both}2").exists()


def test_packs_are_merged_and_what_they_left_out_is_reported(
    two: list[str], tmp_path: Path, capsys: Captured
) -> None:
    pack, nameless = tmp_path / "theirs.zip", tmp_path / "nameless.zip"
    assert main(["pack", "-o", str(pack), "--data", two[1], "--redact", "users"]) == 0
    assert main(["pack", "-o", str(nameless), "--data", two[1], "--redact", "hosts"]) == 0
    both = tmp_path / "both"
    capsys.readouterr()
    assert main(["merge", two[0], str(pack), "-o", str(both)]) == 0
    lines = capsys.readouterr().err.splitlines()
    (left_out,) = [line for line in lines if line.startswith("  not in this pack: users")]
    assert left_out.startswith("  not in this pack: users: tasks.user_id")
    start = "warning: 2 tasks without what a pack left out, although another copy has it"
    assert [line.partition(";")[0] for line in lines if line.startswith(start)] == [start]
    owners = [row["user_id"] for row in rows(open_snapshot(both), "tasks", ["user_id"])]
    assert owners.count(None) == 2
    assert main(["verify", str(both)]) == 0
    assert main(["merge", two[0], str(nameless), "-o", f"{both}2"]) == ExitCode.USAGE
    assert "nameless.zip comes from (packed with --redact hosts)" in capsys.readouterr().err
