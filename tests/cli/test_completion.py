"""What the shells are offered: names of queries, and what the dataset holds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.completion import SHELL_VARIABLE, candidates
from tests.queries.conftest import write

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(piped: Callable[..., "subprocess.CompletedProcess[str]"]) -> Complete:
    """Ask as bash does: the words, the last of which is still being typed."""

    def ask(*words: str, shell: str = "bash", **environment: str) -> list[str]:
        line = " ".join(["clearml-snapshot", *words])
        given = {
            "_CLEARML_SNAPSHOT_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        ended = piped(**given, **environment)
        assert ended.stderr == ""
        return ended.stdout.split("\n")[:-1] if ended.stdout.strip() else []

    return ask


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
        (("query", "max", "--metric", "nothing"), []),
        (("query", "max", "--by", "pro"), ["project"]),
    ],
)
def test_bash(complete: Complete, words: tuple[str, ...], offered: list[str]) -> None:
    assert complete(*words) == offered


def test_zsh_and_fish_quote_for_themselves(complete: Complete) -> None:
    words = ("query", "max", "--task-name", "train")
    assert complete(*words, shell="fish") == ["training lr=0.01", "training lr=0.1"]
    assert '"training lr=0.1"' in " ".join(complete(*words, shell="zsh"))


def test_the_dataset_is_the_one_that_is_meant(complete: Complete, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "none")
    assert complete("query", "max", "--data", elsewhere, "--metric", "l") == []
    assert complete("query", "max", "-m", "l", CLEARML_SNAPSHOT_DATA=elsewhere) == []
    assert complete("query", "max", "--snapshot", "7", "--metric", "l") == []


def test_names_that_would_steer_the_terminal_are_not_offered(history: Path) -> None:
    offered = candidates("task_name", {"data": history}, "")
    assert offered == ["training lr=0.01", "training lr=0.1"]
    assert candidates("output", {"data": history}, "") is None


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_names_that_a_shell_would_run_are_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    """zsh evaluates what Typer's script gives it once more."""
    hostile = ["n\\$(touch x)", "n`touch x`", "n$(touch x)", "n'; touch x; '", 'n"; touch x; "']
    metrics = [(name, "v", 0, 1.0) for name in [*hostile, "nice"]]
    write(tmp_path / "data", [{"task_id": "1" * 32, "points": metrics}])
    monkeypatch.setenv(SHELL_VARIABLE, f"complete_{shell}")
    assert candidates("metric", {"data": tmp_path / "data"}, "n") == ["nice"]


def test_bash_itself_puts_the_candidates_to_use(program: list[str], history: Path) -> None:
    script = f"""
        source <(_CLEARML_SNAPSHOT_COMPLETE=source_bash {program[0]})
        COMP_WORDS=({program[0]} query max --metric l) COMP_CWORD=4
        $(complete -p clearml-snapshot | sed 's/.*-F \\([^ ]*\\).*/\\1/') {program[0]}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        cwd=history.parent,
        env=environment,
        check=False,
    )
    assert ended.stdout == "loss\n", ended.stderr


def test_completing_loads_nothing_heavy(program: list[str], history: Path) -> None:
    script = (
        "import sys; from clearml_snapshot.cli.completion import SHELL_VARIABLE, candidates;"
        f"assert candidates('metric', {{'data': {str(history)!r}}}, 'l') == ['loss'];"
        "print(*sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert loaded.isdisjoint(
        {"clearml", "pyarrow", "pandas", "numpy", "requests", "rich", "pydantic"}
    )
