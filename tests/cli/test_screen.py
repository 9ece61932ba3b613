"""Every command on a terminal, with names that steer one: nothing of them is obeyed or unseen.

The commands are those of the application, so a new one without a case here fails.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from clearml_snapshot.cli.main import main, make_app
from clearml_snapshot.cli.output.progress import BarProgress
from clearml_snapshot.cli.output.scrubbed import scrubbed_streams
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.exporter.own_keys import forget
from clearml_snapshot.exporter.standin.data import history
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.queries.ask.header import queries
from tests.support.terminal import Terminal

EVIL = (
    "E\x1b[38;5;201m\x1b]8;;http:evil\x07\x1b]0;t\x07\x9b2J\x85\x00\x7f\x08\rFAKE1\nFAKE2\u2028FAKE3"
    "\u202e\u2066\u200e\u061c\u200b\u200d\u2060\ufeff\xad\u034f\u3164\ufe0f\U000e0041\U000e0100Z"
)
"""A name that colours, links, sets a title, clears, goes back, turns around and hides."""
EVIL_ARGUMENT = EVIL.replace("\x00", "")
EVIL_FOLDER = "d\x1b[38;5;201m\n\rFAKE1\u202e\u200b"

OWN_MARKS = re.compile(
    r"\x1b\[(?!38;5;201m)[\d;]*m"  # colours, but those of EVIL
    r"|\x1b\]8;[^;\x1b]*;https?://[!-~]*\x1b\\"  # a link, and its end
    r"|\x1b\]8;;\x1b\\"
    r"|\r\x1b\[K|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K"  # the bar of an export
    r"|\r+\n|\r(?=listing: )|\r(?=\x1b|$)"
)
IGNORABLE = re.compile("[\xad\u034f\u115f\u1160\u3164\ufe00-\ufe0f\U000e0000-\U000e0fff]")

OWN_QUERY = f"""\
-- Evil title {EVIL_ARGUMENT.replace(chr(10), " ").replace(chr(13), " ").replace(chr(0x85), " ")}
--
-- Evil text {EVIL_ARGUMENT.replace(chr(10), " ").replace(chr(13), " ").replace(chr(0x85), " ")}
SELECT name, 'evil \x1b[38;5;201m \u202e' AS "n\x1b[38;5;201m\u200b" FROM tasks ORDER BY ALL
"""


@contextmanager
def on_terminal() -> Iterator[list[str]]:
    """Make stdout and stderr a terminal; afterwards the list holds what it was sent."""
    terminal, screen = Terminal(), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        streams = {name: terminal.stream() for name in ("stdout", "stderr")}
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        try:
            yield screen
        finally:
            for stream in streams.values():
                stream.close()
            screen.append(terminal.end())


def obeyed(screen: str) -> list[str]:
    """List what of a screen is neither text nor our own marks."""
    rest = OWN_MARKS.sub("\n", screen)
    unseen = [
        f"{unicodedata.category(c)} U+{ord(c):04X} after {rest[max(0, at - 60) : at]!r}"
        for at, c in enumerate(rest)
        if c not in "\n\t"
        and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") or IGNORABLE.match(c))
    ]
    return unseen + re.findall(r"\n[ \"]*FAKE.*|.*http:evil\x1b.*", rest)


def run(*arguments: str) -> str:
    with on_terminal() as screen:
        main(arguments)
    assert screen[0], arguments
    return screen[0]


def evil_history() -> Database:
    database = history.grid_history(2, 1, 3)
    user = database.add_user(EVIL)
    for at, (task, document) in enumerate([*database.tasks.items()]):
        document |= {"name": EVIL, "comment": EVIL, "tags": [EVIL], "user": user}
        document |= {"status_reason": EVIL, "status_message": EVIL, "type": "training"}
        document["hyperparams"] = {
            EVIL: {EVIL: {"section": EVIL, "name": EVIL, "value": EVIL, "type": EVIL}}
        }
        events = [
            {"metric": EVIL, "variant": EVIL, "iter": n, "value": v}
            for n, v in enumerate([0.5, 0.0, 0.25 + at])
        ]
        database.report(task, events, worker=EVIL)
    next(iter(database.projects.values()))["name"] = EVIL
    return database


@pytest.fixture(scope="module")
def evil_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an odd name, and in it ``data``, exported twice from a server like that."""
    folder = tmp_path_factory.mktemp("evil") / EVIL_FOLDER
    folder.mkdir()
    with StandIn(evil_history()) as server, pytest.MonkeyPatch.context() as patch:
        server.gate.identity |= {"user_name": EVIL, "company_name": EVIL}
        for name, value in server.environment().items():
            patch.setenv(name, value)
        patch.chdir(folder)
        data = str(folder / "data")
        first = next(iter(server.database.tasks))
        failing = Fault(
            "echo",
            "events.get_task_events",
            when=lambda body: body["task"] == first,
            echo=lambda _: EVIL,
        )
        server.faults.add(failing)
        assert main(["export", "--all", "--data", data, "-q"]) == 3
        (folder / "data/queries").mkdir()
        (folder / "data/queries/evil.sql").write_text(OWN_QUERY)
        (folder / f"data/queries/{EVIL_FOLDER}.sql").write_text("SELECT 1")
        assert main(["pack", "--data", data, "-o", "a.zip", "-q"]) == 0
        yield folder
    forget()


FORMS = ("table", "csv", "tsv", "json", "jsonl", "markdown", "latex", "text")
D = ("--data", "data")

CASES: dict[str, tuple[tuple[str, ...], ...]] = {
    "export": (
        ("--all", *D),
        ("--all", "--reread", "--format", "json", *D),
        ("--dry-run", "--all", *D),
        ("--project", EVIL_ARGUMENT + "x", *D),
        ("--all", "--data", f"{EVIL_FOLDER}/x/y"),
    ),
    "whoami": ((), ("--format", "json"), ("--web-host", EVIL_ARGUMENT)),
    "sql": (
        *(("SELECT name FROM tasks LIMIT 1", "--format", form, *D) for form in FORMS),
        *(("SELECT * FROM tasks", "--format", form, *D) for form in FORMS),
        ("SELECT tags, {'a': name} AS s, name AS \"\x1b[38;5;201m\u200b\" FROM tasks", *D),
        (f"SELECT 'x{EVIL_ARGUMENT}' FROM tasks", "--explain", *D),
        (f"SELECT {EVIL_ARGUMENT}", *D),
        ("SELECT name FROM tasks", "-o", "/dev/tty\x1b", *D),
    ),
    "status": (
        D,
        ("--format", "json", *D),
        *(("--by", by, *D) for by in ("task", "project", "user")),
        ("--check", *D),
        ("--data", EVIL_FOLDER),
    ),
    "show": (("data",), ("a.zip",), (EVIL_FOLDER,)),
    "verify": (("data",), ("a.zip",), ("--server-summary", *D), (EVIL_FOLDER,)),
    "selections": (D, ("--format", "json", *D), ("remove", "9", *D)),
    "diff": (
        ("data", "a.zip"),
        ("data", "a.zip", "--format", "json"),
        ("data", "a.zip", "--by", "task"),
        ("a.zip", EVIL_ARGUMENT),
    ),
    "safe-to-delete": (D, ("--project", EVIL_ARGUMENT + "x", *D)),
    "pack": (
        ("-o", f"{EVIL_FOLDER}.zip", *D),
        ("-o", "x.zip", "--redact", EVIL_ARGUMENT, *D),
        ("-o", f"{EVIL_FOLDER}/x.zip", *D),
    ),
    "plot": (
        ("*", *D),
        ("*", "-o", f"p{EVIL_FOLDER}.vl.json", *D),
        (EVIL_ARGUMENT, *D),
        ("*", "--by", EVIL_ARGUMENT, *D),
    ),
    "report": (
        ("-o", f"r{EVIL_FOLDER}.html", *D),
        ("-o", "-", *D),
        ("-o", f"{EVIL_FOLDER}/r.html", "--heading", EVIL_ARGUMENT, *D),
        ("-o", "r.html", "--metric", EVIL_ARGUMENT, *D),
    ),
    "convert": (
        ("--to", "tensorboard", "-o", f"c{EVIL_FOLDER}", *D),
        ("--to", "trackio", "-o", f"t{EVIL_FOLDER}", *D),
        ("--to", "tensorboard", "-o", f"{EVIL_FOLDER}/x", *D),
        ("--to", "tensorboard", "-o", "c", "--metric", EVIL_ARGUMENT, *D),
    ),
    "unpack": (("a.zip", "-o", f"u{EVIL_FOLDER}"), (EVIL_ARGUMENT, "-o", "x")),
    "copy": (("data", f"k{EVIL_FOLDER}"), (EVIL_ARGUMENT, "y"), ("s3://x\x1b/y", "y")),
    "merge": (("data", "a.zip", "-o", f"m{EVIL_FOLDER}"), (EVIL_ARGUMENT, "-o", "y")),
    "demo": (("--data", f"demo{EVIL_FOLDER}"),),
}
"""What each command is run with, in `place`; the first of each here, all with `make soak`."""

SOAK = bool(os.environ.get("SOAK"))


def commands() -> list[str]:
    return [name for name in _names(typer.main.get_command(make_app())) if name != "query"]


def _names(command: Any) -> list[str]:
    return list(command.list_commands(typer.Context(command)))


def test_each_command_has_cases() -> None:
    assert sorted(CASES) == sorted(commands())


@pytest.mark.parametrize("name", sorted(CASES))
def test_nothing_of_a_name_is_obeyed(
    name: str, evil_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "demo_history", lambda _seed: evil_history())
    cases = CASES[name] if SOAK else CASES[name][:1]
    others = [("--help",), (f"--{EVIL_ARGUMENT}",)]
    unseen_by_arguments = {
        arguments: obeyed(run(name, *arguments)) for arguments in [*cases, *others]
    }
    assert {arguments: unseen for arguments, unseen in unseen_by_arguments.items() if unseen} == {}


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_a_name_is_obeyed_in_a_form(form: str, evil_folder: Path) -> None:
    screen = run("sql", "SELECT name, tags FROM tasks LIMIT 1", "--format", form, *D)
    assert obeyed(screen) == []


@pytest.mark.parametrize("name", ["max", "wide", "evil", *(queries() if SOAK else ())])
def test_nothing_of_a_name_is_obeyed_by_queries(name: str, evil_folder: Path) -> None:
    for arguments in ((), ("--format", "csv"), ("--show",), ("--help",)):
        screen = run("query", name, *arguments, "--data", "data")
        assert obeyed(screen) == [], arguments


def test_nothing_of_a_query_of_yours_is_obeyed_in_lists(evil_folder: Path) -> None:
    for arguments in ((), ("--help",), (EVIL_ARGUMENT,)):
        screen = run("query", *arguments, "--data", "data")
        assert obeyed(screen) == []


def test_tracebacks_warnings_and_logs_are_escaped() -> None:
    with on_terminal() as screen, scrubbed_streams():
        print(EVIL)
        print(EVIL, file=sys.stderr)
        sys.stderr.writelines([EVIL])
    assert len(re.findall("E.x1b", screen[0])) == 3
    assert [line for line in obeyed(screen[0]) if "FAKE2" not in line] == []


def test_what_is_written_above_a_bar_is_escaped() -> None:
    """Rich takes the place of both streams while a bar is there."""
    with on_terminal() as screen, scrubbed_streams():
        progress = BarProgress()
        progress.begin(2, 0)
        progress.note(EVIL)
        note(EVIL)
        for stream in (sys.stdout, sys.stderr):
            print(EVIL, file=stream)
        progress.end()
    assert len(re.findall(r"E\\x1b", screen[0])) == 4
    assert [line for line in obeyed(screen[0]) if "FAKE2" not in line] == []


def test_a_pipe_keeps_every_character(evil_folder: Path, capfdbinary: Any) -> None:
    assert main(["sql", "SELECT any_value(name) AS n FROM tasks", "--format", "csv", *D]) == 0
    assert capfdbinary.readouterr().out.decode() == f'n\n"{EVIL}"\n'
