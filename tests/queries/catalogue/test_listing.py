"""``metrics``, ``tasks`` and ``params`` against the same answers computed in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from tests.support.answers import ask
from tests.support.nasty import QUOTED, ROCKET, finite, nasty, seconds, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    return make_dataset(nasty())


@pytest.mark.parametrize("monitor", [False, True])
def test_metrics(folder: Path, monitor: bool) -> None:
    expected: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for (metric, variant, _), points in series(nasty(), monitor=monitor):
        expected[metric, variant].append(points)
    rows = ask(folder, "metrics", all_metrics=monitor)
    assert [(r["metric"], r["variant"]) for r in rows] == sorted(expected)
    for row in rows:
        tasks = expected[row["metric"], row["variant"]]
        points = [point for task in tasks for point in task]
        iterations = [p.iteration for p in points if p.iteration is not None]
        assert row["n_tasks"] == len(tasks)
        assert row["n_points"] == len(points)
        assert row["n_null"] == sum(p.value is None for p in points)
        assert row["n_points"] - row["n_nonfinite"] - row["n_null"] == len(finite(points))
        assert (row["min"], row["max"]) == (min(finite(points)), max(finite(points)))
        assert row["first_iteration"] == min(iterations, default=None)
        assert row["last_iteration"] == max(iterations, default=None)
        ends = [[p for p in t if p.iteration is not None][-1:] or t[-1:] for t in tasks]
        assert seconds(row["newest"]) == max(p.seconds or 0 for (p,) in ends)


def test_metrics_takes_metric_arguments(folder: Path) -> None:
    assert {r["metric"] for r in ask(folder, "metrics", metric="LOSS")} == {"loss"}
    assert [r["metric"] for r in ask(folder, "metrics", metric=":monitor:*")] == [":monitor:gpu"]
    (row,) = ask(folder, "metrics", metric=f"{QUOTED}/{ROCKET}")
    assert (row["n_tasks"], row["n_nonfinite"], row["n_null"]) == (2, 2, 1)


def test_tasks(folder: Path) -> None:
    rows = ask(folder, "tasks")
    order = [r["task_id"][0] for r in rows]
    assert order == ["2", "3", "1", "5", "4", "6"], "the newest first, without a time last"
    given = {task["task_id"]: task for task in nasty()}
    per_task = Counter(task_id for (_, _, task_id), _ in series(nasty(), monitor=True))
    for row in rows:
        task = given[row["task_id"]]
        assert row["task"] == task["name"]
        assert row["n_series"] == per_task[row["task_id"]]
        assert row["n_points"] == len(task.get("points", ()))
        assert row["state"] == task.get("state", "complete")
    assert {r["task_id"][0]: r["seconds"] for r in rows} == {
        "1": 90,  # from start to end
        "2": 7,  # the server's word
        "3": 3600,  # running: until its last update
        "4": None,
        "5": None,
        "6": None,
    }


def test_tasks_follow_the_filter(folder: Path) -> None:
    assert [r["task_id"][0] for r in ask(folder, "tasks", TaskFilter(archived="only"))] == ["3"]


def test_one_row_a_parameter(folder: Path) -> None:
    rows = {r["param"]: r for r in ask(folder, "params")}
    assert list(rows) == sorted(rows)
    # section a/b, name lr and section a, name b/lr are one name, and different values of it
    assert {
        p: (r["n_tasks"], r["n_values"], r["examples"], r["value"]) for p, r in rows.items()
    } == {
        "Args/lr": (3, 2, ["0.1", None], None),
        "Args/seed": (2, 2, ["1", "2"], None),
        "General/LR": (1, 1, None, "1e-3"),
        "a/b/lr": (2, 2, ["x", "y"], None),
    }


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["Args/lr"], [("Args/lr", "0.1", 2), ("Args/lr", None, 1)]),
        (["args/SEED"], [("Args/seed", "1", 1), ("Args/seed", "2", 1)]),
        (["LR"], [("General/LR", "1e-3", 1)]),
        (["Gen*", "a/b*"], [("General/LR", "1e-3", 1), ("a/b/lr", "x", 1), ("a/b/lr", "y", 1)]),
    ],
)
def test_one_row_per_value(folder: Path, typed: list[str], expected: list[Any]) -> None:
    rows = ask(folder, "params", param=typed)
    assert [(r["param"], r["value"], r["n_tasks"]) for r in rows] == expected
    assert all(r["examples"] is None for r in rows)


def test_a_mistyped_parameter_has_near_matches(folder: Path) -> None:
    with pytest.raises(NoSuchNameError, match="no hyperparameter 'Args/lrr'; did you mean"):
        ask(folder, "params", param=["Args/lrr"])


def test_only_five_examples_the_most_frequent_first(make_dataset: MakeDataset) -> None:
    values = ["a", "b", "c", "d", "e", "f", "f"]
    tasks = [
        {"task_id": f"{n:032x}", "params": [{"section": "Args", "name": "x", "value": value}]}
        for n, value in enumerate(values)
    ]
    (row,) = ask(make_dataset(tasks), "params")
    assert row["examples"] == ["f", "a", "b", "c", "d"]
    assert (row["n_tasks"], row["n_values"]) == (7, 6)


def test_a_task_counts_once_for_two_parameters_of_one_name(make_dataset: MakeDataset) -> None:
    params = [("a/b", "lr", "1"), ("a", "b/lr", "1"), ("Args", "lr", "1")]
    tasks = [
        {
            "task_id": letter * 32,
            "params": [
                {"section": section, "name": name, "value": value}
                for section, name, value in (params if letter == "a" else params[:1])
            ],
        }
        for letter in "ab"
    ]
    folder = make_dataset(tasks)
    rows = ask(folder, "params")
    assert [(r["param"], r["value"], r["n_tasks"]) for r in rows] == [
        ("Args/lr", "1", 1),
        ("a/b/lr", "1", 2),
    ]
    rows = ask(folder, "params", param=["a/b/lr", "Args/lr"])
    assert [(r["param"], r["value"], r["n_tasks"]) for r in rows] == [
        ("Args/lr", "1", 1),
        ("a/b/lr", "1", 2),
    ]
