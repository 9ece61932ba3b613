"""The `export` command as a user meets it: its endings, its voices, what it leaves behind."""

import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.terminal import Terminal

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Export = Callable[..., int]
EVENTS = "events.get_task_events"


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; locks and what is in flight aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    return err.splitlines()[-1]


def test_complete(take: Export, capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert take("--all") == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("server http://127.0.0.1")
    assert lines[0].endswith("user Default User")
    assert "tasks: 6 new, 0 read again, 0 unchanged, 0 partial, 0 failed" in lines
    assert lines[-1] == f"complete; the folder to copy: {data.resolve()}/snapshots/000001"
    assert open_snapshot(data).totals.points == 6 * 2 * 20


def test_again_without_a_filter_reads_only_what_changed(
    take: Export, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take("--all") == 0
    task = next(iter(server.database.tasks))
    server.database.report(task, [{"metric": "m", "variant": "v", "iter": 1, "value": 2.0}])
    capsys.readouterr()
    assert take() == 0
    assert "tasks: 0 new, 1 read again, 5 unchanged" in capsys.readouterr().err


def test_the_first_export_needs_a_selection(take: Export, data: Path, server: StandIn) -> None:
    assert take() == 2
    assert not data.exists()
    assert server.requests == []


def test_the_first_export_names_the_options_to_use(
    take: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    take()
    line = error_of(capsys)
    assert "needs a filter" in line
    assert "--all" in line


def test_everything_and_a_filter_exclude_each_other(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert take("--all", "--project", "grid") == 2
    assert "--all" in error_of(capsys)
    assert not data.exists()


@pytest.mark.parametrize("arguments", [["--project", "grib"], ["--tag", "x"], ["--status", "won"]])
def test_a_name_that_does_not_exist(
    take: Export, capsys: pytest.CaptureFixture[str], arguments: list[str], data: Path
) -> None:
    assert take(*arguments) == 2
    assert arguments[1] in error_of(capsys)
    assert not (data / "current").exists()


def test_a_filter_that_matches_nothing_is_not_an_error(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert take("--status", "failed") == 0
    assert "no task matches the filter" in capsys.readouterr().err
    assert open_snapshot(data).totals.tasks == 0


def test_a_strange_folder_is_left_alone(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    data.mkdir(mode=0o755)
    (data / "thesis.tex").write_text("mine")
    (data / "README.md").write_text("mine too")
    assert take("--all") == 2
    assert "thesis.tex" in error_of(capsys)
    assert {path.name for path in data.iterdir()} == {"thesis.tex", "README.md"}
    assert data.stat().st_mode & 0o777 == 0o755


def test_a_file_in_place_of_the_folder(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    data.write_text("mine")
    assert take("--all") == 2
    assert "not a folder" in error_of(capsys)
    assert data.read_text() == "mine"


def test_a_task_that_fails_is_named(
    take: Export, server: StandIn, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    task = next(iter(server.database.tasks))
    server.faults.add(Fault("status", EVENTS, lambda body: body["task"] == task, status=400))
    assert take("--all") == 3
    err = capsys.readouterr().err
    assert f"failed: {task[:8]} grid 0: " in err
    assert open_snapshot(data).totals.tasks == 6


def test_a_server_that_is_not_there(
    take: Export, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARML_API_HOST", "http://127.0.0.1:1")
    assert take("--all") == 4
    assert "connection refused" in error_of(capsys)


@pytest.mark.parametrize("written", ["garbage", "{}", "", '{"format": "other"}'])
def test_a_damaged_dataset(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path, written: str
) -> None:
    assert take("--all") == 0
    (data / "current" / "snapshot.json").write_text(written)
    capsys.readouterr()
    before = content(data)
    assert take("--all") == 5
    assert "snapshot.json" in error_of(capsys)
    assert content(data) == before


def test_another_writer(take: Export, capsys: pytest.CaptureFixture[str], data: Path) -> None:
    with writing(data):
        assert take("--all") == 6
    assert "--wait" in error_of(capsys)


def test_json_is_all_there_is_on_stdout(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert take("--all", "--format", "json") == 0
    out, _ = capsys.readouterr()
    report = json.loads(out)
    assert (report["result"], report["tasks_new"], report["points"]) == ("complete", 6, 240)
    assert report["snapshot"] == str(data.resolve() / "snapshots" / "000001")


def test_quiet_prints_nothing(take: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert take("--all", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_still_prints_why_it_fails(take: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert take("--quiet") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("api", "more", "link"),
    [
        ("", [], "http://127.0.0.1:8080/projects/"),
        ("", ["--web-host", "https://web.example.org/"], "https://web.example.org/projects/"),
        (None, [], None),
    ],
)
def test_links(
    take: Export,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    api: str | None,
    more: list[str],
    link: str | None,
) -> None:
    import pyarrow.parquet as pq

    if api is None:
        monkeypatch.delenv("CLEARML_WEB_HOST")
    assert take("--all", *more) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "--web-host" in line]
    assert len(notes) == (link is None)
    (path,) = open_snapshot(data).paths("tasks")
    urls = pq.ParquetFile(path).read(["web_url"])["web_url"].to_pylist()
    assert len(urls) == 6
    for url in urls:
        assert url is None if link is None else str(url).startswith(link)


def test_in_a_pipe_there_are_plain_lines(
    server: StandIn, run_here: Callable[..., Any], data: Path
) -> None:
    done = run_here("export", "--all", cwd=data.parent)
    assert (done.returncode, done.stdout) == (0, "")
    assert not any(ord(character) < 32 and character != "\n" for character in done.stderr)
    assert "6 tasks to read" in done.stderr.splitlines()


def test_on_a_terminal_there_is_a_bar(
    take: Export, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults.latency = 0.03
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    with terminal.stream() as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        assert take("--all") == 0
    screen = terminal.end()
    assert "\u2501" in screen, "a bar is drawn"
    assert "6/6" in screen
    assert "\x1b[?25h" in screen, "the cursor is shown again"


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _reads(server: StandIn) -> int:
    return sum(name == EVENTS for name, _ in list(server.requests))


def test_ctrl_c_commits_what_is_complete(
    start: Callable[..., Any], server: StandIn, data: Path
) -> None:
    """Two tasks hang for ever; the others are complete when the user presses Ctrl-C."""
    stuck = list(server.database.tasks)[:2]
    server.faults.add(Fault("stall", EVENTS, lambda body: body["task"] in stuck))
    process = start("--timeout", "600")
    _wait_for(lambda: _reads(server) >= 6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)  # a request that hangs does not hold the user
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "interrupted; committing complete tasks" in err
    states = open_snapshot(data).states
    assert 1 <= states["complete"] <= 4
    assert states["complete"] + states["unread"] == 6
    server.faults.clear()
    assert main(["export", "--data", str(data), "--quiet"]) == 0
    assert open_snapshot(data).totals.points == 240


def test_a_second_ctrl_c_stops_at_once(
    start: Callable[..., Any], server: StandIn, data: Path
) -> None:
    stuck = list(server.database.tasks)[4:]
    server.faults.add(Fault("stall", EVENTS, lambda body: body["task"] in stuck))
    process = start("--timeout", "600")
    _wait_for(lambda: _reads(server) >= 6)
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if "committing complete tasks" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    if (data / "current").exists():  # the commit was faster than the second Ctrl-C
        states = open_snapshot(data).states
        assert states["complete"] + states["unread"] == 6
    server.faults.clear()
    assert main(["export", "--all", "--data", str(data), "--quiet"]) == 0
    assert open_snapshot(data).totals.points == 240


def test_ctrl_c_before_there_is_anything(
    start: Callable[..., Any], server: StandIn, data: Path
) -> None:
    server.faults.add(Fault("stall", "tasks.get_all_ex"))
    process = start("--timeout", "600")
    _wait_for(lambda: any(name == "tasks.get_all_ex" for name, _ in list(server.requests)))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "error: interrupted"
    assert open_snapshot(data).totals.tasks == 0
    server.faults.clear()
    assert main(["export", "--data", str(data), "--quiet"]) == 0, "the selection is remembered"
    assert open_snapshot(data).totals.points == 240


def _few_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))


def test_a_full_disk(take: Export, start: Callable[..., Any], server: StandIn, data: Path) -> None:
    assert take("--all", "--quiet") == 0
    before = content(data)
    task = next(iter(server.database.tasks))
    noise = [(i * 7919 % 1009) / 7 for i in range(5_000)]
    iterations = list(range(5_000))
    server.database.report_series(task, "noise", "n", iterations, noise, iterations)
    process = start(preexec_fn=_few_bytes)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: cannot write ")
    assert "too large" in err.splitlines()[-1]
    assert content(data) == before
    assert take("--quiet") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(
    take: Export, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    data.mkdir(mode=0o500)
    assert take("--all") == 1
    assert "Permission denied" in error_of(capsys)


def test_a_folder_that_cannot_be_made(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc cannot be written to, not even by root."""
    assert main(["export", "--all", "--data", "/proc/nowhere/data"]) == 1
    line = error_of(capsys)
    assert line.startswith("error: cannot write /proc/nowhere")


def test_a_second_export_of_another_server_is_refused(
    take: Export,
    start_standin: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert take("--all") == 0
    monkeypatch.setenv("CLEARML_API_HOST", start_standin(grid_history(1, 1, 1)).url)
    capsys.readouterr()
    assert take("--all") == 2
    assert "--data" in error_of(capsys)


def test_a_password_in_an_address_is_stored_nowhere(
    take: Export,
    server: StandIn,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = "s3cr3t-of-the-tests"
    address = server.url.replace("://", f"://user:{secret}@")
    monkeypatch.setenv("CLEARML_API_HOST", address)
    assert take("--all", "--format", "json", "--web-host", f"http://user:{secret}@web:8080") == 0
    assert secret not in "".join(capsys.readouterr())
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(secret.encode() in path.read_bytes() for path in files)
    assert open_snapshot(data).server["host"] == server.url


def test_a_copied_snapshot_needs_nothing_else(take: Export, data: Path, tmp_path: Path) -> None:
    assert take("--all", "--quiet") == 0
    shutil.copytree(data / "current", tmp_path / "elsewhere")
    shutil.rmtree(data)
    assert open_snapshot(tmp_path / "elsewhere").totals.points == 240
