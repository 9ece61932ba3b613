"""`group` against plain Python."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def groups_of(task: Mapping[str, Any], by: Sequence[str]) -> list[tuple[Any, ...]]:
    params = {f"param:Args/{param['name']}": param["value"] for param in task["params"]}
    tags = sorted(set(task["tags"])) or [None]
    return [
        tuple(
            {"tag": tag, "project": task["project"]}.get(column, params.get(column))
            for column in by
        )
        for tag in (tags if "tag" in by else [None])
    ]


@quickly
@given(
    tasks=histories(),
    questions=three(
        {
            "best": st.sampled_from(["highest", "lowest"]),
            "value": st.sampled_from([None, "max", "min", "mean"]),
            "by": st.sampled_from(
                [
                    None,
                    ["tag"],
                    ["project"],
                    ["param:Args/lr"],
                    ["param:Args/seed", "tag"],
                    ["project", "tag"],
                ]
            ),
        }
    ),
)
def test_group_agrees_with_python(
    written: MakeDataset, tasks: Tasks, questions: list[dict[str, Any]]
) -> None:
    with open_dataset(written(tasks)) as dataset:
        for options in questions:
            check_group(answer(dataset, "group", metric="m", **options), tasks, **options)


def check_group(
    rows: list[dict[str, Any]],
    tasks: Tasks,
    *,
    best: str,
    value: str | None,
    by: list[str] | None,
) -> None:
    by = by or []
    what = value or {"highest": "max", "lowest": "min"}[best]
    members: dict[tuple[Any, ...], list[Any]] = {}
    for task in tasks:
        if has(task, "m"):
            for group in groups_of(task, by):
                members.setdefault(group, []).append(
                    (best_of(finite(task, "m"), what)[0], task["task_id"])
                )
    labels = [column.removeprefix("param:") for column in by]
    assert {tuple(row[label] for label in labels) for row in rows} == set(members)
    assert len(rows) == len(members)
    for row in rows:
        inside = members[tuple(row[label] for label in labels)]
        numbers = [number for number, _ in inside if number is not None]
        assert (row["n"], row["n_tasks"]) == (len(numbers), len(inside))
        if not numbers:
            assert (row["mean"], row["median"], row["best"], row["task"]) == (None,) * 4
            continue
        winner = (max if best == "highest" else min)(numbers)
        assert same(row["best"], winner)
        assert same(row["median"], statistics.median(numbers))
        assert same(row["mean"], math.fsum(numbers) / len(numbers))
        if len(numbers) == 1:
            assert row["std"] is None
        elif max(map(abs, numbers)) < 1e9:
            assert same(row["std"], statistics.stdev(numbers))
        else:
            assert row["std"] > 0 or len(set(numbers)) == 1
        if what != "mean":
            assert row["task_id"] == min(task_id for number, task_id in inside if number == winner)


def test_replicates_differ_in_nothing_but_what_is_named(make_dataset: MakeDataset) -> None:
    rows = ask(replicates(make_dataset), "group", metric="m", best="lowest", by_all_except="seed")
    groups = {r["Args/lr"]: (r["n"], r["n_tasks"], r["mean"], r["std"], r["best"]) for r in rows}
    assert groups == {
        None: (1, 1, 7.0, None, 7.0),
        "0.1": (2, 2, 2.0, pytest.approx(math.sqrt(2)), 1.0),
        "it's": (1, 1, 5.0, None, 5.0),
        "NULL": (0, 1, None, None, None),
    }


def test_weeks_begin_on_monday(make_dataset: MakeDataset) -> None:
    from datetime import UTC, datetime

    days = {"a": datetime(2026, 3, 1, 23, 59, tzinfo=UTC), "b": datetime(2026, 3, 2, tzinfo=UTC)}
    folder = make_dataset(
        [
            {"task_id": letter * 32, "created": day, "points": [("m", "v", 1, 1.0)]}
            for letter, day in days.items()
        ]
    )
    rows = ask(folder, "group", metric="m", best="highest", by=["week", "user", "status"])
    assert [(r["week"], r["user"], r["status"]) for r in rows] == [
        ("2026-02-23", None, "completed"),
        ("2026-03-02", None, "completed"),
    ]


def numbered(make_dataset: MakeDataset) -> Path:
    """Write tasks whose parameters spell numbers in several ways."""
    spelled = {"a": ("1e-3", "16"), "b": ("0.001", "16"), "c": ("0.0010", "128"), "d": ("0.1", "2")}
    return make_dataset(
        [
            {
                "task_id": letter * 32,
                "points": [("m", "v", 1, float(value))],
                "params": [
                    {"section": "Args", "name": "lr", "value": lr},
                    {"section": "Args", "name": "size", "value": size},
                    {"section": "Args", "name": "seed", "value": f"{value}234567890123456789"},
                ],
            }
            for value, (letter, (lr, size)) in enumerate(spelled.items())
        ]
    )


def test_each_parameter_that_differs_is_a_column(make_dataset: MakeDataset) -> None:
    rows = ask(numbered(make_dataset), "group", metric="m", best="highest", by_all_except="seed")
    assert [(r["Args/lr"], r["Args/size"], r["n"], r["mean"]) for r in rows] == [
        ("0.1", "2", 1, 3.0),
        ("1e-3", "128", 1, 2.0),
        ("1e-3", "16", 2, 0.5),
    ]
    assert "parameters" not in rows[0]
    assert "group" not in rows[0]


def test_groups_are_sorted_and_limited(make_dataset: MakeDataset) -> None:
    folder = numbered(make_dataset)

    def sizes(**options: Any) -> list[Any]:
        by: dict[str, Any] = {"metric": "m", "best": "lowest", "by": "param:size", **options}
        return [row["Args/size"] for row in ask(folder, "group", **by)]

    assert sizes() == ["16", "128", "2"], "the best mean is first"
    assert sizes(sort="group") == ["2", "16", "128"], "as numbers"
    assert sizes(sort="n", top=1) == ["16"]
    assert sizes(sort="best", top=2) == ["16", "128"]
    seeds = ask(folder, "group", metric="m", best="lowest", by="param:seed")
    assert len(seeds) == 4, "as doubles some of them would be equal"
    assert ask(folder, "group", metric="m", best="lowest", by_all_except="*")[0]["n"] == 4


def test_numbers_with_many_digits_are_sorted_as_numbers(make_dataset: MakeDataset) -> None:
    """Samplers log 17 digits; only whether two of them are one group is decided by the text."""
    values = ["0.5", "3.1622776601683795e-05", "0.001", "1e-3", "0.30000000000000004", "none"]
    tasks = [
        {
            "task_id": f"{at:032x}",
            "points": [("loss", "v", 1, 1.0)],
            "params": [{"section": "Args", "name": "lr", "value": value}],
        }
        for at, value in enumerate(values)
    ]
    options: dict[str, Any] = {"metric": "loss", "best": "lowest", "by": "Args/lr"}
    rows = ask(make_dataset(tasks), "group", sort="group", **options)
    assert [row["Args/lr"] for row in rows] == [
        "3.1622776601683795e-05",
        "1e-3",
        "0.30000000000000004",
        "0.5",
        "none",
    ]


def test_a_number_that_is_too_small_for_a_double_is_not_0(make_dataset: MakeDataset) -> None:
    tasks = [
        {
            "task_id": f"{at:032x}",
            "points": [("loss", "v", 1, 1.0)],
            "params": [{"section": "Args", "name": "eps", "value": value}],
        }
        for at, value in enumerate(["0", "0.0", "1e-999", "4e-324", "5e-324"])
    ]
    rows = ask(make_dataset(tasks), "group", metric="loss", best="lowest", by="Args/eps")
    assert sorted(row["n"] for row in rows) == [1, 1, 1, 2]
