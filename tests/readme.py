"""Renew what is generated in README.md: the session and the exit codes.

``python tests/readme.py`` writes; ``tests/test_readme.py`` fails when the two differ. Only what
depends on the moment or the machine is replaced by something steady.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from clearml_snapshot.exporter.errors import EXIT_CODE_MEANINGS
from clearml_snapshot.exporter.standin.history import demo_history
from clearml_snapshot.exporter.standin.server import StandIn

README = Path(__file__).parent.parent / "README.md"
COMMANDS = (
    "clearml-snapshot export --all",
    "clearml-snapshot query max --metric accuracy --format table",
    "clearml-snapshot query min --metric loss/validation --top 3 --format table",
    "clearml-snapshot sql \"SELECT project, max(value) AS best FROM scalars "
    "WHERE metric = 'accuracy' GROUP BY ALL ORDER BY best DESC\" --format table",
)
STEADY = (
    (r"http://127\.0\.0\.1:\d+", "https://api.clearml.example"),
    (r"\d+\.\d s$", "1.9 s"),
    (r"snapshot 1 of .*", "snapshot 1 of 2026-11-22 20:46Z, 1 minute old"),
    (r"\d+\.\d MB", "4.5 MB"),
)


def generated() -> str:
    """Give README.md as it should be."""
    text = README.read_text(encoding="utf-8")
    for name, block in (("session", session()), ("exit-codes", exit_codes())):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = mark.sub(lambda found, block=block: f"{found[1]}\n{block}\n{found[2]}", text)
    return text


def session() -> str:
    """Run the commands against the stand-in, and write down what a person sees."""
    with tempfile.TemporaryDirectory() as folder, StandIn(demo_history()) as server:
        environment = {**os.environ, **server.environment(), "COLUMNS": "96", "TERM": "dumb"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        environment.pop("CLEARML_SNAPSHOT_DATA", None)
        lines = [line for command in COMMANDS for line in _run(command, folder, environment)]
    return "\n".join(f"    {line}".rstrip() for line in lines)


def exit_codes() -> str:
    """Write the table of exit codes."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|--:|:--|", *rows])


def _run(command: str, folder: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        shlex.split(command),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    printed = done.stdout
    for pattern, steady in STEADY:
        printed = re.sub(pattern, steady, printed, flags=re.MULTILINE)
    return [f"$ {command}", *printed.splitlines(), ""]


if __name__ == "__main__":
    README.write_text(generated(), encoding="utf-8")
