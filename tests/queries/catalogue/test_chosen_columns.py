"""``--at``, ``leaderboard``, ``group`` and ``compare`` against the same in plain Python."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from tests.support.answers import ask

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
Point = tuple[str, str, int | None, float | None]
Tasks = list[dict[str, Any]]

NAN, INF = math.nan, math.inf
LEAST = -(2**63)
odd_values = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 2.0, 1e300, NAN, INF, -INF]), st.none(), st.floats(-9, 9)
)
odd_iterations = st.one_of(st.integers(-3, 5), st.sampled_from([None, LEAST, 2**63 - 1]))
odd_texts = st.sampled_from(["0.1", 'it\'s "1"', "🚀/x", "", None])
quickly = settings(max_examples=6)
"""Each dataset is asked three times over one connection, since opening one costs the most."""


def answer(dataset: Dataset, name: str, **typed: Any) -> list[dict[str, Any]]:
    return dataset.rows(dataset.query(name, **typed)).as_dicts()


@st.composite
def histories(draw: st.DrawFn) -> Tasks:
    """Tasks with an even number of odd things in their points, parameters and tags."""
    tasks: Tasks = []
    for number in range(draw(st.integers(2, 5))):
        keys = st.tuples(st.sampled_from(["m", "a/b"]), st.just("v"), odd_iterations)
        points = draw(st.dictionaries(keys, odd_values, max_size=9))
        params = draw(st.dictionaries(st.sampled_from(["lr", "seed", "n'a/me"]), odd_texts))
        tasks.append(
            {
                "task_id": f"{number:032x}",
                "tags": draw(st.lists(st.sampled_from(["x", "🚀", "it's"]), max_size=3)),
                "project": draw(st.sampled_from([None, "p/q"])),
                "points": [(*key, value) for key, value in points.items()],
                "params": [
                    {"section": "Args", "name": name, "value": value, "type": None}
                    for name, value in params.items()
                ],
            }
        )
    # both metrics exist, or their names would be errors
    tasks.append(
        {"task_id": "f" * 32, "points": [("m", "v", 1, NAN), ("a/b", "v", 1, None)], "params": []}
    )
    tasks[-1] |= {"tags": [], "project": None}
    tasks[-1]["params"] = [{"section": "Args", "name": n, "value": "z"} for n in ("lr", "seed")]
    return tasks


def three(typed: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Three ways to ask the same dataset."""
    return st.lists(st.fixed_dictionaries(typed), min_size=3, max_size=3)


def finite(task: Mapping[str, Any], metric: str) -> list[tuple[int | None, float]]:
    """Give the finite points of a series in the order of iterations, a single value first."""
    points = [
        (iteration, value)
        for name, _, iteration, value in task["points"]
        if name == metric and value is not None and math.isfinite(value)
    ]
    return sorted(points, key=lambda point: (point[0] is not None, point[0] or 0))


def has(task: Mapping[str, Any], metric: str) -> bool:
    return any(point[0] == metric for point in task["points"])


def best_of(points: list[tuple[int | None, float]], what: str) -> Any:
    """Give value and iteration of what counts; the earliest of ties, a single value last."""
    late = [(value, point is None, point or 0, point) for point, value in points]
    if not points:
        return (None, None)
    if what == "max":
        found = min(late, key=lambda one: (-one[0], *one[1:3]))
    elif what == "min":
        found = min(late, key=lambda one: one[:3])
    elif what == "last":
        found = late[-1]
    else:
        scale = 2.0**-600 if max(abs(value) for _, value in points) > 1e150 else 1.0
        return (math.fsum(v * scale for _, v in points) / len(points) / scale, None)
    return (found[0], found[3])


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or left == right or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)


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
        known = [
            (point, there)
            for metric, _, point, there in task["points"]
            if metric == "a/b" and there is not None and value is not None
        ]
        if iteration is None:
            fitting = [one for one in known if one[0] is None]
        else:
            fitting = [one for one in known if one[0] is not None and one[0] <= iteration]
        wanted = max(fitting, default=(None, None), key=lambda one: one[0] or 0)
        assert row["at_iteration"] == wanted[0]
        assert same(row["at_value"], wanted[1])


def test_at_adds_no_columns_unless_asked(make_dataset: MakeDataset) -> None:
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
    asked=three(
        {
            "best": st.sampled_from(["highest", "lowest"]),
            "by": st.sampled_from([None, "max", "min", "last", "mean"]),
            "last": st.sampled_from([None, 1, 2, 5]),
            "top": st.integers(1, 4),
        }
    ),
)
def test_leaderboard_agrees_with_python(
    written: MakeDataset, tasks: Tasks, asked: list[dict[str, Any]]
) -> None:
    columns = {"metric": "m", "param": ["Args/lr", "seed"], "also": "a/b"}
    with open_dataset(written(tasks)) as dataset:
        for one in asked:
            check_leaderboard(answer(dataset, "leaderboard", **columns, **one), tasks, **one)


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
    found = []
    for task in tasks:
        if has(task, "m"):
            points = finite(task, "m")
            value, iteration = best_of(points[-last:] if last else points, what)
            found.append((value, iteration, task))
    found.sort(
        key=lambda one: (
            one[0] is None,
            sign * (one[0] or 0.0),
            one[1] is None,
            one[1] or 0,
            one[2]["task_id"],
        )
    )
    assert [row["place"] for row in rows] == list(range(1, min(top, len(found)) + 1))
    for row, (value, iteration, task) in zip(rows, found, strict=False):
        assert same(row["value"], value)
        if what != "mean" or value is None:
            assert (row["task_id"], row["iteration"]) == (task["task_id"], iteration)
            given_params = {one["name"]: one["value"] for one in task["params"]}
            assert row["Args/lr"] == given_params.get("lr")
            assert row["Args/seed"] == given_params.get("seed")
            others = [(p, v) for m, _, p, v in task["points"] if m == "a/b"]
            others.sort(key=lambda one: (one[0] is not None, one[0] or 0))
            assert same(row["a/b/v"], others[-1][1] if others else None)
        assert row["n_tasks"] == len(found)


def groups_of(task: Mapping[str, Any], by: Sequence[str]) -> list[tuple[Any, ...]]:
    params = {f"param:Args/{one['name']}": one["value"] for one in task["params"]}
    tags = sorted(set(task["tags"])) or [None]
    return [
        tuple({"tag": tag, "project": task["project"]}.get(one, params.get(one)) for one in by)
        for tag in (tags if "tag" in by else [None])
    ]


@quickly
@given(
    tasks=histories(),
    asked=three(
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
    written: MakeDataset, tasks: Tasks, asked: list[dict[str, Any]]
) -> None:
    with open_dataset(written(tasks)) as dataset:
        for one in asked:
            check_group(answer(dataset, "group", metric="m", **one), tasks, **one)


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
    labels = [one.removeprefix("param:") for one in by]
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
            assert row["task_id"] == min(one for number, one in inside if number == winner)


def replicates(make_dataset: MakeDataset) -> Path:
    def task(letter: str, value: float, **params: str | None) -> dict[str, Any]:
        settings = [{"section": "Args", "name": n, "value": v} for n, v in params.items()]
        return {"task_id": letter * 32, "points": [("m", "v", 1, value)], "params": settings}

    return make_dataset(
        [
            task("a", 1.0, lr="0.1", seed="1", same="s"),
            task("b", 3.0, lr="0.1", seed="2", same="s"),
            task("c", 5.0, lr="it's", seed="1", same="s"),
            task("d", 7.0, seed="1", same="s"),
            task("e", NAN, lr=None, seed="9", same="s"),
            {"task_id": "0" * 32, "params": [{"section": "Args", "name": "x", "value": "1"}]},
        ]
    )


def test_replicates_differ_in_nothing_but_what_is_named(make_dataset: MakeDataset) -> None:
    rows = ask(replicates(make_dataset), "group", metric="m", best="lowest", by_all_except="seed")
    found = {r["parameters"]: (r["n"], r["n_tasks"], r["mean"], r["std"], r["best"]) for r in rows}
    assert found == {
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


def test_what_groups_and_columns_cannot_mean(make_dataset: MakeDataset) -> None:
    folder = replicates(make_dataset)
    with pytest.raises(UsageError, match=r"query leaderboard needs best: highest\|lowest"):
        ask(folder, "leaderboard", metric="m")
    with pytest.raises(NoSuchNameError, match="no by 'weak'; did you mean 'week'"):
        ask(folder, "group", metric="m", best="highest", by="weak")
    with pytest.raises(NoSuchNameError, match="no hyperparameter 'Args/lrr'; did you mean"):
        ask(folder, "group", metric="m", best="highest", by="param:Args/lrr")
    rows = ask(folder, "leaderboard", metric="m", best="lowest", param="Args/[ls]*", top=1)
    assert [rows[0][name] for name in ("Args/lr", "Args/same", "Args/seed")] == ["0.1", "s", "1"]


@quickly
@given(tasks=histories())
def test_compare_agrees_with_python(written: MakeDataset, tasks: Tasks) -> None:
    with open_dataset(written(tasks)) as dataset:
        for task in tasks[:-1][:2]:
            check_compare(dataset, [task, tasks[-1]])


def check_compare(dataset: Dataset, chosen: Tasks) -> None:
    rows = answer(dataset, "compare", tasks=[chosen[0]["task_id"][:32], "task " + "f" * 32])
    known = [{point[:3]: point[3] for point in task["points"]} for task in chosen]
    columns = [f"task {task['task_id']}" for task in chosen]
    assert {(r["metric"], r["variant"], r["iteration"]) for r in rows} == set(known[0]) & set(
        known[1]
    )
    for row in rows:
        point = (row["metric"], row["variant"], row["iteration"])
        for column, points in zip(columns, known, strict=True):
            assert same(row[column], points[point])
    texts = [{f"Args/{one['name']}": one["value"] for one in t["params"]} for t in chosen]
    missing = object()
    rows = answer(dataset, "compare", tasks=[t["task_id"] for t in chosen], params=True)
    assert [(r["parameter"], *(r[column] for column in columns)) for r in rows] == [
        (name, *(one.get(name) for one in texts))
        for name in sorted({*texts[0], *texts[1]})
        if texts[0].get(name, missing) != texts[1].get(name, missing)
    ]


def test_tasks_of_one_name_are_told_apart(make_dataset: MakeDataset) -> None:
    folder = make_dataset(
        [
            {"task_id": letter * 32, "name": name, "points": [("m", "v", None, 1.0)]}
            for letter, name in {"a": "metric", "b": "metric", "c": None, "d": "value"}.items()
        ]
    )
    (row,) = ask(folder, "compare", tasks=["aa", "b", "ccc", "value"])
    assert list(row) == [
        "metric",
        "variant",
        "iteration",
        "metric (aaaaaaaa)",
        "metric (bbbbbbbb)",
        "cccccccc",
        "value",
    ]
    with pytest.raises(
        UsageError, match=f"task 'metric' matches several tasks: {'a' * 32}, {'b' * 32}"
    ):
        ask(folder, "compare", tasks=["metric", "c"])
    with pytest.raises(UsageError, match="2 or more different tasks"):
        ask(folder, "compare", tasks=["aa", "aaa"])
    with pytest.raises(NoSuchNameError, match="no task 'valu'; did you mean 'value'"):
        ask(folder, "compare", tasks=["valu", "c"])


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
    for best, found in {"highest": (3.0, 2), "lowest": (2.0, 4)}.items():
        last = 4 if best == "highest" else 3
        (row,) = ask(folder, "leaderboard", metric="m", best=best, last=last)
        assert (row["value"], row["iteration"]) == found


def test_many_columns_are_made_in_one_go(make_dataset: MakeDataset) -> None:
    names = [f"p{number:03}" for number in range(300)]
    tasks = [
        {
            "task_id": letter * 32,
            "points": [("m", "v", 1, float(place))],
            "params": [
                {"section": "General", "name": name, "value": f"{letter}{name}"}
                for name in (names[place::place] if place else ())
            ],
        }
        for place, letter in enumerate("abc")
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        asked = {"metric": "m", "best": "lowest", "param": "*", "also": "m"}
        answer = dataset.query("leaderboard", **asked)
        rows = dataset.rows(answer).as_dicts()
    assert "FILTER" not in answer.sql_query()  # one a column would compare each row with each
    for place, row in enumerate(rows):
        have = {*names[place::place]} if place else set()
        expected = [f"{'abc'[place]}{name}" if name in have else None for name in names[1:]]
        assert [row[f"General/{name}"] for name in names[1:]] == expected
        assert row["m/v"] == place
