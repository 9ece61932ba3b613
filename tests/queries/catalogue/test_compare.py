"""`compare` against plain Python."""

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
    rows = answer(dataset, "compare", tasks=[chosen[0]["task_id"][:32], "task " + "f" * 32])
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
