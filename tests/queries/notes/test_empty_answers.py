"""An empty answer explains why, and the coverage line of named tasks is about these."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.notes.coverage import coverage, lines
from clearml_snapshot.queries.notes.empty_answers import why_empty
from clearml_snapshot.queries.notes.relevant import relevant

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

NAN = float("nan")
EVEN, ODD, OTHER = "a" * 32, "b" * 32, "c" * 32
TASKS: list[dict[str, Any]] = [
    {"task_id": EVEN, "points": [("acc", "v", 2 * at, at / 20) for at in range(9)]},
    {"task_id": ODD, "points": [("acc", "v", 2 * at + 1, at / 20) for at in range(9)]},
    {
        "task_id": OTHER,
        "tags": ["nan"],
        "points": [
            ("aaa", "v", 1, NAN),
            ("loss", "v", 1, NAN),
            ("loss", "v", 2, None),
            ("final", "v", None, 1.0),
        ],
    },
]


@pytest.fixture
def dataset(make_dataset: MakeDataset) -> Iterator[Dataset]:
    with open_dataset(make_dataset(TASKS)) as opened:
        yield opened


def why(dataset: Dataset, name: str, **typed: Any) -> str | None:
    """Explain an answer by the rows that the command gives to notes."""
    values = dataset.bound(name, **typed)
    answer = dataset.query(name, **typed).materialize()
    rows = dataset.result(*relevant(answer, find(name), values), is_materialized=True)
    return why_empty(dataset, find(name), values, rows.in_memory())


@pytest.mark.parametrize(
    ("name", "typed", "reason"),
    [
        (
            "compare",
            {"tasks": [EVEN, ODD], "steps": True},
            "no rows: the tasks have no metric, va",
        ),
        ("compare", {"tasks": [EVEN, ODD], "metric": "acc", "steps": True}, "query curve shows"),
        ("compare", {"tasks": [EVEN, OTHER], "metric": "acc", "steps": True}, "1 of the 2 tasks d"),
        ("compare", {"tasks": [EVEN, ODD], "metric": "loss"}, "none of these tasks has this met"),
        ("compare", {"tasks": [EVEN, ODD], "params": True}, "do not differ in any hyperparam"),
        ("curve", {"metric": "final"}, "no rows: there are only single values"),
        ("curve", {"metric": "acc", "x": "time"}, None),
        ("first", {"metric": "final", "above": 0}, "no rows: there are only single values"),
        ("first", {"metric": "acc", "above": 5}, "no value is above 5; the highest is 0.4"),
        ("first", {"metric": "acc", "below": -1}, "no value is below -1; the lowest is 0"),
        ("first", {"metric": "acc", "above": 0.1, "for_": 99}, "stays above 0.1 for that many"),
        ("first", {"metric": "loss", "above": 0}, "none of the values is a finite number"),
        ("first", {"metric": "acc", "above": 0.1}, None),
        ("first", {"above": 0.1}, None),
        ("stats", {"iterations": "900:"}, "no point is at iterations 900:"),
        ("leaderboard", {"metric": "loss", "best": "lowest"}, "no value: none of the values is"),
        ("group", {"metric": "loss", "best": "lowest"}, "no value: none of the values is"),
        ("leaderboard", {"metric": "acc", "best": "lowest"}, None),
        ("gone", {}, "no rows: none of the selected tasks is gone, shrunk or lost"),
        ("params", {}, "no rows: none of the selected tasks has such hyperparameters"),
        ("health", {"kind": "zero"}, "no rows: none of the selected tasks has any of these"),
        ("max", {}, None),
    ],
)
def test_why_empty(
    dataset: Dataset, name: str, typed: Mapping[str, Any], reason: str | None
) -> None:
    reasons = why(dataset, name, **typed)
    assert reasons is None if reason is None else reason in (reasons or "")


def test_a_filter_that_leaves_nothing(make_dataset: MakeDataset) -> None:
    folder = make_dataset(TASKS)
    for task_filter, metric, reason in (
        (TaskFilter(statuses=("failed",)), "acc", "no rows: the filter selects none of 3 tasks"),
        (TaskFilter(tags=("nan",)), "acc", "no rows: none of the selected tasks has this metric"),
    ):
        with open_dataset(folder, filter=task_filter) as dataset:
            assert (why(dataset, "max", metric=metric) or "").startswith(reason)
            best = why(dataset, "leaderboard", metric=metric, best="highest")
            assert (best or "").startswith(reason)
    with open_dataset(make_dataset([])) as dataset:
        assert why(dataset, "tasks") == "no rows: the snapshot has no tasks"


def test_the_coverage_of_named_tasks_is_about_them(dataset: Dataset) -> None:
    values = dataset.bound("compare", tasks=[EVEN, OTHER], metric="acc")
    reach = coverage(dataset, values)
    assert (reach.selected, reach.having, reach.stored) == (2, 1, 3)
    first = lines(reach, dataset.rows(dataset.query("compare", tasks=[EVEN, ODD])))[0]
    assert first == "1 of 2 tasks have it"


def test_the_command_explains_it_under_the_answer(
    make_dataset: MakeDataset, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(make_dataset(TASKS))
    command = ["query", "compare", EVEN, ODD, "--metric", "acc", "--data", folder]
    assert main([*command, "--steps"]) == 0
    stderr = capfd.readouterr().err
    assert "no rows: the tasks have no metric, variant and iteration in common" in stderr
    assert "2 of 2 tasks have it\n" in stderr
    assert main([*command, "--format", "jsonl"]) == 0
    shown = capfd.readouterr()
    points = [json.loads(line)["point"] for line in shown.out.splitlines()]
    assert points == ["end", "nearest"]
    assert "the tasks have no iteration in common; compared at the nearest ones: " in shown.err
    assert "2 of 2 tasks have it\n" in shown.err
