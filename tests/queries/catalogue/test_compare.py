"""`compare` against plain Python."""

from decimal import Decimal
from math import isfinite
from typing import Any

import pytest
from hypothesis import given

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries import Dataset, open_dataset
from tests.support.answers import ask
from tests.support.chosen import MakeDataset, Tasks, answer, histories, quickly, same


@quickly
@given(tasks=histories())
def test_compare_agrees_with_python(written: MakeDataset, tasks: Tasks) -> None:
    with open_dataset(written(tasks)) as dataset:
        for task in tasks[:-1][:2]:
            check_compare(dataset, [task, tasks[-1]])


def check_compare(dataset: Dataset, chosen: Tasks) -> None:
    rows = answer(
        dataset, "compare", tasks=[chosen[0]["task_id"][:32], "task " + "f" * 32], steps=True
    )
    series = [{point[:3]: point[3] for point in task["points"]} for task in chosen]
    columns = [f"task {task['task_id']}" for task in chosen]
    assert {(r["metric"], r["variant"], r["iteration"]) for r in rows} == set(series[0]) & set(
        series[1]
    )
    for row in rows:
        point = (row["metric"], row["variant"], row["iteration"])
        for column, points in zip(columns, series, strict=True):
            assert same(row[column], points[point])
    texts = [{f"Args/{param['name']}": param["value"] for param in t["params"]} for t in chosen]
    missing = object()
    rows = answer(dataset, "compare", tasks=[t["task_id"] for t in chosen], params=True)
    assert [(r["parameter"], *(r[column] for column in columns)) for r in rows] == [
        (name, *(texts_of.get(name) for texts_of in texts))
        for name in sorted({*texts[0], *texts[1]})
        if texts[0].get(name, missing) != texts[1].get(name, missing)
    ]


@quickly
@given(tasks=histories())
def test_final_values_agree_with_python(written: MakeDataset, tasks: Tasks) -> None:
    with open_dataset(written(tasks)) as dataset:
        for task in tasks[:-1][:2]:
            check_finals(dataset, [task, tasks[-1]])


Points = dict[int | None, float | None]


def check_finals(dataset: Dataset, chosen: Tasks) -> None:
    rows = answer(dataset, "compare", tasks=[task["task_id"] for task in chosen])
    columns = [f"task {task['task_id']}" for task in chosen]
    series: list[dict[tuple[str, str], Points]] = []
    for task in chosen:
        points: dict[tuple[str, str], Points] = {}
        for metric, variant, iteration, value in task["points"]:
            points.setdefault((metric, variant), {})[iteration] = value
        series.append(points)
    expected = []
    for key in sorted({*series[0], *series[1]}):
        both = [points.get(key, {}) for points in series]
        expected += [(*key, point, *cells) for point, cells in finals(both)]
    got = [
        (r["metric"], r["variant"], r["point"], r["iteration"], r["iterations"], r["differ_at"])
        for r in rows
    ]
    assert got == [each[:6] for each in expected]
    for row, (*_, values) in zip(rows, expected, strict=True):
        assert all(same(row[c], value) for c, value in zip(columns, values, strict=True))
        missing = None in values
        assert (row["difference"] is None) == missing
        if not missing:
            assert same(row["difference"], decimal_difference(values[1], values[0]))


def decimal_difference(value: float, other: float) -> float:
    """Subtract the decimals that stand for two doubles."""
    if not (isfinite(value) and isfinite(other)):
        return value - other
    return float(Decimal(repr(value)) - Decimal(repr(other)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.6, 0.9), 0.3),
        ((0.1, 0.3, 0.8), 0.7),
        ((3e-5, 1e-5), -2e-5),
        ((0.5, 0.5), 0.0),
        ((1e20, 1.5), 1.5 - 1e20),
        ((-9e9, 9e9), 1.8e10),
        ((1e-30, 2e-30), 1e-30),
    ],
)
def test_a_difference_is_that_of_the_decimals(
    make_dataset: MakeDataset, values: tuple[float, ...], expected: float
) -> None:
    """That of the doubles has noise: 0.9 - 0.6 is 0.30000000000000004."""
    tasks = [
        {"task_id": letter * 32, "points": [("acc", "v", 1, value)]}
        for letter, value in zip("abc", values, strict=False)
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        [row] = answer(dataset, "compare", tasks=[task["task_id"] for task in tasks])
    assert repr(row["difference"]) == repr(expected)


def finals(both: list[Points]) -> list[tuple[str, tuple[Any, ...]]]:
    """Compute the rows of one metric: which point, iteration, iterations, differ_at, values."""
    common = sorted(i for i in {*both[0]} & {*both[1]} if i is not None)
    differ = [i for i in common if not same(both[0][i], both[1][i])]
    differ_at = differ[0] if differ else None

    def row(point: str, at: list[int | None]) -> tuple[str, tuple[Any, ...]]:
        values = [points.get(i) for points, i in zip(both, at, strict=True)]
        known = {i for i in at if i is not None}
        one = next(iter(known)) if len(known) == 1 else None
        return point, (one, list(at) if len(known) > 1 else None, differ_at, values)

    ends = [max((i for i in points if i is not None), default=None) for points in both]
    rows = [row("end", ends)]
    if None not in ends and ends[0] != ends[1]:
        if common:
            rows.append(row("common", [common[-1]] * 2))
        else:
            target = min(end for end in ends if end is not None)
            nearest = [
                min((abs(i - target), i) for i in points if i is not None)[1] for points in both
            ]
            rows.append(row("nearest", [*nearest]))
    return rows


def test_more_than_two_tasks_have_a_spread(make_dataset: MakeDataset) -> None:
    folder = make_dataset(
        [
            {
                "task_id": letter * 32,
                "points": [("m", "v", i, value + i) for i in range(3)],
                "params": [{"section": "Args", "name": "lr", "value": lr}],
            }
            for letter, value, lr in (("a", 1.0, "1e-3"), ("b", 4.0, "0.001"), ("c", 2.5, "0.1"))
        ]
    )
    (row,) = ask(folder, "compare", tasks=["aa", "b", "ccc"])
    assert (row["point"], row["difference"], row["iteration"]) == ("end", 3.0, 2)
    assert row["differ_at"] == 0
    (row,) = ask(folder, "compare", tasks=["aa", "b", "ccc"], params=True)
    assert row["parameter"] == "Args/lr"
    assert ask(folder, "compare", tasks=["aa", "b"], params=True) == [], "one number, two spellings"


def test_tasks_of_one_name_are_distinguished(make_dataset: MakeDataset) -> None:
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
        "point",
        "metric (aaaaaaaa)",
        "metric (bbbbbbbb)",
        "cccccccc",
        "value",
        "difference",
        "iteration",
        "iterations",
        "differ_at",
    ]
    with pytest.raises(UsageError, match=r"task 'metric' matches 2 tasks: aaaaaaaa.*, bbbbbbbb"):
        ask(folder, "compare", tasks=["metric", "c"])
    with pytest.raises(UsageError, match="2 or more different tasks"):
        ask(folder, "compare", tasks=["aa", "aaa"])
    with pytest.raises(NoSuchNameError, match="no task 'valu'; did you mean 'value'"):
        ask(folder, "compare", tasks=["valu", "c"])
