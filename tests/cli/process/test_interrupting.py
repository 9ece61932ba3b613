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
WORKERS: Final = 0.1
"""CPU-seconds of threads other than the first, which do nothing while the program starts."""
LARGE: Final = 400_000_000
"""Bytes in memory; only ``MATCH`` takes as many."""

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
    """Wait until the process does what a start does not: then it runs the query."""
    folder = Path(f"/proc/{process.pid}")
    while True:
        assert process.poll() is None
        time.sleep(0.02)
        used, size = _used(folder)
        first, _ = _used(folder / "task" / str(process.pid))
        if used >= WORKING or used - first >= WORKERS or size >= LARGE:
            return


def _used(folder: Path) -> tuple[float, int]:
    """Return the CPU-seconds and the bytes in memory of a process or thread, from its /proc."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


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
