"""What the shells are offered: names of queries, and what the dataset holds."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.typer_ext.bash_words import continuations, parse
from clearml_snapshot.cli.typer_ext.completion import complete as stored_names
from clearml_snapshot.cli.typer_ext.parameters import SHELL_VARIABLE
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.queries.ask.header import find, names
from tests.queries.conftest import write
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
        (("query", "max", "--metric", "l"), ["loss", "loss/train", "loss/val"]),
        (("query", "max", "--metric", ":mon"), ["monitor:gpu"]),
        (("query", "max", "--metric", ":monitor:g"), ["gpu"]),
        (("query", "max", "--metric", ":monitor:gpu/"), ["gpu/gpu_0_utilization"]),
        (("query", "max", "-m", "loss/"), ["loss/train", "loss/val"]),
        (("query", "max", "--at", "acc"), ["accuracy"]),
        (("plot", "acc"), ["accuracy"]),
        (("query", "max", "--variant", "v"), ["val"]),
        (("query", "max", "--project", "v"), ["vision/resnet"]),
        (("query", "max", "--tag", "g"), ["gpu"]),
        (("query", "max", "--status", "in"), ["in_progress"]),
        (("query", "max", "--task-name", "training"), ["'training lr=0.01'", "'training lr=0.1'"]),
        (("query", "compare", "a"), ["a" * 32]),
        (("query", "max", "--task", "train"), ["'training lr=0.01'", "'training lr=0.1'"]),
        (("query", "max", "data", "--metric", "a"), ["accuracy"]),
        (("query", "max", "--metric", "nothing"), []),
        (("query", "max", "--by", "pro"), ["project"]),
        (("status", "--by", "pro"), ["project"]),
        (("query", "group", "--by", "t"), ["tag", "type"]),
        (("query", "group", "--by", "tag", "--by", "us"), ["user"]),
        (("query", "max", "--snapshot", ""), ["1"]),
        (("diff", ""), ["1"]),
        (("query", "max", "--columns", "metric,va"), ["metric,variant", "metric,value"]),
        (("query", "max", "--where", "los"), ["loss", "loss/train", "loss/val"]),
    ],
)
def test_bash(complete: Complete, words: tuple[str, ...], offered: list[str]) -> None:
    assert complete(*words) == offered


def test_a_dataset_as_an_argument_is_the_one_that_completes(
    complete: Complete, tmp_path: Path
) -> None:
    """It may be anywhere before the cursor, and among the tasks of a query."""
    elsewhere = str(tmp_path / "other")
    params = [{"section": "Args", "name": "lr", "value": "1"}]
    task = {"task_id": "e" * 32, "points": [("elsewhere", "x", 1, 1.0)], "params": params}
    write(Path(elsewhere), [task])
    for words in (
        ("query", "max", elsewhere, "--metric"),
        ("query", "max", elsewhere, "--top", "3", "-m"),
        ("query", "max", "--top", "3", elsewhere, "--where"),
        ("query", "compare", "a" * 32, elsewhere, "--metric"),
    ):
        assert complete(*words, "el")[0].strip("'").startswith("else"), words
    assert complete("query", "compare", elsewhere, "ee") == ["e" * 32]
    assert complete("query", "max", elsewhere, "--metric=e", shell="zsh") == ["--metric=elsewhere"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("A", ["Args/layers", "Args/lr"]),
        ("Args/lr < 0.1 and los", ["loss", "loss/train", "loss/val"]),
        ("Args/lr < 0.1 and param:Args/l", ["param:Args/layers", "param:Args/lr"]),
        ("0.5 < acc", ["accuracy <", "accuracy <=", "accuracy >"]),
        ("not (a > 1 or min(acc", ["accuracy) <", "accuracy) <=", "accuracy) >"]),
        ("min(A", []),
        ('"my', ['"my name" <', '"my name" <=', '"my name" >']),
        ("my", []),
        ("Args/lr < A", []),
        ("Args/lr ", []),
        ("Args/lr in (A", []),
        ("name = 'A", []),
        ("x = 'A' and Args/la", ["Args/layers <", "Args/layers <=", "Args/layers >"]),
        ("(" * 2000, []),
    ],
)
def test_conditions_go_on_with_names_where_a_name_belongs(
    conditioned: Path, typed: str, offered: list[str]
) -> None:
    answer = list(stored_names("where", {"data": conditioned}, typed) or ())
    assert all(text.startswith(typed) for text in answer)
    start = len(typed) - len(re.split(r"[ (]", typed)[-1]) if typed[:1] != '"' else 0
    assert [text[start:] for text in answer][:3] == offered


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with hyperparameters and metrics."""
    data = tmp_path_factory.mktemp("conditioned") / "data"
    params = [
        {"section": section, "name": name, "value": "1"}
        for section, name in [("Args", "lr"), ("Args", "layers")]
    ]
    pairs = [("loss", "train"), ("loss", "val"), ("accuracy", "val"), ("my name", "x")]
    points = [(metric, variant, 1, 0.5) for metric, variant in pairs]
    write(data, [{"task_id": "1", "params": params, "points": points}])
    return data


def test_an_export_compares_no_metrics(conditioned: Path) -> None:
    assert stored_names("where", {"data": conditioned, "everything": False}, "los") == {}


def test_columns_of_every_query_are_completed_without_running_it(
    conditioned: Path, run_here: Run
) -> None:
    for name in names():
        offered = list(stored_names("columns", {"data": conditioned}, "", find(name)) or ())
        assert offered, name
        assert all(column.isidentifier() for column in offered), name
    leader = find("leaderboard")
    begun = functools.partial(stored_names, "columns", {"data": conditioned})
    assert list(begun("metric,va", leader) or ()) == ["metric,variant", "metric,value"]
    assert list(begun("variant, va", leader) or ()) == ["variant, value"]
    assert begun("x", leader) == {}
    smoothed = {"data": conditioned, "smooth": 0.5}
    assert list(stored_names("columns", smoothed, "cou", find("max")) or ()) == ["counted"]
    assert begun("cou", find("max")) == {}
    assert begun("a", None) is None
    typed = ["max", "--metric", "loss/val", "--columns"]
    columns = list(begun("", find("max")) or ())
    done = run_here("query", *typed, ",".join(columns), "--data", str(conditioned), cwd=conditioned)
    assert done.stdout.splitlines()[0] == ",".join(columns)


def test_zsh_and_fish_quote_for_themselves(complete: Complete) -> None:
    words = ("query", "max", "--task-name", "train")
    for shell in ("zsh", "fish"):
        assert complete(*words, shell=shell) == ["training lr=0.01", "training lr=0.1"]
        assert complete("query", "max", "--metric=a", shell=shell) == ["--metric=accuracy"]
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
    assert complete("query", "max", "--snapshot", "1", "--metric", "a") == ["accuracy"]


def test_names_that_would_steer_the_terminal_are_not_offered(history: Path) -> None:
    offered = stored_names("task_name", {"data": history}, "")
    assert offered == {"training lr=0.01": "", "training lr=0.1": ""}
    assert stored_names("output", {"data": history}, "") is None


def test_variants_follow_a_metric_only_if_it_has_several(tmp_path: Path) -> None:
    """One name is completed with a space behind it, two names without."""
    pairs = [("loss", "train"), ("loss", "val"), ("lone", "x"), ("loss/val", "a"), ("val", "y")]
    points = [(metric, variant, 1, 0.5) for metric, variant in pairs]
    write(tmp_path, [{"task_id": "1", "points": points}])
    offered = {
        begun: list(stored_names("metric", {"data": tmp_path}, begun) or ())
        for begun in ("l", "los", "loss/", "loss/v", "loss/t", "lo", "lon", "lone/", "x")
    }
    assert offered == {
        "l": ["lone", "loss", "loss/val"],
        "los": ["loss", "loss/val"],
        "loss/": ["loss/train", "loss/val"],
        "loss/v": ["loss/val"],
        "loss/t": ["loss/train"],
        "lo": ["lone", "loss", "loss/val"],
        "lon": ["lone"],
        "lone/": ["lone/x"],
        "x": [],
    }


def test_groupings_are_offered_beside_hyperparameters(tmp_path: Path) -> None:
    params = [
        {"section": section, "name": name, "value": "1"}
        for section, name in [("Args", "lr"), ("Args", "layers"), ("type", "a"), ("model", "m")]
    ]
    write(tmp_path, [{"task_id": "1", "params": params}])
    offered = {
        begun: list(stored_names("by", {"data": tmp_path}, begun) or ())
        for begun in ("", "A", "t", "la", "param:", "param:Args/la", "param:l", "none")
    }
    groupings = ["project", "status", "tag", "type", "user", "week"]
    named = ["Args/layers", "Args/lr", "model/m", "type/a"]
    assert offered == {
        "": [*groupings, *named],
        "A": ["Args/layers", "Args/lr"],
        "t": ["tag", "type", "type/a"],
        "la": ["layers"],
        "param:": [f"param:{name}" for name in named],
        "param:Args/la": ["param:Args/layers"],
        "param:l": ["param:layers", "param:lr"],
        "none": [],
    }
    assert stored_names("by", {"data": tmp_path / "none"}, "ta") == {"tag": ""}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset that has the snapshots 1 to 11."""
    data = tmp_path_factory.mktemp("kept") / "data"
    for _ in range(11):
        write(data, [{"task_id": "1"}], keep="11")
    return data


def test_snapshots_are_offered_newest_first(kept: Path, run_here: Run) -> None:
    offered = stored_names("snapshot", {"data": kept}, "")
    assert offered is not None
    assert list(offered) == [str(number) for number in range(11, 0, -1)]
    assert list(stored_names("before", {"data": kept}, "1") or ()) == ["11", "10", "1"]
    year = offered["11"][:4]
    times = stored_names("snapshot", {"data": kept}, year) or {}
    assert list(times.items()) == [(time, f"snapshot {n}") for n, time in offered.items()]
    for number, time in offered.items():
        shown = run_here("status", "--format", "json", "--snapshot", time, cwd=kept.parent)
        assert json.loads(shown.stdout)["number"] == int(number)


def test_snapshots_are_offered_only_where_there_are_several_to_choose_from(
    kept: Path, complete: Complete
) -> None:
    one = layout.snapshot(kept, 3)
    for data in (str(one), str(kept / "none"), str(kept / "README.md"), "~nobody/x"):
        assert complete("query", "max", "--data", data, "--snapshot", "") == []
    assert stored_names("snapshot", {"data": kept}, "-") == {}


def test_a_damaged_snapshot_offers_nothing(tmp_path: Path, complete: Complete) -> None:
    for _ in range(2):
        write(tmp_path, [{"task_id": "1"}], keep="2")
    header = layout.snapshot(tmp_path, 1) / layout.SNAPSHOT_JSON
    intact = header.read_text()
    for broken in ("", "[]", "{}", re.sub('"created_at.*', "", intact), "\\x00"):
        header.write_text(broken)
        assert complete("status", "--data", str(tmp_path), "--snapshot", "") == []
        assert complete("status", "--data", str(tmp_path), "--snapshot", "20") == []


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
    line = "clearml-snapshot query max --metric a"
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
    assert ended.stdout == "accuracy\n", ended.stderr
    loaded = {name.partition(".")[0] for name in (tmp_path / "loaded").read_text().split()}
    heavy = {"clearml", "pyarrow", "pandas", "numpy", "requests", "rich", "pydantic"}
    assert heavy & loaded == set()


def test_a_terminal_is_told_in_plain_text_where_completion_is_installed(
    on_terminal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Typer colours this sentence, and control characters in a text are made visible here."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: "bash")
    session = on_terminal("--install-completion")
    assert "bash completion installed in " in session.screen
    assert "x1b" not in session.screen
