"""``max``, ``min`` and ``last`` against the same answers computed in plain Python."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from tests.support.answers import ask

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
Point = tuple[str, str, int | None, float | None, int]
Answer = dict[tuple[str, str, str | None], list[tuple[float | None, int | None, int | None, str]]]

NAN, INF = math.nan, math.inf


def seconds(moment: Any) -> int | None:
    return None if moment is None else round(moment.timestamp() - 1767225600)


values = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 2.0, NAN, INF, -INF]),
    st.none(),
    st.floats(width=64),
)
iterations = st.one_of(st.integers(-3, 5), st.sampled_from([None, -(2**63), 2**63 - 1]))
names = st.sampled_from(["loss", "a/b", 'it\'s "quoted"', "🚀", ":monitor:gpu"])


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    tasks = []
    for number in range(draw(st.integers(1, 4))):
        points: dict[tuple[str, str, int | None], float | None] = draw(
            st.dictionaries(
                st.tuples(names, st.sampled_from(["train", "x/y"]), iterations), values, max_size=12
            )
        )
        times = draw(st.lists(st.integers(0, 9), min_size=len(points), max_size=len(points)))
        tasks.append(
            {
                "task_id": f"{number:032x}",
                "project_id": draw(st.sampled_from([None, "a" * 32, "b" * 32])),
                "points": [(*k, v, t) for (k, v), t in zip(points.items(), times, strict=True)],
            }
        )
        tasks[-1]["project"] = tasks[-1]["project_id"] and f"team/{tasks[-1]['project_id'][0]}"
    return tasks


def order(point: Point, name: str) -> Any:
    """Sort the best point of one series first."""
    _, _, iteration, value, _ = point
    assert value is not None
    known = (iteration is None, iteration or 0)
    if name == "last":
        return (iteration is None, -(iteration or 0))
    return (-value if name == "max" else value, *known)


def rank(best_of_task: tuple[float, int | None, int, str], name: str) -> Any:
    """Sort the best task first."""
    value, iteration, second, task_id = best_of_task
    if name == "last":
        return (-second, iteration is None, -(iteration or 0), task_id)
    return (-value if name == "max" else value, iteration is None, iteration or 0, task_id)


def expected(
    tasks: Iterable[Mapping[str, Any]], name: str, by: str, top: int
) -> tuple[Answer, dict[Any, tuple[int, int, int, int]]]:
    """Compute the answers, and the counts (tasks, points, non-finite, null), by group."""
    series: dict[tuple[str, str, str], list[Point]] = {}
    part_of = {
        t["task_id"]: {"task": t["task_id"], "project": t["project"], "variant": None}[by]
        for t in tasks
    }
    for task in tasks:
        for point in task["points"]:
            series.setdefault((point[0], point[1], task["task_id"]), []).append(point)
    answers: Answer = {}
    counts: dict[Any, tuple[int, int, int, int]] = {}
    for (metric, variant, task_id), points in series.items():
        if metric.startswith(":monitor:"):
            continue
        group = (metric, variant, part_of[task_id])
        numbers = [p for p in points if p[3] is not None]
        finite = [p for p in numbers if p[3] is not None and math.isfinite(p[3])]
        before = counts.get(group, (0, 0, 0, 0))
        more = (1, len(points), len(numbers) - len(finite), len(points) - len(numbers))
        counts[group] = tuple(map(sum, zip(before, more, strict=True)))  # type: ignore[assignment]  # four of them
        answers.setdefault(group, [])
        if finite:
            best = min(finite, key=lambda point: order(point, name))
            answers[group].append((best[3], best[2], best[4], task_id))
    for group, best_tasks in answers.items():
        best_tasks.sort(key=lambda f: rank(f, name))  # type: ignore[arg-type]  # none of them is None
        answers[group] = best_tasks[:top]
    return answers, counts


@settings(max_examples=14)
@given(
    tasks=histories(),
    by=st.sampled_from(["variant", "task", "project"]),
    top=st.integers(1, 3),
)
def test_agrees_with_python(
    written: MakeDataset, tasks: list[dict[str, Any]], by: str, top: int
) -> None:
    top = 1 if by == "task" else top  # more would be refused
    with open_dataset(written(tasks)) as dataset:
        for name in ("max", "min", "last"):
            rows = dataset.rows(dataset.query(name, by=by, top=top)).as_dicts()
            check(rows, tasks, name, by, top)


def check(
    rows: list[dict[str, Any]], tasks: list[dict[str, Any]], name: str, by: str, top: int
) -> None:
    answers, counts = expected(tasks, name, by, top)
    answer: Answer = {group: [] for group in answers}
    part = {"task": "task_id", "project": "project", "variant": "none"}[by]
    for row in rows:
        group = (row["metric"], row["variant"], row.get(part))
        assert (row["n_tasks"], row["n_points"], row["n_nonfinite"], row["n_null"]) == counts[group]
        if row["value"] is None:
            assert not answers[group]
            assert (row["iteration"], row["timestamp"]) == (None, None)
        else:
            at = (row["value"], row["iteration"], seconds(row["timestamp"]), row["task_id"])
            answer[group].append(at)
    assert answer == answers
    assert {(r["metric"], r["variant"], r.get(part)) for r in rows} == set(answers)


def odd(make_dataset: MakeDataset) -> Path:
    return make_dataset(
        [
            {
                "task_id": "a" * 32,
                "name": "it's 'a' \"task\" 🚀\nx",
                "project_id": "1" * 32,
                "project": "team/ünï=x",
                "status": "in_progress",
                "web_url": "https://app/a",
                "points": [
                    ("loss", "train", 0, NAN),
                    ("loss", "train", 1, INF),
                    ("loss", "train", 2, 5.0),
                    ("loss", "train", 3, None),
                    ("loss", "train", 7, 5.0),
                    ("only nan", "v", 1, NAN),
                    ("final", "v", None, 0.9),
                    (":monitor:gpu", "mem", 1, 99.0),
                ],
            },
            {
                "task_id": "b" * 32,
                "archived": True,
                "points": [("loss", "train", 2, 5.0), ("loss", "val", 1, -1.0)],
            },
            {"task_id": "c" * 32},
        ]
    )


def test_a_row_has_everything(make_dataset: MakeDataset) -> None:
    (row,) = ask(odd(make_dataset), "max", metric="loss/train")
    assert seconds(row.pop("timestamp")) == 2
    assert row == {
        "metric": "loss",
        "variant": "train",
        "value": 5.0,
        "iteration": 2,
        "task": "it's 'a' \"task\" 🚀\nx",
        "task_id": "a" * 32,
        "project": "team/ünï=x",
        "status": "in_progress",
        "web_url": "https://app/a",
        "archived": False,
        "n_tasks": 2,
        "n_points": 6,
        "n_nonfinite": 2,
        "n_null": 1,
    }


def test_single_values_take_part_without_an_iteration(make_dataset: MakeDataset) -> None:
    for name in ("max", "min", "last"):
        (row,) = ask(odd(make_dataset), name, metric="final")
        assert (row["value"], row["iteration"]) == (0.9, None)


def test_a_metric_of_nan_only_has_a_row_without_a_value(make_dataset: MakeDataset) -> None:
    for name in ("max", "min", "last"):
        (row,) = ask(odd(make_dataset), name, metric="only nan", suspect_zeros="exclude")
        assert (row["value"], row["n_nonfinite"], row["n_points"]) == (None, 1, 1)


def test_monitor_metrics_are_hidden_unless_named(make_dataset: MakeDataset) -> None:
    folder = odd(make_dataset)
    assert {r["metric"] for r in ask(folder, "max")} == {"loss", "only nan", "final"}
    assert ":monitor:gpu" in {r["metric"] for r in ask(folder, "max", all_metrics=True)}
    assert [r["value"] for r in ask(folder, "max", metric=":monitor:gpu")] == [99.0]
    assert [r["value"] for r in ask(folder, "max", metric=["final", ":mon*"])] == [99.0, 0.9]
    assert [r["value"] for r in ask(folder, "max", variant="mem", all_metrics=True)] == [99.0]


def test_last_ends_at_the_last_finite_value(make_dataset: MakeDataset) -> None:
    folder = make_dataset(
        [
            {"task_id": "a" * 32, "points": [("m", "v", 1, 1.0, 5), ("m", "v", 2, NAN, 9)]},
            {"task_id": "b" * 32, "points": [("m", "v", 9, 2.0, 4), ("m", "v", None, 3.0, 8)]},
        ]
    )
    (row,) = ask(folder, "last")
    assert (row["value"], row["iteration"], row["task_id"][0]) == (1.0, 1, "a")


def test_archived_count_unless_filtered(make_dataset: MakeDataset) -> None:
    folder = odd(make_dataset)
    assert [r["archived"] for r in ask(folder, "max", metric="loss/val")] == [True]
    assert ask(folder, "max", TaskFilter(archived="exclude"), metric="loss/val") == []


def test_unknown_names_are_errors_with_near_matches(make_dataset: MakeDataset) -> None:
    folder = odd(make_dataset)
    with pytest.raises(NoSuchNameError, match="no metric 'los'; did you mean 'loss'"):
        ask(folder, "max", metric="los")
    with pytest.raises(NoSuchNameError, match="no variant 'trai'; did you mean 'train'"):
        ask(folder, "max", metric="loss", variant="trai")
    with pytest.raises(NoSuchNameError, match="no query 'maxx'; did you mean 'max'"):
        ask(folder, "maxx")
    with pytest.raises(NoSuchNameError, match="no `by` 'tasks'; did you mean 'task'"):
        ask(folder, "max", by="tasks")
    with pytest.raises(UsageError, match="no parameter 'metrics'; it has metric, variant"):
        ask(folder, "max", metrics="loss")
    with pytest.raises(UsageError, match="`top=0`: use"):
        ask(folder, "max", top=0)
    with pytest.raises(UsageError, match="omit `by`"):
        ask(folder, "max", by="task", top=2)


def test_an_empty_dataset_answers_with_nothing(make_dataset: MakeDataset) -> None:
    folder = make_dataset([])
    for name in ("max", "min", "last"):
        assert ask(folder, name) == []
        assert ask(folder, name, suspect_zeros="exclude", by="project", top=3) == []
    with pytest.raises(NoSuchNameError, match=r"no metric 'loss'; there are none.*not read yet"):
        ask(folder, "max", metric="loss")
