"""How commands end: exit codes, one line on stderr, closed pipes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.output.formats import WRITERS
from clearml_snapshot.exporter.errors import ExitCode, shortened

Piped = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["qurey"], "did you mean 'query'?"),
        (["query", "mxa"], "did you mean 'max'"),
        (["query", "max", "--metrc", "loss"], "did you mean --metric or"),
        (["query", "max", "--metric", "los"], "did you mean 'loss'?"),
        (["query", "max", "-m", "loss", "--variant", "trian"], "did you mean 'train'?"),
        (["query", "max", "--by", "day"], "'day' is not one of variant, task, project"),
        (["query", "max", "--top", "many"], "'many' is not a whole number"),
        (["query", "max", "--limit", "0"], "0 is less than 1"),
        (
            ["query", "max", "--project", "visoin/resnet"],
            "did you mean 'vision/resnet' or 'vision'?",
        ),
        (["query", "max", "--task", "@none.txt"], "cannot read none.txt"),
        (["query", "max", "--snapshot", "soon"], "'soon' is not a valid time"),
        (["query", "max", "--format", "xml"], "'xml' is not one of table, csv"),
        (["convert", "--to", "xml", "-o", "x"], "'--to': 'xml' is not one of tensorboard, trackio"),
        (["sql", "SELECT title FROM scalars"], "ClearML's title is the column metric"),
        (["sql", "SELECT 1", "-f", "x.sql"], "not both"),
        (["sql", "SELECT 1", "extra"], "no dataset at extra"),
        (["sql", "SELECT 1", "data", "extra"], "see clearml-snapshot sql --help"),
        (["query", "max", "--where", "Args/lr <"], "expected a number or a text at character 10"),
        (["sql", "COPY scalars TO 'x'"], "give one SELECT"),
        (["sql", "SELECT error('from inside')"], "from inside"),
    ],
)
def test_a_usage_error_is_one_line_that_helps(
    piped: Piped, arguments: list[str], message: str
) -> None:
    done = piped(*arguments)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_no_dataset_is_a_usage_error(piped_process: Piped, tmp_path: Path) -> None:
    done = piped_process("query", "max", "--data", str(tmp_path / "none"))
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.count("\n") == 1


def test_the_variable_names_the_dataset_and_the_option_wins(piped: Piped, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    assert piped("query", "max", CLEARML_SNAPSHOT_DATA=nowhere).returncode == ExitCode.USAGE
    won = piped("query", "max", "--data", "data", CLEARML_SNAPSHOT_DATA=nowhere)
    assert won.returncode == ExitCode.COMPLETE


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands_on_stdout(piped_process: Piped, arguments: list[str]) -> None:
    done = piped_process(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  query  " in done.stdout


def test_version(piped_process: Piped) -> None:
    done = piped_process("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("clearml-snapshot 0.")


def test_query_without_a_name_lists_the_catalogue(piped: Piped) -> None:
    lines = piped("query").stdout.splitlines()
    assert {"last", "max", "min"} <= {line.split()[0] for line in lines}
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize(
    "arguments", [["sql", "FROM range(1000000)"], ["query", "max"], ["query", "max", "--help"]]
)
def test_a_closed_pipe_is_not_an_error(
    program: list[str], history: Path, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [*program, *arguments, *(["--quiet"] if "--help" not in arguments else [])],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=history.parent,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


def test_closed_stderr_is_not_an_error_either(program: list[str], history: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*program, "query", "max", "-m", "loss"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=writer, cwd=history.parent, check=False
    )
    os.close(writer)
    assert done.returncode == 0
    assert done.stdout.startswith(b"metric,variant,value")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(program: list[str], history: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*program, "query", "max", "-q"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=history.parent,
            check=False,
        )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr == b"error: cannot write stdout: No space left on device\n"


def test_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one thing that cannot be provoked from outside: a bug."""

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("clearml_snapshot.cli.commands.query.queries", broken)
    with pytest.raises(ZeroDivisionError):
        main(["query"])


def test_a_name_cannot_break_the_error_line(piped: Piped) -> None:
    done = piped("query", "max", "--metric", "a\x1b[2J\nb")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_an_argument_that_is_not_text(program: list[str]) -> None:
    done = subprocess.run([*program, "sql", b"SELECT '\xff'"], capture_output=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith(b"error: argument 2 is not valid text")


def test_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "clearml_snapshot.cli", "--version"]
    assert subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_not_a_bug(program: list[str], history: Path, closed: str) -> None:
    shell = f"{program[0]} query max -m loss {closed}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, cwd=history.parent, check=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_stdin_that_is_not_text(program: list[str], history: Path) -> None:
    done = subprocess.run(
        [*program, "sql"],
        input=b"SELECT '\xff'",
        capture_output=True,
        cwd=history.parent,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == b"error: stdin is not UTF-8 text\n"


def test_a_line_is_cut_in_its_middle(
    run_here: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    """What a name or a path makes too long still begins and ends as it did."""
    done = run_here("status", "--data", "x" * 1_000_000, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1_100
    missing = run_here("query", "max", "--metric", "m" * 100_000, "--data", "none", cwd=tmp_path)
    assert missing.stderr.startswith("error: ")
    assert len(missing.stderr) < 1_100
    text = shortened("begin " + "x" * 5_000 + " end")
    assert text.startswith("begin x")
    assert text.endswith("x end")
    assert shortened("x" * 1_000) == "x" * 1_000


def test_a_terminated_answer_leaves_nothing_behind(
    piped: Piped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_some(rows: Any, sink: Any) -> None:
        sink.write(b"half of it")
        assert len([*tmp_path.iterdir()]) == 1
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setitem(WRITERS, "csv", write_some)
    done = piped("sql", "SELECT 1", "-o", str(tmp_path / "x.csv"))
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
    assert not [*tmp_path.iterdir()]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
