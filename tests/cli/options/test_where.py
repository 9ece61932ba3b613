"""--where selects tasks by hyperparameters and by values of metrics, as numbers."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from tests.queries.conftest import write

RATES = {"a": "0.1", "b": "1e-2", "c": "0.001", "d": "auto", "e": None}
OPTIMISERS = {"a": "adam", "b": "sgd", "c": "True", "d": "it's \" -- ; DROP"}
ACCURACY = {"a": (0.5, 0.95, 0.7), "b": (0.8, 0.85, 0.9), "c": (math.nan,), "d": (0.2, math.nan)}
EVIL = "x') OR 1=1 --"


def param(name: str, value: str, section: str = "Args") -> dict[str, str]:
    return {"section": section, "name": name, "value": value}


def tasks() -> list[dict[str, Any]]:
    made = []
    for letter in "abcde":
        params = [param("seed", "9007199254740993" if letter == "a" else "9007199254740992")]
        if (rate := RATES[letter]) is not None:
            params += [param("lr", rate)]
        if letter in OPTIMISERS:
            params += [param("opt", OPTIMISERS[letter]), param("lr", "5", "Other")]
        params += [param(EVIL, letter), param("accuracy", "text")]
        values = ACCURACY.get(letter, ())
        points = [("accuracy", "val", at, value) for at, value in enumerate(values)]
        points += [("loss", "train", at, 1 - value) for at, value in enumerate(values)]
        points += [("loss", "val", at, value) for at, value in enumerate(values)]
        points += [("latency", "p99", 1, 10.0)]
        made.append({"task_id": letter * 32, "params": params, "points": points})
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("where") / "data"
    write(folder, tasks())
    return folder


def selected(data: Path, *conditions: str) -> str:
    with open_dataset(data, filter=TaskFilter(where=conditions)) as dataset:
        rows = dataset.sql("SELECT task_id FROM tasks ORDER BY ALL").fetchall()
        points = dataset.sql("SELECT DISTINCT task_id FROM scalars ORDER BY ALL").fetchall()
    assert rows == points
    return "".join(task_id[0] for (task_id,) in rows)


@pytest.mark.parametrize(
    ("condition", "letters"),
    [
        ("Args/lr < 0.1", "bc"),
        ("Args/lr <= 0.1", "abc"),
        ("Args/lr = 0.01", "b"),
        ("Args/lr = 1E-3", "c"),
        ("0.0005 < Args/lr < 0.05", "bc"),
        ("Args/lr != 0.1", "bcd"),
        ("not Args/lr = 0.1", "bcd"),
        ("not Args/lr < 0.1", "a"),
        ("Args/lr = auto", "d"),
        ("Args/lr in (0.10, 'auto')", "ad"),
        ("Args/lr not in (0.10, 'auto')", "bc"),
        ("Args/lr is null", "e"),
        ("Args/lr is not null", "abcd"),
        ("Args/lr is null or Args/lr = auto", "de"),
        ("param:Args/lr > 0.05", "a"),
        ("Other/lr = 5.0", "abcd"),
        ("seed = 9007199254740993", "a"),
        ("Args/opt = adam", "a"),
        ("opt = true", "c"),
        ("opt = 'it''s \" -- ; DROP'", "d"),
        (f'"Args/{EVIL}" = b', "b"),
        ("accuracy/val > 0.9", "a"),
        ("accuracy/val >= 0.9", "ab"),
        ("best(accuracy/val) < 0.3", "d"),
        ("last(accuracy/val) > 0.75", "b"),
        ("not last(accuracy/val) > 0.75", "a"),
        ("min(accuracy/val) < 0.3", "d"),
        ("accuracy/val is null", "e"),
        ("loss/train < 0.09", "a"),
        ("loss/train < 0.1000000001", "ab"),
        ("max(latency) = 10", "abcde"),
        ("Args/lr < 0.1 and accuracy/val > 0.88", "b"),
        ("Args/lr = 0.1 or accuracy/val > 0.88", "ab"),
        ("not (Args/lr = 0.1 or accuracy/val > 0.88)", "d"),
        ("not (Args/lr < 0.1 and accuracy/val > 0.88)", "ad"),
    ],
)
def test_tasks_that_fulfil_a_condition(data: Path, condition: str, letters: str) -> None:
    assert selected(data, condition) == letters


def test_several_conditions_are_joined_with_and(data: Path) -> None:
    assert selected(data, "Args/lr < 0.1", "accuracy/val > 0.1") == "b"


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("lr < 0.1", "`where`: 'lr' could be Args/lr, Other/lr; choose one"),
        ("loss > 1", "`where`: 'loss' could be loss/train, loss/val; choose one"),
        (
            "accuracy > 1",
            "'accuracy' is the hyperparameter Args/accuracy and the metric accuracy/val; write "
            "param:Args/accuracy, or max(accuracy/val) and so on",
        ),
        (
            "latency < 5",
            "latency/p99 could mean its highest, lowest or last value; write max(latency/p99)",
        ),
        ("acuracy/val > 1", "no hyperparameter or metric 'acuracy/val'; did you mean"),
        ("param:x > 1", "no hyperparameter 'x'"),
        ("last(x) > 1", "no metric 'x'"),
        ("mean(loss) > 1", "mean(…) is not known; a metric has best(…), last(…), max(…), min(…)"),
        ("opt < adam", "`where`: opt < 'adam': a text can only be compared with = and !="),
        ("max(latency) = fast", "max(latency) is compared with 'fast', which is not a number"),
        (f"{EVIL} = 1", "`where` \"x') OR 1=1 --"),
    ],
)
def test_what_cannot_be_decided(data: Path, condition: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        selected(data, condition)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_command_that_filters_takes_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--where", "accuracy/val > 0.88 and Args/lr < 1", "--data", str(data))
    note = "where: accuracy/val means its highest value in each task\n"
    assert main(["query", "leaderboard", "-m", "loss/train", "--format", "json", *where]) == 0
    out, err = capsys.readouterr()
    assert [row["task_id"][0] for row in json.loads(out)] == ["a", "b"]
    assert note in err
    assert main(["query", "curve", "-m", "loss/train", *where, "--show"]) == 0
    assert "a" * 32 in capsys.readouterr().out
    for redact, shown in (([], "--where"), (["--redact", "params"], "<redacted>")):
        pack = tmp_path / f"{len(redact)}.zip"
        assert main(["pack", *where, "-o", str(pack), *redact]) == 0
        out, err = capsys.readouterr()
        assert "2 tasks" in out
        assert note in err
        assert main(["status", str(pack), "--format", "json"]) == 0
        selection = json.loads(capsys.readouterr().out)["packed"]["selection"]
        assert shown in selection
        assert ("Args/lr" in selection) == (not redact)


def test_export_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ((), ("--dry-run",)):
        where = "Args/lr < 1 and max(accuracy/val) > 1"
        code = main(["export", "--where", where, "--data", str(tmp_path / "new"), *more])
        (line,) = capsys.readouterr().err.splitlines()
        assert code == 2
        assert line.startswith(
            "error: export cannot decide --where max(accuracy/val): values of metrics are known "
            "only after their points were read; use --where with queries and packs"
        )
    assert not (tmp_path / "new").exists()


def with_nan(folder: Path, metric: str = "loss") -> Path:
    """Write falling curves: that of task b has a NaN in the middle, that of task c at the end."""
    curve = [2.5 - number / 100 for number in range(60)]
    curves = {"a": curve, "b": [*curve[:30], 0.0, *curve[31:]], "c": [*curve[:58], 0.0, 0.0]}
    write(
        folder,
        [
            {
                "task_id": letter * 32,
                "points": [(metric, "train", at, value) for at, value in enumerate(values)],
            }
            for letter, values in curves.items()
        ],
    )
    return folder


PROBABLY = "probably a NaN (the SDK logs NaN as 0)"


@pytest.mark.parametrize(
    ("metric", "condition", "letters", "note", "other", "letters_then"),
    [
        pytest.param(
            "loss",
            "loss < 1",
            "bc",
            f"where: the lowest value of loss/train is 0 in 2 selected tasks, {PROBABLY}; "
            "--where 'min(loss/train) != 0' leaves them out",
            ["loss < 1", "min(loss/train) != 0"],
            "",
            id="it fulfils a condition",
        ),
        pytest.param(
            "loss",
            "loss > 1",
            "a",
            "where: the lowest value of loss/train is 0 in 2 tasks that are left out, "
            f"{PROBABLY}; `or min(loss/train) = 0` selects them",
            ["loss > 1 or min(loss/train) = 0"],
            "abc",
            id="it does not fulfil one",
        ),
        pytest.param(
            "loss",
            "last(loss) < 1.8",
            "c",
            f"where: the last value of loss/train is 0 in 1 selected task, {PROBABLY}; "
            "--where 'last(loss/train) != 0' leaves it out",
            ["last(loss) < 1.8 and last(loss/train) != 0"],
            "",
            id="the last value",
        ),
        pytest.param(
            "the loss",
            '"the loss" < 1',
            "bc",
            f"where: the lowest value of the loss/train is 0 in 2 selected tasks, {PROBABLY}; "
            "--where 'min(\"the loss/train\") != 0' leaves them out",
            ['"the loss" < 1', 'min("the loss/train") != 0'],
            "",
            id="a name with a space",
        ),
    ],
)
def test_a_zero_that_is_probably_nan_is_reported(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    metric: str,
    condition: str,
    letters: str,
    note: str,
    other: list[str],
    letters_then: str,
) -> None:
    """It decides whether a task is selected; the note says how to decide otherwise."""
    folder = with_nan(tmp_path / "data", metric)

    def chosen(*conditions: str) -> tuple[str, list[str]]:
        options = [word for text in conditions for word in ("--where", text)]
        assert main(["query", "tasks", *options, "--data", str(folder), "--format", "json"]) == 0
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if "NaN" in line]
        return "".join(sorted(row["task_id"][0] for row in json.loads(out))), lines

    assert chosen(condition) == (letters, [note])
    assert chosen(*other) == (letters_then, [])


def test_a_single_value_of_zero_is_reported(tmp_path: Path) -> None:
    values = (0.0, 0.31, 0.36, 0.4, 0.41)
    write(
        tmp_path / "data",
        [
            {"task_id": f"{at}" * 32, "points": [("final", "loss", None, value)]}
            for at, value in enumerate(values)
        ],
    )
    task_filter = TaskFilter(where="final < 0.35")
    with open_dataset(tmp_path / "data", filter=task_filter) as dataset:
        notes = dataset.answer("tasks").notes
    assert (
        "where: the lowest value of final/loss is 0 in 1 selected task, perhaps a NaN (the SDK "
        "logs NaN as 0); `where='min(final/loss) != 0'` leaves it out"
    ) in notes


def test_what_the_user_set_is_reported(tmp_path: Path) -> None:
    curve = [2.5 - number / 100 for number in range(60)]
    points = [("loss", "train", at, value) for at, value in enumerate([*curve[:30], -1.0, 2.0])]
    write(tmp_path / "data", [{"task_id": "a" * 32, "points": points}])
    with open_dataset(tmp_path / "data", filter=TaskFilter(where="loss < 1")) as dataset:
        notes = dataset.answer("max", nan_value=-1).notes
    decided = TaskFilter(where="loss < 1 and loss != -1.0")
    with open_dataset(tmp_path / "data", filter=decided) as dataset:
        answer = dataset.answer("max", nan_value=-1)
        assert not any(line.startswith("where: the lowest") for line in answer.notes)
    assert (
        "where: the lowest value of loss/train is -1 in 1 selected task, probably a NaN (NaN was "
        "logged as -1); `where='min(loss/train) != -1'` leaves it out"
    ) in notes
