"""The query wide against plain Python, on random and on nasty histories."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.queries.ask.best import guess
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.notes.suspect_zeros import notes
from tests.support.answers import ask, opened
from tests.support.nasty import NAN, nasty, series

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

INF = math.inf


def ragged(seed: int) -> list[dict[str, Any]]:
    """Return tasks whose metrics have points at different iterations, some without a value."""
    rng = random.Random(seed)
    return [
        {
            "task_id": f"{number:032x}",
            "name": rng.choice([None, "run", "other"]),
            "points": [
                (metric, variant, at, rng.choice([None, NAN, INF, rng.uniform(-5, 5), 1.0]), 0)
                for metric, variant in (("loss", "v"), ("a/b", "c"), ("a", "b/c"), ("A", "b/c"))
                for at in sorted(rng.sample(range(-20, 60), rng.randint(0, 12)))
                + rng.choice([[], [None]])
            ],
        }
        for number in range(4)
    ]


def filled(points: Mapping[int, float | None], at: int, fill: str, most: float) -> float | None:
    """Look a cell up as the header of the query says."""
    if fill == "exact" or points.get(at) is not None:
        return points.get(at)
    known = [it for it, v in points.items() if v is not None and (fill == "nearest" or it < at)]
    near = [it for it in known if abs(it - at) <= most]
    return points[min(near, key=lambda it: (abs(it - at), it))] if near else None


def expected(
    tasks: Sequence[Mapping[str, Any]], fill: str, tolerance: int | None
) -> dict[tuple[str, int | None], dict[tuple[str, str], Any]]:
    """Give the cells of each row that are not NULL."""
    rows: dict[tuple[str, int | None], dict[tuple[str, str], Any]] = {}
    curves: dict[str, dict[tuple[str, str], dict[int | None, float | None]]] = {}
    for (metric, variant, task_id), points in series(tasks):
        by_iteration = {p.iteration: p.value for p in points}
        curves.setdefault(task_id, {})[metric, variant] = by_iteration
    most = INF if tolerance is None else tolerance
    for task_id, each in curves.items():
        for at in {at for values in each.values() for at in values}:
            row = rows.setdefault((task_id, at), {})
            for name, values in each.items():
                numbered = {k: v for k, v in values.items() if k is not None}
                value = values.get(None) if at is None else filled(numbered, at, fill, most)
                if value is not None:
                    row[name] = repr(value)
    return rows


def answered(
    folder: Path, tasks: Sequence[Mapping[str, Any]], **typed: Any
) -> dict[tuple[str, int | None], dict[tuple[str, str], Any]]:
    names = sorted({key[:2] for key, _ in series(tasks)})
    rows = ask(folder, "wide", **typed)
    keys = ("task", "task_id", "iteration")
    columns = [column for column in (rows[0] if rows else {}) if column not in keys]
    assert len(columns) == len(names), "no two names share a column"
    cells = dict(zip(names, columns, strict=True))
    found = {
        (row["task_id"], row["iteration"]): {
            name: repr(row[column]) for name, column in cells.items() if row[column] is not None
        }
        for row in rows
    }
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize(
    ("fill", "tolerance"),
    [("exact", None), *((fill, most) for fill in ("last", "nearest") for most in (None, 0, 3))],
)
@pytest.mark.parametrize("seed", [0, 1, 2, None])
def test_cells_are_those_of_plain_python(
    make_dataset: MakeDataset, seed: int | None, fill: str, tolerance: int | None
) -> None:
    tasks = nasty() if seed is None else ragged(seed)
    found = answered(make_dataset(tasks), tasks, fill=fill, tolerance=tolerance)
    assert found == expected(tasks, fill, tolerance)


def test_names_that_read_alike_are_columns_of_their_own(make_dataset: MakeDataset) -> None:
    pairs = [("a/b", "c"), ("a", "b/c"), ("A", "b/c"), ("task", "x"), ("x", "'\"--")]
    task = {"task_id": "1" * 32, "points": [(*pair, 1, at) for at, pair in enumerate(pairs)]}
    [row] = ask(make_dataset([task]), "wide")
    assert list(row)[3:] == ["A / b/c (case 1)", "a / b/c (case 2)", "a/b / c", "task/x", "x/'\"--"]
    assert list(row.values())[3:] == [2.0, 1.0, 0.0, 3.0, 4.0]


def test_a_row_per_task_has_what_its_columns_say(make_dataset: MakeDataset) -> None:
    tasks = nasty()
    folder = make_dataset(tasks)
    rows = {row["task_id"]: row for row in ask(folder, "wide", per="task")}
    assert {*rows} == {task["task_id"] for task in tasks}
    for (metric, variant, task_id), points in series(tasks):
        finite = [p.value for p in points if p.value is not None and math.isfinite(p.value)]
        how = {"highest": "max", "lowest": "min", None: "last"}[guess(metric, variant)]
        value = rows[task_id][f"{metric}/{variant} ({how})"]
        if how == "last":
            numbered = [p for p in points if p.iteration is not None] or points
            assert repr(value) == repr(numbered[-1].value)
        else:
            choose = max if how == "max" else min
            assert value == (choose(finite) if finite else None)
    assert repr(rows["1" * 32]["Args/lr"]) == "0.1"
    assert repr(rows["1" * 32]["Args/seed"]) == "1"
    assert (rows["1" * 32]["a/b / lr"], rows["2" * 32]["a / b/lr"]) == ("x", "y")


def test_a_row_per_task_is_one_that_has_a_selected_metric(make_dataset: MakeDataset) -> None:
    params = [{"section": "Args", "name": "lr", "value": "1"}]
    tasks: list[dict[str, Any]] = [
        {"task_id": "1" * 32, "points": [("m", "v", 1, 0.5)], "params": params},
        {"task_id": "2" * 32, "points": [("other", "v", 1, 0.5)], "params": params},
        {"task_id": "3" * 32, "points": [], "params": params},
    ]
    folder = make_dataset(tasks)
    assert [row["task_id"] for row in ask(folder, "wide", per="task", metric="m")] == ["1" * 32]
    assert len(ask(folder, "wide", per="task")) == 3


def test_a_hyperparameter_and_a_metric_of_one_name_stay_apart(make_dataset: MakeDataset) -> None:
    task = {
        "task_id": "1" * 32,
        "points": [("Args", "lr", 1, 0.5)],
        "params": [{"section": "Args", "name": "lr", "value": "7", "type": "int"}],
    }
    folder = make_dataset([task])
    [row] = ask(folder, "wide", per="task", best="max")
    assert (row["Args/lr"], row["Args/lr (max)"]) == (7, 0.5)
    [row] = ask(folder, "wide", per="task", best="lowest", param=["Args/lr"])
    assert row["Args/lr (min)"] == 0.5


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        (["16", "128", "-3", None], [16, 128, -3, None]),
        (["1e-3", "0.001", "16", "+5."], [0.001, 0.001, 16.0, 5.0]),
        (["999999999999999", "0"], [999999999999999, 0]),
        (["0.0", "-0", "0e9"], [0.0, -0.0, 0.0]),
        (["007", "8"], None),
        (["12345678901234567890", "8"], None),
        (["0.12345678901234567", "8"], None),
        (["nan", "8"], None),
        (["inf", "8"], None),
        (["True", "1"], None),
        (["", "1"], None),
        ([" 1", "1"], None),
        (["1e-400", "1"], None),
        (["1e400", "1"], None),
        (["0x10", "1"], None),
        (["1_000", "1"], None),
        (["１２", "1"], None),
        ([None, None], None),
    ],
    ids=repr,
)
def test_a_hyperparameter_of_numbers_is_a_column_of_numbers(
    make_dataset: MakeDataset, typed: Sequence[str | None], numbers: Sequence[float | None] | None
) -> None:
    """And no other: whatever its texts are, none of them changes."""
    tasks = [
        {
            "task_id": f"{number:032x}",
            "name": f"{number:02}",
            "params": [{"section": "Args", "name": "p", "value": value, "type": ""}],
        }
        for number, value in enumerate(typed)
    ]
    rows = ask(make_dataset(tasks), "wide", per="task")
    expected_cells = typed if numbers is None else numbers
    assert list(map(repr, (row["Args/p"] for row in rows))) == list(map(repr, expected_cells))


def test_parts_of_rows_per_task_are_larger() -> None:
    """Rows per task are made of the table of series."""
    shard = find("wide").shard
    assert shard is not None
    sizes = [shard.most_for({"per": per}, 1_000_000) for per in (None, "step", "task")]
    assert sizes == [300_000, 300_000, 3_000_000]


def test_two_thousand_metrics(make_dataset: MakeDataset) -> None:
    points = [(f"m{at:04}", "v", step, float(at)) for at in range(2000) for step in (1, 2)]
    folder = make_dataset([{"task_id": "1" * 32, "points": points}])
    first, second = ask(folder, "wide")
    assert list(first)[3:] == [f"m{at:04}/v" for at in range(2000)]
    assert list(second.values())[3:] == [float(at) for at in range(2000)]


def test_a_suspect_zero_can_be_left_out(make_dataset: MakeDataset) -> None:
    values = [5.1, 5.2, 5.15, 5.3, 0.0, 5.25, 5.1, 5.3, 5.2, 5.22, 5.18, 5.21]
    points = [("score", "v", at, value) for at, value in enumerate(values)]
    folder = make_dataset([{"task_id": "1" * 32, "points": points}])
    rows = ask(folder, "wide", suspect_zeros="exclude")
    assert [row["score/v"] for row in rows] == [value for value in values if value]
    [row] = ask(folder, "wide", per="task", best="min", suspect_zeros="exclude")
    assert row["score/v (min)"] == 5.1


def test_a_note_names_the_suspect_zeros_that_are_shown(make_dataset: MakeDataset) -> None:
    """With a row per task, of a series that has some at all only those that are its value."""
    values = [5.1, 5.2, 5.15, 5.3, 0.0, 5.25, 5.1, 5.3, 5.2, 5.22, 5.18, 5.21]
    points = [
        (metric, "v", at, value)
        for metric in ("accuracy", "loss", "score")
        for at, value in enumerate(values)
    ]
    dataset = opened(make_dataset([{"task_id": "1" * 32, "points": points}]))
    query = find("wide")

    def named(**typed: Any) -> list[str]:
        values = dataset.bound(query, **typed)
        rows = dataset.rows(dataset.ask(query, values))
        return [line.split("/")[0].split()[-1] for line in notes(dataset, query, values, rows)]

    assert named() == ["accuracy", "loss", "score"]
    assert named(per="task") == ["loss"]
    assert named(per="task", best="min") == ["accuracy", "loss", "score"]
    assert named(per="task", best="min", metric="score") == ["score"]
    assert named(per="task", best="max") == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"tolerance": 3}, "--tolerance needs --fill last or --fill nearest"),
        ({"tolerance": -1, "fill": "last"}, "--tolerance -1: use a number of iterations"),
        ({"fill": "previous"}, "--fill"),
        ({"best": "max"}, "--best needs --per task"),
        ({"param": "Args/lr"}, "--param needs --per task"),
        ({"per": "task", "fill": "last"}, "--fill needs rows per step; omit --per task"),
        ({"per": "task", "tolerance": 3}, "--tolerance needs rows per step; omit --per task"),
    ],
)
def test_what_is_typed_wrongly(
    make_dataset: MakeDataset, typed: Mapping[str, Any], message: str
) -> None:
    with naming_options(), pytest.raises(UsageError, match=message):
        opened(make_dataset(nasty())).query("wide", **typed)
