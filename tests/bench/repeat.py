"""The same points, stored and queried in 50 ways: every answer and a pack have the same bits.

    python -m tests.bench.repeat [--runs 50 --seed 1]

Each run writes the points of the demo anew: rows shuffled, split into another number of part
files, flushed elsewhere, merged or not. It runs every query of the catalogue with 1 to 8 threads,
reads ``series``, and packs the snapshot. Exits non-zero at the first difference.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter import Selection, export
from clearml_snapshot.exporter.standin.data.history import demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.format.schema import SCALARS, TABLES
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts import compaction as compact
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, PointBuffer, StageLimits
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import queries
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.pack import pack
from tests.support.catalogue import NEEDED

COMMITS: Final = 4
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)

FURTHER: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "max": [{"metric": "accuracy", "at": "loss"}, {"metric": "accuracy", "value": "median"}],
    "min": [{"suspect_zeros": "exclude"}],
    "last": [{"by": "project"}],
    "leaderboard": [
        {"metric": "loss", "best": "lowest", "param": "*", "also": "accuracy"},
        {"metric": "loss", "best": "lowest", "by": "mean", "last": 5},
        {"metric": "loss", "best": "lowest", "smooth": 0.6},
    ],
    "stats": [{"by": "variant"}, {"suspect_zeros": "exclude"}],
    "first": [{"metric": "loss", "below": 1}],
    "group": [
        {"metric": "loss", "best": "lowest", "by": "project"},
        {"metric": "loss", "best": "lowest", "value": "mean", "suspect_zeros": "exclude"},
        {"metric": "loss", "best": "lowest", "by_all_except": "Args/seed"},
    ],
    "wide": [
        {"fill": "last"},
        {"fill": "nearest", "tolerance": 3, "suspect_zeros": "exclude"},
        {"per": "task"},
    ],
    "curve": [
        {"metric": "loss", "smooth": 0.6},
        {"metric": "loss", "window": 7},
        {"metric": "loss", "points": 20},
        {"metric": "loss", "points": 20, "keep": "extremes", "smooth": 0.9},
        {"metric": "loss", "by": "project", "band": "ci"},
        {"metric": "loss", "by_all_except": "Args/seed", "points": 20, "align": "nearest"},
        {"metric": "loss", "x": "acc*", "points": 20},
        {"metric": "loss", "by": "project", "offset_resumed": True},
    ],
}
"""Further ways to query than ``NEEDED``, which is tried of each query of the catalogue."""


SPILL_ROWS: Final = (50, 1_000, 400_000)
"""Points of a task from which on they go to a file of their own."""


def write_otherwise(
    source: Snapshot, data: Path, rng: random.Random, spill_rows: int | None = None
) -> Snapshot:
    """Write the rows of a snapshot anew, in another order and in other files.

    Args:
        source: the rows.
        data: a new dataset.
        rng: decides which tasks share a commit, where rows are flushed and what is merged.
        spill_rows: one of ``SPILL_ROWS``; None lets ``rng`` choose.
    """
    tasks = list(rows(source, "tasks", TABLES["tasks"].names))
    rng.shuffle(tasks)
    points = _by_task(source)
    with ExitStack() as stack:
        limits = StageLimits(
            spill_rows or rng.choice(SPILL_ROWS), flush_rows=rng.choice([200, 5_000, 400_000])
        )
        stack.enter_context(patch.object(compact, "MOST", rng.choice([1, 2, 8])))
        dataset = stack.enter_context(writing(data, limits=limits))
        for number in range(COMMITS):
            _commit(dataset, source, tasks[number::COMMITS], points, rng)
    return open_snapshot(data)


def _by_task(source: Snapshot) -> dict[str, pa.Table]:
    files = [pq.read_table(path, partitioning=None) for path in source.paths("scalars")]
    points = pa.concat_tables(files).cast(SCALARS)
    places: dict[str, list[int]] = {}
    for at, task_id in enumerate(map(str, points.column("task_id").to_pylist())):
        places.setdefault(task_id, []).append(at)
    return {task_id: points.take(rows) for task_id, rows in places.items()}


def _commit(
    dataset: Dataset,
    source: Snapshot,
    tasks: Sequence[Mapping[str, Any]],
    points: Mapping[str, pa.Table],
    rng: random.Random,
) -> None:
    stage = dataset.new_stage()
    params = _grouped(rows(source, "hyperparams", TABLES["hyperparams"].names))
    claims = _grouped(rows(source, "series", SERVER_VALUES.names))
    for task in tasks:
        task_id = task["task_id"]
        buffer = PointBuffer(stage, task["project_id"])
        if task_id in points:
            order = rng.sample(range(points[task_id].num_rows), points[task_id].num_rows)
            size = rng.randint(1, len(order))
            for start in range(0, len(order), size):
                buffer.add(points[task_id].take(order[start : start + size]))
        summaries = pa.Table.from_pylist(claims.get(task_id, []), SERVER_VALUES)
        stage.add(task, params.get(task_id, []), buffer.finish(), summaries)
    (row, *_) = rows(source, "exports", TABLES["exports"].names)
    dataset.commit(stage, server=source.server, selections=source.selections, export_row=row)


def _grouped(answer: Any) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in answer:
        groups.setdefault(row["task_id"], []).append(row)
    return groups


def answers(data: Path, threads: int) -> dict[str, str]:
    """Run every query of the catalogue, and read ``series``; doubles are given in full."""
    results: dict[str, str] = {}
    with open_dataset(data, threads=threads) as dataset:
        series = dataset.sql("SELECT * FROM series ORDER BY task_id, metric, variant")
        results["series"] = repr(dataset.rows(series))
        ids = dataset.rows(dataset.sql("SELECT task_id FROM tasks ORDER BY 1 LIMIT 2")).rows
        both = {"tasks": [task_id for (task_id,) in ids]}
        for name in queries():
            for typed in (NEEDED.get(name, {}), *FURTHER.get(name, ())):
                way = {**typed, **(both if name == "compare" else {})}
                results[f"{name} {typed}"] = repr(dataset.rows(dataset.query(name, **way)))
    return results


def packed(data: Path, target: Path) -> str:
    """Pack a dataset as if it were the first snapshot of a fixed moment; give its content id."""
    with open_dataset(data) as dataset:
        setattr(dataset, "snapshot", replace(dataset.snapshot, number=1, created_at=NOW))  # noqa: B010  # Final for mypy
        return pack(dataset, target, PackOptions(keep_secrets=True)).content_id


def main(arguments: argparse.Namespace) -> int:
    """Run it and print the first difference."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, StandIn(demo_history()) as server:
        home = Path(folder)
        with patch.dict("os.environ", server.environment()):
            export(home / "demo", Selection())
        source = open_snapshot(home / "demo")
        first: dict[str, str] = {}
        for run in range(arguments.runs):
            rng = random.Random(f"{arguments.seed} {run}")
            write_otherwise(source, home / str(run), rng)
            results = answers(home / str(run), 1 + run % 8)
            results["pack"] = packed(home / str(run), home / f"{run}.zip")
            first = first or results
            different = [name for name in first if first[name] != results[name]]
            if different:
                sys.exit(f"run {run} with seed {arguments.seed}: other bits of {different}")
    print(
        f"{arguments.runs} runs: {len(first)} answers byte-equal, "
        f"{time.monotonic() - began:.0f} s; pack {first['pack'][:12]}"
    )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(main(parser.parse_args()))
