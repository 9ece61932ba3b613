"""`group` against plain Python."""

import math
import statistics
from collections.abc import Mapping, Sequence
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
    groups = {r["parameters"]: (r["n"], r["n_tasks"], r["mean"], r["std"], r["best"]) for r in rows}
    assert groups == {
        "": (1, 1, 7.0, None, 7.0),
        "Args/lr=0.1": (2, 2, 2.0, pytest.approx(math.sqrt(2)), 1.0),
        "Args/lr=it's": (1, 1, 5.0, None, 5.0),
        "Args/lr=NULL": (0, 1, None, None, None),
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
