"""What the shells are offered: names of queries, and what the dataset holds."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.typer_ext.bash_words import continuations, parse
from clearml_snapshot.cli.typer_ext.completion import complete as stored_names
from clearml_snapshot.cli.typer_ext.parameters import SHELL_VARIABLE
from tests.support.programs import find_program
from tests.support.real_shells import BREAKS, Run, ask

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(run_here: Run, history: Path) -> Complete:
    """Request completion as bash does: the words, the last of which is still being typed."""

    def complete(
        *words: str, shell: str = "bash", quote: str = "", **environment: str
    ) -> list[str]:
        run = functools.partial(run_here, **environment)
        return ask(run, shell, words, quote, history.parent)

    return complete


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("query", "lead"), ["leaderboard"]),
        (("query", "max", "--metric", "l"), ["loss"]),
        (("query", "max", "-m", "loss/"), ["loss/train", "loss/val"]),
        (("query", "max", "--at", "acc"), ["accuracy"]),
        (("query", "max", "--variant", "v"), ["val"]),
        (("query", "max", "--project", "v"), ["vision/resnet"]),
        (("query", "max", "--tag", "g"), ["gpu"]),
        (("query", "max", "--status", "in"), ["in_progress"]),
        (("query", "max", "--task-name", "training"), ["'training lr=0.01'", "'training lr=0.1'"]),
        (("query", "compare", "a"), ["a" * 32]),
        (("query", "max", "--task", "train"), ["'training lr=0.01'", "'training lr=0.1'"]),
        (("query", "max", "data", "--metric", "l"), ["loss"]),
        (("query", "max", "--metric", "nothing"), []),
        (("query", "max", "--by", "pro"), ["project"]),
    ],
)
def test_bash(complete: Complete, words: tuple[str, ...], offered: list[str]) -> None:
    assert complete(*words) == offered


def test_zsh_and_fish_quote_for_themselves(complete: Complete) -> None:
    words = ("query", "max", "--task-name", "train")
    for shell in ("zsh", "fish"):
        assert complete(*words, shell=shell) == ["training lr=0.01", "training lr=0.1"]
        assert complete("query", "max", "--metric=l", shell=shell) == ["--metric=loss"]
        assert complete("query", "max", "--metric=", shell=shell)[-1] == "--metric=loss"


@pytest.mark.parametrize(
    ("typed", "names", "inserted"),
    [
        ("--metric=l", ["--metric=loss"], ["loss"]),
        (":monitor:g", [":monitor:gpu"], ["gpu"]),
        (":monitor:", [":monitor:gpu", ":monitor:cpu $x"], ["'gpu'", "'cpu $x'"]),
        ("':monitor:", [":monitor:gpu"], ["':monitor:gpu'"]),
        ("n:'a b", ["n:a b c"], ["'a b c'"]),
        ("'n:'a", ["n:a b"], ["'n:a b'"]),
        ("n\\:a", ["n:a b"], ["'n:a b'"]),
        ('"it', ["it's", "it$x", "it!"], ['"it\'s"', '"it\\$x"']),
        ("'it", ["it's"], ["'it'\"'\"'s'"]),
        ("$'n", ["$n\\x41"], []),
        ("n\\", ["n x"], ["'n x'"]),
    ],
)
def test_bash_goes_on_behind_what_it_keeps(
    typed: str, names: list[str], inserted: list[str]
) -> None:
    line = parse(f"clearml-snapshot query max -m {typed}", BREAKS)
    assert line.words == ("clearml-snapshot", "query", "max", "-m")
    assert all(name.startswith(line.incomplete) for name in names)
    assert continuations(line, names) == inserted


@pytest.mark.parametrize(
    "words",
    [
        ("--version", "query", ""),
        ("nothing", ""),
        ("query", "nothing", ""),
        ("query", "max", "--top", "many", "-m", ""),
        ("query", "max", "--data", "x" * 5000, "-m", "l"),
        ("query", "--queries", "none", "ow"),
        ("query", "max", "--data", "~nobody\x01/", "-m", "l"),
        ("query", "max", "-m", "\udcff"),
        ("query", "max", "--top", ""),
        ("query", "max", "-m", "="),
        ("",),
        ("-",),
    ],
)
def test_tab_prints_nothing_but_its_completions(complete: Complete, words: tuple[str, ...]) -> None:
    for shell in ("bash", "zsh"):
        offered = complete(*words, shell=shell)
        assert all(line.partition("\t")[0].startswith(words[-1]) for line in offered)
        assert not any("0.2" in line for line in offered)


def test_a_shell_function_without_words_gets_an_answer(run_here: Run, history: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = run_here(cwd=history.parent, **{SHELL_VARIABLE: f"lines_{shell}"})
        assert (done.returncode, done.stderr) == (0, "")


def test_a_title_is_shown_beside_a_query(complete: Complete) -> None:
    assert complete("query", "leaderb", shell="fish")[0].startswith("leaderboard\tThe best tasks")


def test_powershell_gets_words_in_quotes(run_here: Run, history: Path) -> None:
    line = "clearml-snapshot query max --task-name train"
    environment = {SHELL_VARIABLE: "complete_powershell", "_TYPER_COMPLETE_ARGS": line}
    done = run_here(cwd=history.parent, **environment, _TYPER_COMPLETE_WORD_TO_COMPLETE="train")
    assert done.stdout == "'training lr=0.01'::: \n'training lr=0.1'::: \n"
    left = run_here("query", "list-nothing", cwd=history.parent, **{SHELL_VARIABLE: ""})
    assert left.stderr.startswith("error: no query")  # PowerShell 7.5 leaves it empty


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "odd"])
def test_functions_of_before_are_given_nothing_to_evaluate(
    run_here: Run, tmp_path: Path, shell: str
) -> None:
    """Typer's function for zsh evaluates what it is given."""
    done = run_here(cwd=tmp_path, **{SHELL_VARIABLE: f"complete_{shell}"})
    assert (done.stdout, done.returncode) == ("", 2)
    assert "run clearml-snapshot --install-completion again" in done.stderr


def test_the_dataset_is_the_one_that_is_meant(complete: Complete, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "none")
    assert complete("query", "max", "--data", elsewhere, "--metric", "l") == []
    assert complete("query", "max", "-m", "l", CLEARML_SNAPSHOT_DATA=elsewhere) == []
    assert complete("query", "max", "--snapshot", "7", "--metric", "l") == []


def test_names_that_would_steer_the_terminal_are_not_offered(history: Path) -> None:
    offered = stored_names("task_name", {"data": history}, "")
    assert offered == ["training lr=0.01", "training lr=0.1"]
    assert stored_names("output", {"data": history}, "") is None


PROGRAM = f"""#!{sys.executable}
import pathlib, sys
from clearml_snapshot.cli.main import main
main()
pathlib.Path(__file__).with_name("loaded").write_text(" ".join(sys.modules))
"""


def test_a_process_of_its_own_answers_bash_and_loads_nothing_heavy(
    history: Path, tmp_path: Path, run_here: Run
) -> None:
    bash = find_program("bash")
    shim = tmp_path / "clearml-snapshot"
    shim.write_text(PROGRAM)
    shim.chmod(0o700)
    function = run_here(cwd=tmp_path, **{SHELL_VARIABLE: "source_bash"}).stdout
    line = "clearml-snapshot query max --metric l"
    asking = f"COMP_LINE='{line}' COMP_POINT={len(line)}; _clearml_snapshot_completion"
    ended = subprocess.run(
        [
            bash,
            "--norc",
            "-c",
            f"{function}\n{asking}; printf '%s\n' \"${{COMPREPLY[@]}}\"",
        ],
        capture_output=True,
        text=True,
        cwd=history.parent,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=False,
    )
    assert ended.stdout == "loss\n", ended.stderr
    loaded = {name.partition(".")[0] for name in (tmp_path / "loaded").read_text().split()}
    heavy = {"clearml", "pyarrow", "pandas", "numpy", "requests", "rich", "pydantic"}
    assert heavy & loaded == set()
