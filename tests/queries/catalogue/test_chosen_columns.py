"""``--at``, ``leaderboard``, ``group`` and ``compare`` against the same in plain Python."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries import open_dataset
from tests.support.answers import ask
from tests.support.chosen import (
    MakeDataset,
    Tasks,
    answer,
    best_of,
    finite,
    has,
    histories,
    quickly,
    replicates,
    same,
    three,
)


@quickly
@given(tasks=histories())
def test_at_is_the_value_at_or_before_the_winner(written: MakeDataset, tasks: Tasks) -> None:
    with open_dataset(written(tasks)) as dataset:
        for name in ("max", "min", "last"):
            rows = answer(dataset, name, metric="m", by="task", at="a/b")
            check_at(rows, tasks, name)


def check_at(rows: list[dict[str, Any]], tasks: Tasks, name: str) -> None:
    by_id = {task["task_id"]: task for task in tasks}
    assert len(rows) == sum(has(task, "m") for task in tasks)
    for row in rows:
        task = by_id[row["task_id"]]
        value, iteration = best_of(finite(task, "m"), name)
        assert (row["value"], row["iteration"]) == (value, iteration)
        assert row["at_metric"] == ("a/b" if has(task, "a/b") else None)
        series = [
            (point, there)
            for metric, _, point, there in task["points"]
            if metric == "a/b" and there is not None and value is not None
        ]
        if iteration is None:
            fitting = [entry for entry in series if entry[0] is None]
        else:
            fitting = [entry for entry in series if entry[0] is not None and entry[0] <= iteration]
        expected = max(fitting, default=(None, None), key=lambda entry: entry[0] or 0)
        assert row["at_iteration"] == expected[0]
        assert same(row["at_value"], expected[1])


def test_at_adds_no_columns_unless_requested(make_dataset: MakeDataset) -> None:
    points = [("m", "v", 1, 2.0), ("acc", "val", 0, 0.5), ("acc", "test", 1, 0.7)]
    folder = make_dataset([{"task_id": "a" * 32, "points": points}])
    (row,) = ask(folder, "max", metric="m")
    assert not {name for name in row if name.startswith("at_")}
    rows = ask(folder, "max", metric="m", at=["acc/*"])
    assert [(r["at_variant"], r["at_value"], r["at_iteration"]) for r in rows] == [
        ("test", 0.7, 1),
        ("val", 0.5, 0),
    ]
    with pytest.raises(NoSuchNameError, match="no metric 'ac'; did you mean 'acc'"):
        ask(folder, "max", metric="m", at="ac")


@quickly
@given(
    tasks=histories(),
    questions=three(
        {
            "best": st.sampled_from(["highest", "lowest"]),
            "by": st.sampled_from([None, "max", "min", "last", "mean"]),
            "last": st.sampled_from([None, 1, 2, 5]),
            "top": st.integers(1, 4),
        }
    ),
)
def test_leaderboard_agrees_with_python(
    written: MakeDataset, tasks: Tasks, questions: list[dict[str, Any]]
) -> None:
    columns = {"metric": "m", "param": ["Args/lr", "seed"], "also": "a/b"}
    with open_dataset(written(tasks)) as dataset:
        for options in questions:
            check_leaderboard(
                answer(dataset, "leaderboard", **columns, **options), tasks, **options
            )


def check_leaderboard(
    rows: list[dict[str, Any]],
    tasks: Tasks,
    *,
    best: str,
    by: str | None,
    last: int | None,
    top: int,
) -> None:
    what = by or {"highest": "max", "lowest": "min"}[best]
    sign = -1 if best == "highest" else 1
    ranked = []
    for task in tasks:
        if has(task, "m"):
            points = finite(task, "m")
            value, iteration = best_of(points[-last:] if last else points, what)
            ranked.append((value, iteration, task))
    ranked.sort(
        key=lambda entry: (
            entry[0] is None,
            sign * (entry[0] or 0.0),
            entry[1] is None,
            entry[1] or 0,
            entry[2]["task_id"],
        )
    )
    assert [row["place"] for row in rows] == list(range(1, min(top, len(ranked)) + 1))
    for row, (value, iteration, task) in zip(rows, ranked, strict=False):
        assert same(row["value"], value)
        if what != "mean" or value is None:
            assert (row["task_id"], row["iteration"]) == (task["task_id"], iteration)
            given_params = {param["name"]: param["value"] for param in task["params"]}
            assert row["Args/lr"] == given_params.get("lr")
            assert row["Args/seed"] == given_params.get("seed")
            others = [(p, v) for m, _, p, v in task["points"] if m == "a/b"]
            others.sort(key=lambda point: (point[0] is not None, point[0] or 0))
            assert same(row["a/b/v"], others[-1][1] if others else None)
        assert row["n_tasks"] == len(ranked)


def test_what_groups_and_columns_cannot_mean(make_dataset: MakeDataset) -> None:
    folder = replicates(make_dataset)
    with pytest.raises(UsageError, match="query leaderboard needs `best='max'` or"):
        ask(folder, "leaderboard", metric="m")
    with pytest.raises(NoSuchNameError, match="hyperparameter 'weak'; did you mean 'week'"):
        ask(folder, "group", metric="m", best="highest", by="weak")
    with pytest.raises(NoSuchNameError, match="no hyperparameter 'Args/lrr'; did you mean"):
        ask(folder, "group", metric="m", best="highest", by="param:Args/lrr")
    rows = ask(folder, "leaderboard", metric="m", best="lowest", param="Args/[ls]*", top=1)
    assert [rows[0][name] for name in ("Args/lr", "Args/same", "Args/seed")] == ["0.1", "s", "1"]


def test_an_empty_dataset_answers_with_nothing(make_dataset: MakeDataset) -> None:
    folder = make_dataset([{"task_id": "a" * 32}, {"task_id": "b" * 32}])
    assert ask(folder, "compare", tasks=["a", "b"]) == []
    assert ask(folder, "compare", tasks=["a", "b"], params=True) == []
    for name in ("leaderboard", "group"):
        with pytest.raises(NoSuchNameError, match="there are none"):
            ask(folder, name, metric="m", best="lowest")


def test_ties_go_to_the_earliest_of_the_last_points(make_dataset: MakeDataset) -> None:
    points = [("m", "v", at, value) for at, value in enumerate([5.0, 2.0, 3.0, 3.0, 2.0, 2.0])]
    folder = make_dataset([{"task_id": "a" * 32, "points": points}])
    for best, expected in {"highest": (3.0, 2), "lowest": (2.0, 4)}.items():
        last = 4 if best == "highest" else 3
        (row,) = ask(folder, "leaderboard", metric="m", best=best, last=last)
        assert (row["value"], row["iteration"]) == expected


def test_many_columns_are_made_in_one_go(make_dataset: MakeDataset) -> None:
    names = [f"p{number:03}" for number in range(300)]
    tasks = [
        {
            "task_id": letter * 32,
            "points": [("m", "v", 1, float(at))],
            "params": [
                {"section": "General", "name": name, "value": f"{letter}{name}"}
                for name in (names[at::at] if at else ())
            ],
        }
        for at, letter in enumerate("abc")
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        options = {"metric": "m", "best": "lowest", "param": "*", "also": "m"}
        answer = dataset.query("leaderboard", **options)
        rows = dataset.rows(answer).as_dicts()
    assert "FILTER" not in answer.sql_query()  # one per column would compare each row with each
    for at, row in enumerate(rows):
        have = {*names[at::at]} if at else set()
        expected = [f"{'abc'[at]}{name}" if name in have else None for name in names[1:]]
        assert [row[f"General/{name}"] for name in names[1:]] == expected
        assert row["m/v"] == at
