"""Queries that heed neither DuckDB's interrupt nor its memory limit end all the same."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from clearml_snapshot.cli.process.bounds import most_more
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.store.disk.leftovers import remove_leftovers, temporary

Piped = Callable[..., "subprocess.CompletedProcess[str]"]

SIMILAR: Final = "SELECT jaro_winkler_similarity(repeat('ab', 2000000), repeat('ba', 2000000))"
"""Hours of work on one row."""

IN_SHORT: Final = """
import sys
from clearml_snapshot.cli.process import bounds
from clearml_snapshot.cli.main import main
bounds.GRACE = 0.2
sys.exit(main(sys.argv[1:]))
"""
"""The program, with less patience."""

FILLING: Final = """
import time
from clearml_snapshot.cli.process.bounds import most_more, within_memory
from clearml_snapshot.exporter.settings import naming_options
with naming_options(), within_memory(0):
    try:
        bytearray(3 * most_more(0))
    except MemoryError:
        print("refused", flush=True)
    filled = b"x" * (most_more(0) + 2**26)
    time.sleep(60)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="the system refuses memory on Linux")


def _python(script: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_what_heeds_no_interrupt_ends_when_the_time_is_up(history: Path, tmp_path: Path) -> None:
    """The file that it was to replace stays, and nothing is left beside it."""
    answer = tmp_path / "answer.csv"
    answer.write_text("of yesterday\n")
    arguments = ("sql", SIMILAR, "--query-timeout", "0.2", "-o", str(answer))
    ended = _python(IN_SHORT, *arguments, cwd=history.parent)
    message = "error: the query took longer than 0.2 s; query less data, or allow more time\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.FAILED, "", message)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of yesterday\n"]


@linux
def test_memory_is_refused_and_watched(tmp_path: Path) -> None:
    ended = _python(FILLING, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (ExitCode.FAILED, "refused\n")
    assert ended.stderr.startswith("error: out of memory: the query made the program use ")
    assert ended.stderr.endswith("; query less data, or allow more memory with --memory-limit\n")
    assert ended.stderr.count("\n") == 1


@linux
@pytest.mark.parametrize(
    "statement", ["SELECT repeat('x', 4000000000)", "SELECT list_sort(range(500000000))[1]"]
)
def test_what_duckdb_does_not_count_is_refused(piped: Piped, statement: str) -> None:
    ended = piped("sql", statement, "--memory-limit", "256MB")
    assert (ended.returncode, ended.stdout) == (ExitCode.FAILED, "")
    assert ended.stderr.startswith("error: out of memory: ")
    assert ended.stderr.count("\n") == 1


@linux
def test_memory_without_a_limit_and_time_without_an_end(piped: Piped) -> None:
    """Both are more than the system's own calls take."""
    ended = piped("sql", "SELECT 1", "--memory-limit", "none", "--query-timeout", "1e300")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n1\n", "")


def test_the_margin_is_as_documented() -> None:
    assert most_more(8_000_000_000) == 9_000_000_000 + 512 * 2**20


def test_temporary_files_and_folders_are_removed(tmp_path: Path) -> None:
    folder, file, kept = tmp_path / "folder", tmp_path / "file", tmp_path / "kept"
    with temporary(folder), temporary(file), temporary(tmp_path / "never made"):
        with temporary(kept):
            (folder / "below").mkdir(parents=True)
            for path in (file, kept, folder / "below" / "x"):
                path.write_text("x")
        remove_leftovers()
    assert list(tmp_path.iterdir()) == [kept]
