"""``health``: each kind finds what its rule describes, and nothing that is healthy."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError
from tests.support import answers

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
Series = dict[int, tuple[float | None, int]]
"""Iteration -> value and second."""
NAN = math.nan
START = datetime(2026, 1, 1, tzinfo=UTC)


def ask(folder: Path, **typed: Any) -> list[dict[str, Any]]:
    return answers.ask(folder, "health", **typed)


def kinds(make_dataset: MakeDataset, *tasks: Mapping[str, Any], **typed: Any) -> set[Any]:
    """Give kind, first letter of the task, and iteration of every finding."""
    rows = ask(make_dataset(tasks), **typed)
    return {(row["kind"], row["task_id"][0], row["iteration"]) for row in rows}


def task(letter: str, values: Sequence[float | None] = (), **more: Any) -> dict[str, Any]:
    points = [("m", "it's 🚀", at, value) for at, value in enumerate(values)]
    return {"task_id": letter * 32, "points": points, **more}


FALLING = [10.0 - 0.3 * at for at in range(20)]


def test_a_healthy_history_has_no_findings(make_dataset: MakeDataset) -> None:
    rising = [0.01 * at for at in range(20)]
    assert kinds(make_dataset, task("a", FALLING), task("b", rising), task("c")) == set()
    assert ask(make_dataset([])) == []


def test_tasks_that_failed_stopped_or_were_not_read(make_dataset: MakeDataset) -> None:
    day = timedelta(days=1)
    old, new = {"last_update": START - day * 3}, {"last_update": START}
    running = {"status": "in_progress"}
    tasks = (
        task("a", FALLING, status="failed", status_message="it's\nout of memory"),
        task("b", FALLING, **running, **old),
        task("c", FALLING, **running, **new),
        task("d", FALLING, state="partial", reason="page 2", **old),
    )
    assert kinds(make_dataset, *tasks) == {
        ("failed", "a", None),
        ("stale", "b", None),
        ("unread", "d", None),
    }
    assert kinds(make_dataset, *tasks, stale_hours=100.0, kind=["stale", "failed"]) == {
        ("failed", "a", None)
    }
    (row,) = ask(make_dataset(tasks), kind="unread")
    assert (row["severity"], row["detail"]) == ("high", "partial: page 2")


def test_short_is_relative_to_the_project(make_dataset: MakeDataset) -> None:
    long = [task(letter, FALLING) for letter in "abc"]
    short = task("d", FALLING[:2])
    monitored = {"task_id": "e" * 32, "points": [(":monitor:gpu", "v", 900, 1.0)]}
    assert kinds(make_dataset, *long, short, monitored) == {
        ("short", "d", None),
        ("short", "e", None),
    }
    assert kinds(make_dataset, *long[:2], short) == set()


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ([*FALLING[:5], 50.0, *FALLING[6:]], ("spike", "a", 5)),
        ([*FALLING, 500.0], ("diverged", "a", 20)),
        ([*FALLING, NAN], ("diverged", "a", 20)),
        ([*FALLING[:5], NAN, *FALLING[6:]], ("nonfinite", "a", None)),
        ([*FALLING[:5], None, *FALLING[6:]], ("nonfinite", "a", None)),
        ([*FALLING[:5], 0.0, *FALLING[6:]], ("zero", "a", 5)),
        ([5.0, 4.0, 3.0, *([3.5, 3.2] * 9)], ("plateau", "a", 2)),
    ],
)
def test_curves(make_dataset: MakeDataset, values: list[Any], finding: Any) -> None:
    kind = finding[0]
    assert finding in kinds(make_dataset, task("a", values), metric="m")
    assert kinds(make_dataset, task("a", values), metric="m", kind=kind) == {finding}


FLAT = [5.0, 4.0, 3.0, *([3.5, 3.2] * 9)]


def test_a_plateau_is_one_of_a_metric_that_can_be_better(make_dataset: MakeDataset) -> None:
    """A learning rate and the time of an epoch do not improve, unless the user says so."""
    names = ("loss", "val_acc", "learning_rate", "epoch_time")
    points = [(name, "v", at, value) for name in names for at, value in enumerate(FLAT)]
    folder = make_dataset([{"task_id": "a" * 32, "points": points}])

    def flat(**typed: Any) -> list[str]:
        return [row["metric"] for row in ask(folder, **typed) if row["kind"] == "plateau"]

    assert flat() == flat(kind="plateau") == ["loss", "val_acc"]
    assert flat(metric="*") == sorted(names)
    assert flat(plateau_metric="learning_rate") == ["learning_rate"]
    assert flat(plateau_metric="learning_rate", metric="loss") == []
    assert flat(kind="gap") == []


def detail(folder: Path, kind: str) -> str:
    (row,) = ask(folder, kind=kind, metric="m")
    return str(row["detail"])


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (
            "spike",
            [at / 30 + 0.2 * (at % 2) + (5 if at == 8 else 0) for at in range(30)],
            "the largest jump is 4.767, the usual one 0.2333",
        ),
        (
            "diverged",
            [*FALLING, 1e5 / 3],
            "the last value is 33333; half of all values are between 5.8 and 8.8",
        ),
        (
            "diverged",
            [*FALLING, NAN],
            "the last value is NaN; half of all values are between 5.725 and 8.575",
        ),
        (
            "diverged",
            [*FALLING, -math.inf],
            "the last value is -Infinity; half of all values are between 5.725 and 8.575",
        ),
        (
            "diverged",
            [*FALLING, 0.0],
            "the last value, 0, is probably a NaN; half of all values are between 5.725 and 8.575",
        ),
        ("nonfinite", [*FALLING, NAN, None], "NaN, infinite or missing: 2 of 22 values"),
        ("zero", [1 / 3 + 1, 1.5, 0.0, 4 / 3, 1.5], "between 1.5 and 1.333"),
        ("zero", [1.5, 1.4, 4 / 3, 0.0, 0.0], "after 1.333, to the end"),
        (
            "plateau",
            FLAT,
            "no new highest or lowest value in the last 90 % of the iterations (0.01 hours)",
        ),
    ],
)
def test_details_are_sentences_with_a_few_digits(
    make_dataset: MakeDataset, kind: str, values: list[float | None], expected: str
) -> None:
    assert detail(make_dataset([task("a", values)]), kind) == expected


def test_details_about_iterations(make_dataset: MakeDataset) -> None:
    def folder(*points: tuple[int, int]) -> Path:
        listed = [("m", "v", at, 1.0, second) for at, second in points]
        return make_dataset([{"task_id": "a" * 32, "points": listed}])

    gap = folder(*((at, at) for at in (1, 2, 3, 4, 90, 91)))
    assert detail(gap, "gap") == "the largest step is 86 iterations, the usual one 1"
    offset = folder((1000, 0), (1001, 1), (1004, 2))
    assert detail(offset, "offset") == "begins at iteration 1000 and ends at 1004"
    backwards = folder((1, 5), (2, 3))
    assert detail(backwards, "backwards") == "its time is earlier than at the iteration before"


def test_a_short_task_is_compared_with_its_project(make_dataset: MakeDataset) -> None:
    lengths = {"a": 490, "b": 489, "c": 488, "d": 489, "e": 3}
    tasks = [
        {"task_id": letter * 32, "points": [("m", "v", at, 1.0) for at in (0, length)]}
        for letter, length in lengths.items()
    ]
    (row,) = ask(make_dataset([*tasks, {"task_id": "f" * 32}]), kind="short")[:1]
    assert row["detail"] == "the last iteration is 3; the median of its project is 489"


def test_a_constant_is_not_a_plateau(make_dataset: MakeDataset) -> None:
    assert kinds(make_dataset, task("a", [3.0] * 30)) == set()


def test_a_resumed_task_begins_far_from_zero(make_dataset: MakeDataset) -> None:
    points = [("m", "v", 1000 + at, 1.0 + at) for at in range(5)]
    assert kinds(make_dataset, {"task_id": "a" * 32, "points": points}) == {("offset", "a", 1000)}


def test_metrics_are_chosen_as_in_max(make_dataset: MakeDataset) -> None:
    broken = [("m", "v", 1, NAN), (":monitor:gpu", "v", 1, NAN)]
    folder = make_dataset([{"task_id": "a" * 32, "points": broken}])
    assert {row["metric"] for row in ask(folder, kind="nonfinite")} == {"m"}
    assert {r["metric"] for r in ask(folder, kind="nonfinite", metric=":mon*")} == {":monitor:gpu"}
    with pytest.raises(NoSuchNameError, match="no `kind` 'spikes'; did you mean 'spike'"):
        ask(folder, kind="spikes")


iterations = st.one_of(st.integers(-4, 60), st.sampled_from([-(2**63), 2**63 - 1]))
values = st.one_of(st.integers(-50, 50).map(float), st.sampled_from([NAN, math.inf, 1e300]))


@settings(max_examples=6)
@given(
    several=st.lists(
        st.dictionaries(
            iterations, st.tuples(st.one_of(values, st.none()), st.integers(0, 30)), max_size=25
        ),
        min_size=8,
        max_size=8,
    )
)
def test_steps_agree_with_python(written: MakeDataset, several: list[Series]) -> None:
    """Eight series per dataset: writing and querying one is what takes time."""
    points: list[tuple[Any, ...]] = []
    for number, series in enumerate(several):
        name = ("m", f"v{number}")
        points += [(*name, at, value, second) for at, (value, second) in series.items()]
        points.append((*name, None, 1.0))
    rows = ask(
        written([{"task_id": "a" * 32, "points": points}]),
        kind=["gap", "backwards", "spike"],
        spike_factor=3.0,
    )
    for number, series in enumerate(several):
        of_it = [row for row in rows if row["variant"] == f"v{number}"]
        assert {row["kind"]: (row["iteration"], row["n"]) for row in of_it} == steps(series)


def steps(series: Series) -> dict[str, tuple[int, int]]:
    """Give the first iteration and the number of what each kind finds."""
    order = sorted(series)
    neighbours = list(itertools.pairwise(order))
    usual = statistics.median([b - a for a, b in neighbours]) if neighbours else 0
    expected: dict[str, list[int]] = {
        "gap": [b for a, b in neighbours if b - a > 5 * usual],
        "backwards": [b for a, b in neighbours if series[b][1] < series[a][1]],
        "spike": spikes([series[at][0] for at in order], order),
    }
    return {kind: (at[0], len(at)) for kind, at in expected.items() if at}


def spikes(curve: list[float | None], order: list[int]) -> list[int]:
    def jump(first: float | None, second: float | None) -> float:
        return NAN if first is None or second is None else second - first

    jumps = [jump(a, b) for a, b in itertools.pairwise(curve)]
    finite = [abs(value) for value in jumps if math.isfinite(value)]
    usual = statistics.median(finite) if finite else 0.0
    if usual <= 0 or len(curve) < 10:
        return []
    return [
        at
        for at, before, after in zip(order[1:], jumps, jumps[1:], strict=False)
        if math.isfinite(before)
        and math.isfinite(after)
        and before * after < 0
        and min(abs(before), abs(after)) > 3 * usual
    ]
