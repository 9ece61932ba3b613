"""``sql`` without a statement on a terminal: DuckDB's own shell, on text that is made here."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.process.duckdb_shell import start_shell

SHELL = f"""#!{sys.executable}
# Obeys its -init as DuckDB's shell does: a line with a dot where no statement has begun is run.
import os, sys
import duckdb
begun = ""
for line in open(sys.argv[sys.argv.index("-init") + 1]):
    if not begun and line.startswith(".shell "):
        os.system(line.removeprefix(".shell "))
        continue
    begun += line
    if line.rstrip().endswith(";"):
        duckdb.execute(begun)
        begun = ""
assert not begun
print(os.getcwd(), len(sys.argv), duckdb.sql("SELECT count(*) FROM scalars").fetchall())
duckdb.sql("SELECT * FROM tasks, hyperparams, series, exports").columns
sys.exit(int(os.environ.get("CODE", "3")))
"""
"""A stand-in that ends with 3; where the tests find the real one, they use that too."""

Shell = Callable[..., tuple[int, str, str]]


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


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, with the stand-in for DuckDB's shell; PATH contains nothing else."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "duckdb").write_text(SHELL)
    (programs / "duckdb").chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CODE", "0")
    return programs


def forged(root: Path, marker: Path) -> None:
    """Make every text that a shell could read run a command."""
    for name in ("open.sql", ".duckdbrc", "views.sql", "duckdbrc"):
        (root / name).write_text(f".shell touch {marker}\n")


def test_without_the_shell_there_is_an_error(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    code, out, err = typed(program, history.parent, str(tmp_path))
    assert (code, out) == (2, "")
    assert "DuckDB's shell is not installed" in err
    assert "open.sql" not in err


def test_the_installed_shell_starts_where_one_is(
    program: list[str], history: Path, shell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "3")
    output = typed(program, history.parent, str(shell))
    assert output == (3, f"{history.parent} 3 [(14,)]\n", "")


def test_nothing_of_the_folder_is_obeyed(
    history: Path, shell: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not its ``open.sql``, wherever the folder is and whatever it is called."""
    ran = tmp_path / "ran"
    odd = tmp_path / f"a'\n.shell touch {ran.name}\n[1] lr=0.1 *"
    for folder in (tmp_path / "plain", odd):
        shutil.copytree(history / "current", folder)
        forged(folder, ran)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            start_shell(folder)
        assert capfd.readouterr().out.endswith(" 3 [(14,)]\n")
    assert not ran.exists()
    assert not list(tmp_path.rglob("ran"))


def test_the_shell_starts_on_a_pack(
    history: Path,
    shell: Path,
    tmp_path: Path,
    piped: Callable[..., "subprocess.CompletedProcess[str]"],
    capfd: pytest.CaptureFixture[str],
) -> None:
    pack = tmp_path / "pack.zip"
    assert piped("pack", "-o", str(pack)).returncode == 0
    start_shell(pack)
    assert capfd.readouterr().out.endswith(" 3 [(14,)]\n")


@pytest.mark.skipif(shutil.which("duckdb") is None, reason="DuckDB's shell is not installed")
def test_the_real_shell_obeys_nothing_of_the_folder(history: Path, tmp_path: Path) -> None:
    folder, ran = tmp_path / "snapshot", tmp_path / "ran"
    shutil.copytree(history / "current", folder)
    forged(folder, ran)
    start = (
        "import sys; from pathlib import Path;"
        "from clearml_snapshot.cli.process.duckdb_shell import start_shell;"
        "start_shell(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, str(folder)],
        input="SELECT count(*) || ' points' FROM scalars;\n",
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        check=True,
    )
    assert "14 points" in done.stdout
    assert not ran.exists()


def test_with_anything_to_do_a_statement_is_missed(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    code, out, err = typed(program, history.parent, str(tmp_path), "--explain")
    assert (code, out) == (2, "")
    assert "no statement; " in err
    assert typed(program, history.parent, str(tmp_path), "--data", "nowhere")[0] == 2
