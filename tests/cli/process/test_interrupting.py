"""Ctrl-C while DuckDB answers: at no moment is it lost."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from clearml_snapshot.exporter.errors import ExitCode

Start = Callable[..., "subprocess.Popen[bytes]"]

JOIN: Final = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range < b.range"
MATCH: Final = "SELECT regexp_matches(repeat('a', 500000000), '(a|aa)*$b')"
"""Worked out while DuckDB plans, which heeds no interrupt."""

WORKING: Final = 1.5
"""CPU-seconds; a start takes less than 1."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@pytest.fixture
def start(program: list[str], history: Path) -> Iterator[Start]:
    """Start the program in the folder that holds ``data``; it is killed with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> "subprocess.Popen[bytes]":
        started.append(
            subprocess.Popen(
                [*program, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=history.parent,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _wait_until_it_works(process: "subprocess.Popen[bytes]") -> None:
    """Wait until the process has used more CPU than a start takes: then it runs the question."""
    used = 0.0
    while used < WORKING:
        assert process.poll() is None
        time.sleep(0.02)
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_endless_question_ends(start: Start) -> None:
    process = start("sql", JOIN)
    _wait_until_it_works(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate() == (b"", b"error: interrupted\n")
    assert process.returncode == ExitCode.INTERRUPTED


@pytest.mark.parametrize("presses", [1, 2])
def test_what_heeds_no_interrupt_ends(start: Start, presses: int) -> None:
    process = start("sql", MATCH)
    _wait_until_it_works(process)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.communicate() == (b"", b"error: interrupted\n")
    assert process.returncode == ExitCode.INTERRUPTED
