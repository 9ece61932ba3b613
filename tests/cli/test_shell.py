"""``sql`` without a statement on a terminal: DuckDB's own shell, or the line that starts it."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest


def typed(program: list[str], cwd: Path, path: str, *arguments: str) -> tuple[int, str, str]:
    """Run ``sql`` with stdin on a terminal."""
    ours, theirs = pty.openpty()
    ended = subprocess.run(
        [*program, "sql", *arguments],
        stdin=theirs,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": path},
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    return ended.returncode, ended.stdout, ended.stderr


def test_the_line_that_would_start_it(
    program: list[str], history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = typed(program, history.parent, str(tmp_path))
    assert code == 0
    assert "not installed" in err
    words = shlex.split(out)
    assert (words[0], words[2:]) == ("cd", ["&&", "duckdb", "-init", "open.sql"])
    monkeypatch.chdir(words[1])
    with duckdb.connect() as bare:
        bare.execute(Path("open.sql").read_text())
        assert bare.execute("SELECT count(*) FROM tasks").fetchall() == [(3,)]


def test_the_installed_shell_starts_in_the_snapshot(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    shell = tmp_path / "duckdb"
    shell.write_text(
        f"#!{sys.executable}\nimport os, sys\nprint(os.getcwd(), sys.argv[1:])\nexit(3)\n"
    )
    shell.chmod(0o700)
    code, out, err = typed(program, history.parent, str(tmp_path))
    root = (history / "current").resolve()
    assert (code, out, err) == (3, f"{root} ['-init', 'open.sql']\n", "")


def test_with_anything_to_do_a_statement_is_missed(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    code, out, err = typed(program, history.parent, str(tmp_path), "--explain")
    assert (code, out) == (2, "")
    assert "there is no statement" in err
    assert typed(program, history.parent, str(tmp_path), "--data", "nowhere")[0] == 2
