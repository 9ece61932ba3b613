"""What people type for tasks is understood: each input with its answer or its message."""

import io
import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from tests.queries.conftest import write

A, B, C, D = ("a1" * 16, "b2" * 16, "c3" * 16, "d4" * 16)
PAGE = "https://app.example.org/projects/*/{}/{}/output/log"
COMPOSED = unicodedata.normalize("NFC", "Müller über é")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def team() -> list[dict[str, Any]]:
    """Four tasks; the third has its names in the form that a Mac writes."""
    points = [("loss", "train", number, 1.0 / number) for number in (1, 2)]
    return [
        {
            "task_id": A,
            "name": "resnet one",
            "type": "training",
            "tags": ["v1.0", "gpu"],
            "user_id": "u1",
            "user": "Ada",
            "points": points,
        },
        {
            "task_id": B,
            "name": "resnet two",
            "type": "report",
            "status": "failed",
            "tags": ["v1.1"],
            "created": datetime(2025, 11, 3, tzinfo=UTC),
            "points": points,
        },
        {
            "task_id": C,
            "name": DECOMPOSED,
            "type": "training",
            "project": DECOMPOSED,
            "project_id": "p1",
            "tags": [DECOMPOSED],
            "user_id": "u2",
            "user": DECOMPOSED,
            "params": [{"section": "Args", "name": DECOMPOSED, "value": "1"}],
            "points": [(DECOMPOSED, "train", 1, 0.5)],
        },
        {"task_id": D, "name": "resnet two", "type": "testing", "status": "stopped"},
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed") / "data"
    write(folder, team())
    return folder


class Typed:
    """Runs a query on the dataset, and says which tasks answered, or the error."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data, self._capsys = data, capsys

    def __call__(self, *options: str) -> str:
        code = main(["query", "tasks", *options, "--data", str(self._data), "--format", "json"])
        out, err = self._capsys.readouterr()
        if code:
            assert code == 2, err
            (line,) = err.splitlines()
            return line.removeprefix("error: ")
        return "".join(sorted(row["task_id"][0] for row in json.loads(out)))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--data", str(self._data)])
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def typed(data: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(data, capsys)


NO_TASK = "use an id or the beginning of one, the exact name or the address of a task"


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("--task", PAGE.format("experiments", A)), "a"),
        (("--task", PAGE.format("tasks", B)), "b"),
        (("--task", f"https://x.org/projects/p/compare-experiments;ids={A},{B}/scalars"), "ab"),
        (("--task", "resnet one"), "a"),
        (("--task", "A1a1"), "a"),
        (("--task", COMPOSED), "c"),
        (("--task-name", COMPOSED), "c"),
        (("--task-name", DECOMPOSED), "c"),
        (("--task-name", COMPOSED[:6] + "*"), "c"),
        (("--project", COMPOSED), "c"),
        (("--tag", COMPOSED), "c"),
        (("--exclude-tag", COMPOSED, "--task", A, "--task", C), "a"),
        (("--user", COMPOSED), "c"),
        (("--user", "me"), "a"),
        (("--tag", "v1.*"), "ab"),
        (("--tag", "v1.*", "--tag", "g*"), "a"),
        (("--any-tag", "g*", "--any-tag", "v1.1"), "ab"),
        (("--exclude-tag", "v1.*"), "cd"),
        (("--status", "*ed"), "abcd"),
        (("--status", "fail*"), "b"),
        (("--status", "abort*"), "d"),
        (("--type", "report"), "b"),
        (("--type", "t*"), "acd"),
    ],
)
def test_options_of_a_filter(typed: Typed, options: Sequence[str], answer: str) -> None:
    assert typed(*options) == answer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", f"x.org/projects/p/tasks/{'e' * 32}"), f"task {'e' * 32} of x.org/projects/p/"),
        (("--task", "https://x.org/p"), "'https://x.org/p' is not the address of a task; copy it"),
        (
            ("--task", "resnet two"),
            "task 'resnet two' matches 2 tasks: b2b2b2b2 (2025-11-03), d4d4d4d4; give one of these",
        ),
        (("--task", "resnet on"), "no task 'resnet on'; did you mean 'resnet one' or 'resnet two'"),
        (("--task", "0123"), f"no task '0123': {NO_TASK}"),
        (("--tag", "w*"), "no tag 'w*'; there are"),
        (("--type", "repotr"), "no task type 'repotr'; did you mean 'report'"),
        (("--status", "x*"), "no status 'x*'"),
        (
            ("--task-name", "resnet one", "--task-name", "resnet tow"),
            "no task is named 'resnet tow', and a name matches as a whole; did you mean 'resnet",
        ),
    ],
)
def test_what_cannot_be_meant(typed: Typed, options: Sequence[str], message: str) -> None:
    assert typed(*options).startswith(message)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"user": None}, "the snapshot does not say who exported it; give your name or id"),
        ({"user": "Eve"}, "is 'Eve', who has no task in this snapshot"),
    ],
)
def test_me_who_is_unknown(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, column: dict[str, str | None], message: str
) -> None:
    from clearml_snapshot.queries import task_filter

    asked = task_filter._column
    monkeypatch.setattr(
        task_filter,
        "_column",
        lambda connection, lookup, **values: (
            [name for name in column.values() if name]
            if lookup == "last_user"
            else asked(connection, lookup, **values)
        ),
    )
    assert message in typed("--user", "me")


def test_compare_takes_globs_and_addresses(typed: Typed) -> None:
    code, out, err = typed.run(
        "query", "compare", "resnet*", "-m", "loss", "--suspect-zeros", "include"
    )
    assert (code, "resnet one" in out) == (0, True), err
    code, out, err = typed.run("query", "compare", PAGE.format("tasks", A), B, "-m", "loss")
    assert (code, out.splitlines()[1].startswith("loss,train,")) == (0, True), err
    code, out, err = typed.run("query", "compare", "vit*", A)
    assert (code, err) == (
        2,
        f"error: no task 'vit*': {NO_TASK}\n",
    )


@pytest.mark.parametrize("extension", ["csv", "tsv"])
@pytest.mark.parametrize("way", ["@", "-"])
def test_an_answer_is_an_input(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, way: str
) -> None:
    table = tmp_path / f"picked.{extension}"
    code, _, err = typed.run("query", "tasks", "--type", "training", "-o", str(table))
    assert code == 0, err
    stdin = io.TextIOWrapper(io.BytesIO(table.read_bytes()), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    assert typed("--task", "-" if way == "-" else f"@{table}") == "ac"


@pytest.mark.parametrize("given", [("--task", "-"), ("-",), ("--task", "@{}"), ("@{}",)])
def test_compare_reads_its_tasks(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Sequence[str]
) -> None:
    table = tmp_path / "picked.csv"
    code, _, err = typed.run("query", "max", "-m", "loss", "--by", "task", "-o", str(table))
    assert code == 0, err
    stdin = io.TextIOWrapper(io.BytesIO(table.read_bytes()), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    arguments = [text.format(table) for text in given]
    code, out, err = typed.run("query", "compare", *arguments, "-m", "loss", "--format", "json")
    assert (code, {"resnet one", "resnet two"} <= {*json.loads(out)[0]}) == (0, True), err


def test_compare_keeps_a_filter_beside_its_tasks(typed: Typed) -> None:
    code, _, err = typed.run("query", "compare", A, B, "--task", A)
    unselected = f"error: the filter does not select task '{B}', which this snapshot has"
    assert (code, err.startswith(unselected)) == (2, True), err


ACCEPTED = "give one task per line, or a CSV with a column task_id"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task\nresnet one\n", f"this CSV has no column task_id; {ACCEPTED}"),
        ("Name\tID\nresnet one\t1\n", f"this CSV has no column task_id; {ACCEPTED}"),
        ('"metric","value"\nloss,1\n', f"this CSV has no column task_id; {ACCEPTED}"),
        ('[{"task_id":"x"}]', f"cannot read tasks from JSON; {ACCEPTED}"),
        ('[\n{"task_id":\n"x"}\n]\n', f"cannot read tasks from JSON; {ACCEPTED}"),
        ('{"task_id":"x"}\n{"task_id":"y"}\n', f"cannot read tasks from JSON; {ACCEPTED}"),
        ("[" * 2_000, "no task"),
        ("[1]\n", f"no task '[1]': {NO_TASK}"),
        ("my run, lr=0.1\n", f"no task 'my run, lr=0.1': {NO_TASK}"),
    ],
)
def test_what_has_no_ids(typed: Typed, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x"
    file.write_text(text)
    where = f"--task @{file}: " if ACCEPTED in message else ""
    assert typed("--task", f"@{file}").startswith(where + message)
    code, _, err = typed.run("query", "compare", f"@{file}", A)
    where = f"TASK @{file}: " if ACCEPTED in message else ""
    assert (code, err.startswith(f"error: {where}{message[:9]}")) == (2, True), err


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_limit_of_tasks_is_no_limit_of_rows(typed: Typed, quiet: Sequence[str]) -> None:
    limited = "only the newest {} of the matching tasks {} used (--limit {})"
    command = ("query", "leaderboard", "-m", "loss", "--best", "min", *quiet, "--limit")
    for limit, which, verb in (("1", "one", "was"), ("2", "2", "were")):
        _, _, err = typed.run(*command, limit)
        assert f"{limited.format(which, verb, limit)}; --top limits rows\n" in err
    for too_large in ("4", "5"):
        assert "--limit" not in typed.run(*command, too_large)[2]
    _, _, err = typed.run("query", "tasks", "--limit", "2", "--order", "oldest", *quiet)
    note = "only the oldest 2 of the matching tasks were used (--limit 2)\n"
    assert (note in err) == (not quiet)


def test_a_table_in_which_names_break_lines(typed: Typed, tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    table.write_text(f'\ufeffname,"task_id"\r\n"a # name\r\nwith, a break",{B}\r\n"",{A}\r\n')
    assert typed("--task", f"@{table}") == "ab"
    table.write_text("name,task_id\n")
    assert typed("--task", f"@{table}") == "--task: the input contains no task id"
    table.write_text(f"# ids\n{A} # the first\nresnet one\n{PAGE.format('tasks', B)}\n")
    assert typed("--task", f"@{table}") == "ab"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "no task is named 'resnet', and a name matches as a whole; did you mean '*re"),
        ("resnet tow", "no task is named 'resnet tow', and a name matches as a whole; did you me"),
        ("0123", "no task is named '0123', and a name matches as a whole\n"),
        ("", "--task-name is empty; omit it, or use a name or a glob\n"),
    ],
)
def test_a_name_that_no_task_has_is_an_error(typed: Typed, name: str, message: str) -> None:
    for command in (("query", "max", "-m", "loss"), ("pack", "-o", "unused.zip")):
        code, _, err = typed.run(*command, "--task-name", name)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{err}\n".startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("esnet *", "; did you mean '*esnet *' (3 tasks)?"),
        ("*gpt[3", ""),
    ],
)
def test_a_glob_may_match_nothing(typed: Typed, name: str, note: str) -> None:
    code, _, err = typed.run("query", "max", "-m", "loss", "--task-name", name)
    reason = f"no task is named {name!r}, and a name matches as a whole{note}"
    assert (code, err.splitlines()[0]) == (0, f"no rows: {reason}")
    code, _, err = typed.run("pack", "--task-name", name, "-o", "unused.zip")
    assert (code, err) == (2, f"error: nothing to pack: {reason}\n")


def test_other_reasons_for_no_task_suggest_no_name(typed: Typed) -> None:
    for name, reason in (
        (
            "resnet one",
            "does not select task 'resnet one', which this snapshot has; change the filter",
        ),
        ("resnet on*", "selects none of 4 tasks"),
    ):
        _, _, err = typed.run("query", "max", "--task-name", name, "--status", "failed")
        assert err.splitlines()[0] == f"no rows: the filter {reason}"


@pytest.mark.parametrize("age", ["90min", "12h", "7d", "2w", "6mo", "1y", "3 years"])
def test_the_cut_off_of_an_age_is_printed_as_a_moment(typed: Typed, age: str) -> None:
    moment = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC"
    _, _, err = typed.run("query", "tasks", "--created-after", age, "--updated-before", age)
    assert re.search(f"^only tasks created since {moment}, updated before {moment}$", err, re.M)
    _, _, err = typed.run("query", "tasks", "--created-after", age, "--quiet")
    assert "only tasks" not in err


@pytest.mark.parametrize("age", ["5m", "90 m"])
def test_minutes_or_months(typed: Typed, age: str) -> None:
    number = age.removesuffix("m").strip()
    message = f"{age!r} could be minutes or months; use {number}min or {number}mo"
    assert typed("--created-after", age) == f"--created-after: the age {message}"
    for option in ("--max-age", "--snapshot"):
        code, _, err = typed.run("status", option, age)
        assert (code, message in err) == (2, True), err
