"""Ctrl-C before a command has begun: no traceback, however early it comes."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import ExitCode

Held = Callable[[str], dict[str, str]]


@pytest.fixture
def held(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Make an import report that it has begun, and never end; gives the environment for it."""

    def hold(module: str) -> dict[str, str]:
        (tmp_path / f"{module}.py").write_text(
            "import sys\nprint('importing', flush=True)\nsys.stdin.read()\n"
        )
        return {**os.environ, "PYTHONPATH": str(tmp_path)}

    return hold


@pytest.mark.parametrize("module", ["typer", "duckdb"])
def test_an_import_ends(program: list[str], history: Path, held: Held, module: str) -> None:
    """With typer no code of ours can catch an exception yet; a question imports duckdb."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [*program, "sql", "SELECT 1"]
    with subprocess.Popen(command, cwd=history.parent, env=held(module), **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"error: interrupted\n")
    assert process.returncode == ExitCode.INTERRUPTED
