"""`demo`: everything at once, and a second time."""

import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from clearml_snapshot.cli.commands.demo import _PORT
from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.opening import open_snapshot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_HOST", "WEB_HOST", "FILES_HOST", "API_ACCESS_KEY", "API_SECRET_KEY"):
        monkeypatch.setenv(f"CLEARML_{name}", "")  # what the demo sets is undone afterwards
    monkeypatch.setenv("CLEARML_CONFIG_FILE", "")
    data = tmp_path / "demo"
    demo = ["demo", "--port", "0", "--data", str(data)]
    assert main(demo) == 0
    out, err = capsys.readouterr()
    typed = [line.removeprefix("$ ") for line in err.splitlines() if line.startswith("$ ")]
    assert [line.split()[1] for line in typed] == [
        *("whoami", "export", "query", "query", "sql", "plot", "report")
    ]
    assert all(f"--data {data}" in line for line in typed if "whoami" not in line)
    assert "accuracy" in out
    assert (data / "report.html").stat().st_size > 100_000
    assert open_snapshot(data).totals.tasks > 80
    assert "Traceback" not in err

    with socket.socket() as taken:
        with suppress(OSError):  # where something else has taken it already
            taken.bind(("127.0.0.1", _PORT))
            taken.listen()
        assert main(["demo", "--data", str(data)]) == 0
    assert "81 unchanged" in capsys.readouterr().err
    assert open_snapshot(data).server["moved_from"]


def test_several_at_once_and_after_a_kill(program: list[str], tmp_path: Path) -> None:
    """Each has a server of its own, and all use one dataset, which a killed one has begun."""
    command = [*program, "demo", "--data", str(tmp_path / "demo")]

    def start() -> "subprocess.Popen[str]":
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        return subprocess.Popen(command, text=True, stdout=nowhere, stderr=pipe)

    killed = start()
    assert killed.stderr is not None
    for line in killed.stderr:
        if "tasks to read" in line:
            break
    killed.kill()
    killed.wait()
    killed.stderr.close()
    running = [start() for _ in range(2)]
    notes = [demo.communicate(timeout=120)[1] for demo in running]
    assert [demo.returncode for demo in running] == [0, 0], notes
    assert open_snapshot(tmp_path / "demo").totals.tasks == 81


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with StandIn() as server:
        port = server.url.rpartition(":")[2]
        assert main(["demo", "--port", port, "--data", str(tmp_path / "demo")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: port {port} is not free")
    assert not (tmp_path / "demo").exists()
