"""Merged datasets against an oracle in plain Python."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.merge.report import MergeReport
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.merging import (
    ACCURACY,
    DAY,
    EVERY,
    LOSS,
    LOSS_VAL,
    ONLY_ACCURACY,
    TRAIN,
    VAL,
    Ask,
    Name,
    Stored,
    Write,
    is_selected,
    values_of,
)


def _expected(copies: Sequence[tuple[int, Stored]]) -> tuple[int, dict[Name, list[float]]]:
    """State independently which copy wins, and with what; later sources were made later."""
    order = sorted(copies, key=lambda copy: (copy[1].day, copy[1].n, copy[0]), reverse=True)
    left = order
    if any(task.n and task.state != "failed" for _, task in order):
        left = [copy for copy in order if copy[1].state != "failed"]
    most = max(task.n for _, task in left)
    left = [o for o in left if o[1].state not in ("partial", "failed") or o[1].n == most]
    winner, best = left[0]
    series = {name: [*values] for name, values in best.series.items()}
    asking = [best] if best.state not in ("partial", "failed") else []
    for _, other in [*left[1:], *(copy for copy in order if copy not in left)]:
        if other.started != best.started:
            continue
        fresh = [n for n in other.series if not any(is_selected(task, n) for task in asking)]
        fresh = [n for n in fresh if n not in series]
        series.update({name: [*other.series[name]] for name in fresh})
        asking += [other] if fresh and other.state not in ("partial", "failed") else []
    return winner, series


def _some_task(chance: random.Random, task_id: str, source: int) -> Stored:
    selected = chance.choice([EVERY, EVERY, LOSS, LOSS_VAL, ONLY_ACCURACY])
    state = chance.choice(["complete"] * 4 + ["partial", "failed", "gone", "shrunk"])
    everything = Stored(task_id, {}, asked=selected)
    series = {
        name: [source * 1000.0 + chance.randrange(100) for _ in range(chance.randrange(1, 5))]
        for name in (TRAIN, VAL, ACCURACY)
        if is_selected(everything, name) and chance.random() < 0.8
    }
    return replace(
        everything,
        series=series if state != "failed" or chance.random() < 0.3 else {},
        day=chance.randrange(3),
        state=state,
        missing=-1 if state == "shrunk" else 5 * (state == "partial"),
        project_id=chance.choice(["p", "q", None]),
        started=DAY + timedelta(days=chance.choice([0, 0, 0, 1])),
        last_update=DAY + timedelta(days=chance.choice([0, 0, 1])),
        params=f"{source}",
    )


@pytest.mark.parametrize("seed", range(2))
def test_each_task_has_the_numbers_of_an_oracle(
    tmp_path: Path, write: Write, ask: Ask, seed: int
) -> None:
    chance = random.Random(seed)
    sources = [
        [_some_task(chance, f"t{n}", source) for n in range(18) if chance.random() < 0.8]
        for source in range(chance.choice([2, 3]))
    ]
    for number, tasks in enumerate(sources):
        write(f"{number}", tasks)
    merged = merge_datasets(
        [tmp_path / str(number) for number in range(len(sources))], tmp_path / "both"
    )
    copies: dict[str, list[tuple[int, Stored]]] = {}
    for number, tasks in enumerate(sources):
        for task in tasks:
            copies.setdefault(task.task_id, []).append((number, task))
    expected = {task_id: _expected(its) for task_id, its in copies.items()}
    values = values_of(ask, merged.snapshot)
    assert {task_id: values.get(task_id, {}) for task_id in expected} == {
        task_id: series for task_id, (_, series) in expected.items()
    }
    params = ask(merged.snapshot, "SELECT task_id, value FROM hyperparams ORDER BY ALL")
    assert params == sorted((task_id, f"{winner}") for task_id, (winner, _) in expected.items())
    assert verify(tmp_path / "both").problems == ()
    assert sum(source.taken for source in merged.sources) == len(expected)
    assert sum(source.points for source in merged.sources) == merged.totals["points"]
    reversed_sources = [tmp_path / str(number) for number in reversed(range(len(sources)))]
    again = merge_datasets(reversed_sources, tmp_path / "again")
    _same_rows(merged, again)


def _same_rows(first: MergeReport, second: MergeReport) -> None:
    for table in ("tasks", "hyperparams", "series", "scalars", "exports"):
        both = [pq.read_table(merged.snapshot / table).to_pylist() for merged in (first, second)]
        assert sorted(map(repr, both[0])) == sorted(map(repr, both[1])), table
