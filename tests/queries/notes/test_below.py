"""Python has the notes that the command line prints below an answer."""

from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.queries import Answer, open_dataset
from tests.queries.conftest import MakeDataset


@pytest.fixture(scope="module")
def folder(written: MakeDataset) -> Path:
    def points(*values: float) -> list[tuple[str, str, int, float]]:
        return [("loss", "train", 10 * at, value) for at, value in enumerate(values)]

    return written(
        [
            {"task_id": "a" * 32, "name": "diverged", "points": points(2.3, 1.9, 0.0, 1.7)},
            {"task_id": "b" * 32, "name": "fine", "points": points(1.8, 1.6, 1.75)},
            {"task_id": "c" * 32, "status": "in_progress", "points": points(1.5, float("nan"))},
            {"task_id": "d" * 32, "state": "failed"},
        ]
    )


SUSPECT = "loss/train: the 0.0 of task aaaaaaaa at iteration 20 is probably a NaN "


def test_a_zero_that_is_probably_a_nan_is_named(folder: Path) -> None:
    with open_dataset(folder) as dataset:
        answer = dataset.answer("min", metric="loss")
        assert isinstance(answer, Answer)
        (row,) = dataset.rows(answer.relation).as_dicts()
        assert row["value"] == 0.0
        zero, tasks, nonfinite, age = answer.notes
        assert answer.notes is answer.notes, "they are computed once"
        without = dataset.answer("min", metric="loss", suspect_zeros="exclude")
        assert dataset.rows(without.relation).as_dicts()[0]["value"] == 1.5
        running = "loss/train: task cccccccc is still running"
        assert running in without.notes
    assert zero == (
        f"{SUSPECT}(the SDK logs NaN as 0); without such zeros: 1.5 (`suspect_zeros='exclude'`)"
    )
    assert tasks == "3 of 4 tasks have it: 1 running; of all selected 1 failed to export"
    assert nonfinite == "loss/train: 1 of 9 values is not finite and cannot win"
    assert age.startswith("snapshot 1 of ")


@pytest.mark.parametrize(
    ("name", "typed", "options"),
    [
        ("min", {"metric": "loss"}, ("--metric", "loss")),
        ("min", {"top": 2}, ("--top", "2")),
        ("max", {"by": "task"}, ("--by", "task")),
        ("best", {"metric": "loss", "best": "min"}, ("--metric", "loss", "--best", "min")),
        ("leaderboard", {"metric": "loss", "best": "min"}, ("-m", "loss", "--best", "min")),
        ("stats", {}, ()),
        ("curve", {"metric": "loss"}, ("--metric", "loss")),
        ("first", {"below": 0.0}, ("--below", "0.0")),
        ("wide", {"per": "task"}, ("--per", "task")),
        ("gone", {}, ()),
    ],
)
def test_they_are_those_of_the_command(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    typed: dict[str, Any],
    options: tuple[str, ...],
) -> None:
    filter = TaskFilter(where="loss/train < 2")
    with open_dataset(folder, filter=filter) as dataset, naming_options():
        notes = dataset.answer(name, **typed).notes
    arguments = ["query", name, *options, "--where", "loss/train < 2", "--data", str(folder)]
    assert main([*arguments, "--format", "csv"]) == 0
    printed = capsys.readouterr().err.splitlines()
    assert [line for line in notes if " old" not in line] == [
        line for line in printed if " old" not in line
    ]
    assert any(" old" in line for line in notes)
