"""Renew all that is generated from the code: ``make docs``; a test fails when something differs.

docs/cli.md from the options, docs/catalogue.md from the queries, the tables of data/README.md from
the schemas, and in README.md the exit codes and a session. Commands are really run, on the demo
history; only what depends on the moment is made steady.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.reference import reference
from clearml_snapshot.exporter.errors import EXIT_CODE_MEANINGS
from clearml_snapshot.exporter.standin.data.history import demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.format.readme import tables
from clearml_snapshot.queries.ask.header import Query, queries

ROOT = Path(__file__).parent.parent
COMMANDS = (
    "clearml-snapshot export --all",
    "clearml-snapshot query max --metric accuracy",
    "clearml-snapshot query min --metric loss/validation --top 4",
    'clearml-snapshot sql "SELECT project, max(value) AS best FROM scalars '
    "WHERE metric = 'accuracy' GROUP BY ALL ORDER BY best DESC\"",
    "clearml-snapshot status",
    "clearml-snapshot pack -o q3-sweep.zip --project vision --redact users,hosts",
    "clearml-snapshot verify q3-sweep.zip",
)
WIDTH = 96
STEADY = (
    (r"http://127\.0\.0\.1:\d+", "https://api.clearml.example"),
    (r"/tmp/\S+?/data", "/home/ada/data"),
    (r"\d+\.\d s$", "1.9 s"),
    (r"snapshot 1 of .*", "snapshot 1 of 2026-11-22 20:46Z, 1 minute old"),
    (r"^snapshot    1, .*", "snapshot    1, 2026-11-22 20:46 UTC (1 minute old)"),
    (r"began \S+ \S+ UTC", "began 2026-11-22 20:45 UTC"),
    (r"^(hashing|checking) .*\n", ""),
    (r"20(2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\dZ", "2026-11-22 20:46Z"),
    (r"\d+\.\d MB", "4.5 MB"),
    (r"(content id:? )[0-9a-f]{64}", r"\g<1>3f7a…51c2 (64 digits)"),
    (r"^\d+ of \d+ tasks, .*\n", ""),  # how far it is, where a machine takes its time
)
"""What differs from run to run, and what stands for it."""


SHOWN: int = 12
"""Lines of a query's answer that the catalogue shows."""

CATALOGUE = """\
# The catalogue

<!-- Written by `make docs` out of the queries; edit those. -->

Each question of `clearml-snapshot query`, with an example and what it answers on the dataset of
`clearml-snapshot demo`. `query NAME --help` has every option, `--show` the SQL. The filters of
`export` narrow each of them. [queries.md](queries.md) says how to add your own.
"""


def pages() -> dict[Path, str]:
    """Give every generated page as it should be."""
    readme, format_ = ROOT / "README.md", ROOT / "data" / "README.md"
    with demo() as (folder, environment):
        blocks = {"session": session(folder, environment), "exit-codes": exit_codes()}
        answers = [catalogued(query, folder, environment) for query in queries().values()]
    return {
        ROOT / "docs" / "cli.md": reference(),
        ROOT / "docs" / "catalogue.md": "\n".join([CATALOGUE, *answers]),
        readme: _with_blocks(readme.read_text(encoding="utf-8"), blocks),
        format_: _with_blocks(format_.read_text(encoding="utf-8"), {"tables": tables()}),
    }


@contextmanager
def demo() -> Iterator[tuple[str, dict[str, str]]]:
    """Give a folder to work in, and an environment that leads to the demo history."""
    with tempfile.TemporaryDirectory() as folder, StandIn(demo_history()) as server:
        environment = {**os.environ, **server.environment(), "NO_COLOR": "1", "TERM": "dumb"}
        for name in ("CLEARML_SNAPSHOT_DATA", "COLUMNS", "LINES"):
            environment.pop(name, None)
        yield folder, environment


def session(folder: str, environment: dict[str, str]) -> str:
    """Run the commands against the stand-in, and write down what a person sees."""
    lines = [line for command in COMMANDS for line in _run(command, folder, environment)]
    return _indented(lines)


def catalogued(query: Query, folder: str, environment: dict[str, str]) -> str:
    """Write a query's section: what it answers, and the answer to its example."""
    command = f"clearml-snapshot query {query.name} {query.example or ''}".strip()
    lines = _run(command, folder, environment)
    if len(lines) > SHOWN + 1:
        lines = [*lines[:SHOWN], "…"]
    return f"## {query.name}\n\n{query.title}\n\n{query.text}\n\n{_indented(lines)}"


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines).rstrip() + "\n"


def exit_codes() -> str:
    """Write the table of exit codes."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|--:|:--|", *rows, ""])


def _with_blocks(text: str, blocks: dict[str, str]) -> str:
    for name, block in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    return text


def _run(command: str, folder: str, environment: dict[str, str]) -> list[str]:
    """Run a command with its answer on a terminal; its notes come after, as lines."""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
    with tempfile.TemporaryFile() as stderr:
        try:
            with _streams(theirs, stderr.fileno()), _surroundings(folder, environment):
                code = main(shlex.split(command)[1:])
        finally:
            os.close(theirs)
        stderr.seek(0)
        notes = stderr.read().decode()
    if code:
        raise SystemExit(f"{command} ended with {code}: {notes}")
    printed = f"{_everything(terminal)}{notes}"
    for pattern, steady in STEADY:
        printed = re.sub(pattern, steady, printed, flags=re.MULTILINE)
    return [f"$ {command}", *printed.splitlines(), ""]


@contextmanager
def _streams(terminal: int, notes: int) -> Iterator[None]:
    """Let this process have the streams that one of its own would have.

    To start one takes far longer than most commands do, and there are twenty.
    """
    with ExitStack() as stack, Path(os.devnull).open() as nothing:
        theirs = {"stdin": nothing.fileno(), "stdout": terminal, "stderr": notes}
        for place, (name, descriptor) in enumerate(theirs.items()):
            stack.callback(_put_back, place, os.dup(place))
            stack.callback(setattr, sys, name, getattr(sys, name))
            os.dup2(descriptor, place)
            mode = "w" if place else "r"
            stream = stack.enter_context(os.fdopen(place, mode, encoding="utf-8", closefd=False))
            setattr(sys, name, stream)
        yield


def _put_back(place: int, before: int) -> None:
    os.dup2(before, place)
    os.close(before)


@contextmanager
def _surroundings(folder: str, environment: dict[str, str]) -> Iterator[None]:
    """Go to a folder, with these variables and no others."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        with chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _everything(terminal: int) -> str:
    """Read what is left in a terminal whose other side is closed."""
    parts = []
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        try:
            while part := screen.read(1 << 16):
                parts.append(part)
        except OSError:  # how Linux reports that no process writes any longer
            pass
    return b"".join(parts).decode().replace("\r\n", "\n")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
