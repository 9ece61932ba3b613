"""A small dataset, and ways to run the real program: piped, on a terminal, and as an export."""

import fcntl
import functools
import io
import math
import os
import pty
import stat
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.cli.pictures.cases import make_demo
from tests.support.terminal import Terminal

Export = Callable[..., int]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROJECT_ID = "1" * 32


@dataclass(frozen=True)
class Session:
    code: int
    screen: str
    """stdout, with its escape sequences; line ends are those of the terminal, as LF."""
    stderr: str


def run_on_terminal(
    command: list[str], *, columns: int = 80, cwd: Path | None = None, **environment: str
) -> Session:
    """Run with stdout on a pseudo-terminal; stderr is a pipe, to keep the two apart."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    screen = _read_to_end(ours)
    assert process.stderr is not None
    stderr = process.stderr.read().decode()
    process.stderr.close()
    return Session(process.wait(), screen.decode().replace("\r\n", "\n"), stderr)


def _read_to_end(terminal: int) -> bytes:
    read = b""
    try:
        while chunk := os.read(terminal, 65536):
            read += chunk
    except OSError:  # Linux answers EIO when the other side is closed
        pass
    os.close(terminal)
    return read


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The real entry point."""
    return [str(Path(sys.executable).with_name("clearml-snapshot"))]


@pytest.fixture(scope="session")
def on_terminal(history: Path) -> Callable[..., Session]:
    """Run in this process with stdout on a pseudo-terminal, inside the folder with ``data``.

    COLUMNS replaces the size of the terminal, which a process reads from its own stdout.
    """

    def run(*arguments: str, columns: int = 80, **environment: str) -> Session:
        terminal = Terminal(columns)
        with pytest.MonkeyPatch.context() as patch, terminal.stream() as stdout:
            patch.delenv("NO_COLOR", raising=False)
            done = run_in_process(
                *arguments,
                cwd=history.parent,
                stdout=stdout,
                **{"TERM": "xterm-256color", "COLUMNS": str(columns), **environment},
            )
        screen = terminal.end().replace("\r\n", "\n")
        return Session(done.returncode, screen, done.stderr)

    return run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's history in ``data``."""
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder, run_in_process)
    return folder


@pytest.fixture(scope="session")
def on_terminal_process(program: list[str], history: Path) -> Callable[..., Session]:
    """Run the program on a pseudo-terminal, inside the folder that holds ``data``."""

    def run(*arguments: str, columns: int = 80, **environment: str) -> Session:
        command = [*program, *arguments]
        return run_on_terminal(command, columns=columns, cwd=history.parent, **environment)

    return run


@pytest.fixture(scope="session")
def open_code() -> None:
    """Skip where another user could not load the program: its checkout is a private folder."""
    for folder in Path(sys.prefix, "x").parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"another user may not enter {folder}, where the program is installed")


def run_in_process(
    *arguments: str,
    cwd: Path,
    stdin: str = "",
    stdout: io.TextIOWrapper | None = None,
    **environment: str,
) -> "subprocess.CompletedProcess[str]":
    """Run ``main`` in this process; the environment is this process's and what is given.

    Args:
        arguments: the command line.
        cwd: the working folder.
        stdin: what it reads.
        stdout: where it writes; by default the output is returned.
        environment: further variables.
    """
    given, out, err = io.BytesIO(stdin.encode()), io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name, value in environment.items():
            patch.setenv(name, value)
        for name, stream in (("stdin", given), ("stdout", out), ("stderr", err)):
            patch.setattr(sys, name, io.TextIOWrapper(stream, "utf-8", newline="\n"))
        if stdout is not None:
            patch.setattr(sys, "stdout", stdout)
        try:
            code: Any = main(arguments)
        except SystemExit as end:  # as typer ends when completion is installed
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        return subprocess.CompletedProcess(
            arguments, code, out.getvalue().decode(), err.getvalue().decode()
        )


@pytest.fixture(scope="session")
def run_here() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run ``main`` in this process (``run_here(*arguments, cwd=…, stdin="", VARIABLE=…)``).

    It sees what a process of its own would see, without the half second to start one: streams
    that are not a terminal, a folder, variables. What a system does to a process needs one.
    """
    return run_in_process


@pytest.fixture(scope="session")
def piped(
    run_here: Callable[..., "subprocess.CompletedProcess[str]"], history: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run in this process with no terminal, inside the folder that holds ``data``."""
    return functools.partial(run_here, cwd=history.parent)


@pytest.fixture(scope="session")
def piped_process(
    program: list[str], history: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the program with its streams in pipes, inside the folder that holds ``data``."""

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*program, *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            cwd=history.parent,
            check=False,
        )

    return run


def _points(values: Mapping[tuple[str, str], Sequence[float | None]], task_id: str) -> pa.Table:
    rows = [
        (task_id, metric, variant, 100 * number, NOW + timedelta(minutes=number), value, "w")
        for (metric, variant), column in values.items()
        for number, value in enumerate(column)
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCALARS)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCALARS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCALARS)


def _task(task_id: str, name: str, **others: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "name": name,
        "project_id": PROJECT_ID,
        "project": "vision/resnet",
        "type": "training",
        "status": "completed",
        "tags": ["gpu", "model_v2"],
        "archived": False,
        "hidden": False,
        "created": NOW,
        "web_url": f"https://app.example.org/projects/{PROJECT_ID}/experiments/{task_id}",
        "server_id": "http://localhost:8008",
        "state": "complete",
        "fetched_at": NOW,
        "fingerprint": "0",
        **others,
    }


EXOTIC = "=1+1 \x1b[2J\n😀 \u202e, \"quoted\" | 'x'"
"""A name that would clear a screen, break a line, turn text around and split a field."""


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small dataset with the store: three tasks, one of them with an exotic name."""
    data = tmp_path_factory.mktemp("history") / "data"
    tasks: list[tuple[dict[str, Any], dict[tuple[str, str], Sequence[float | None]]]] = [
        (
            _task("a" * 32, "training lr=0.1"),
            {
                ("loss", "train"): [1.0, 0.5, 0.123456789012345],
                ("loss", "val"): [1.5, math.nan, 0.75],
                (":monitor:gpu", "gpu_0_utilization"): [98.0],
            },
        ),
        (
            _task("b" * 32, "training lr=0.01", status="in_progress", tags=["gpu"]),
            {("accuracy", "val"): [0.5, 0.9, 0.8], ("loss", "train"): [2.0, 1.0, 0.25]},
        ),
        (_task("c" * 32, EXOTIC, archived=True, tags=[]), {(EXOTIC, "x"): [1.0]}),
    ]
    with writing(data) as dataset:
        stage = dataset.new_stage()
        for row, values in tasks:
            buffer = PointBuffer(stage, PROJECT_ID)
            buffer.add(_points(values, row["task_id"]))
            stage.add(row, [], buffer.finish())
        dataset.commit(
            stage,
            server={"host": "http://localhost:8008"},
            selections={},
            export_row={"export_id": "first", "started": NOW, "result": "complete"},
        )
    return data


@pytest.fixture
def server(start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Six tasks of two series with twenty points, configured through the environment."""
    standin = start_standin(grid_history(6, 2, 20))
    for name, value in standin.environment().items():
        monkeypatch.setenv(name, value)
    return standin


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def take(server: StandIn, data: Path) -> Export:
    """Run ``export`` in this process; gives its exit code."""

    def run(*arguments: str) -> int:
        return main(["export", *arguments, "--data", str(data)])

    return run


@pytest.fixture
def start(server: StandIn, program: list[str], data: Path) -> Iterator[Callable[..., Any]]:
    """Start ``export --all`` as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
        command = [*program, "export", "--all", "--data", str(data), *arguments]
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, **{**streams, **options}, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
