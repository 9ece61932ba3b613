"""Typer's private names: used in one module, and reported in one line when they change."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "change",
    [
        "import typer.core; del typer.core._TyperParameter",
        "import typer._completion_shared as shared; del shared._completion_scripts",
        "import typer._click.shell_completion as shell; del shell._resolve_context",
        "import sys, typer; sys.modules['typer._click.formatting'] = None",
    ],
)
def test_a_missing_name_is_one_line_and_exit_code_1(change: str) -> None:
    script = f"{change}; from clearml_snapshot.cli.__main__ import program; program()"
    done = subprocess.run(
        [sys.executable, "-c", script, "whoami"], capture_output=True, text=True, check=False
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: this version of Typer does not work with clearml-snapshot (")
    assert line.endswith("install the versions it needs: pip install --upgrade clearml-snapshot")
    assert (done.returncode, done.stdout) == (1, "")


def test_only_one_module_uses_private_names() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "cli").rglob("*.py"))
        if any(name in path.read_text() for name in ("typer._", "import _Typer", "typer import _"))
    ]
    assert users == ["cli/typer_ext/private.py"]
