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
    assert finding in kinds(make_dataset, task("a", values))
    assert kinds(make_dataset, task("a", values), kind=kind) == {finding}


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
