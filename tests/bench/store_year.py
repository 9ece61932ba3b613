"""A year of nightly exports into one dataset: files, time of a commit and of a scan, by month.

    python tests/bench/store_year.py [--without-compaction] [--nights 365]

Each night one task is new, the four of the last nights go on, one ended task is edited, one in
three nights one is run again from its start.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, Stage
from clearml_snapshot.exporter.store.parts.stored import task_rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing
from clearml_snapshot.queries.session import connect

HISTORY: Final = 300
"""Tasks on the first day."""

RUNS: Final = 5
"""Nights that a task runs."""

METRICS: Final = 10
STEPS: Final = 200
"""Iterations a night, a metric."""

MONTH: Final = 30
SCANS: Final = 7
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
QUERY: Final = "SELECT max(value) FROM files.scalars WHERE metric = ? AND isfinite(value)"


def points(task_id: str, nights: int, seed: int) -> Iterator[pa.Table]:
    """Yield what a task has reported after a number of nights, one table per metric."""
    rows = STEPS * nights
    iterations = pa.array(range(rows), pa.int64())
    source = random.Random(seed)
    for metric in range(METRICS):
        values = pa.array([source.random() for _ in range(rows)], pa.float64())
        texts = [pa.repeat(text, rows) for text in (task_id, f"metric{metric}", "train", "w")]
        times = iterations.cast(pa.timestamp("ms", tz="UTC"))
        columns = [*texts[:3], iterations, times, values, texts[3]]
        yield pa.table(columns, schema=SCALARS)


def row(number: int, nights: int, name: str = "") -> dict[str, Any]:
    """Return the row of a task that has run for a number of nights."""
    return {
        "task_id": f"{number:032x}",
        "project_id": "p",
        "name": name,
        "status": "completed" if nights >= RUNS else "in_progress",
        "server_id": "bench",
        "state": "complete",
        "fetched_at": START,
        "fingerprint": f"{nights} {name}",
    }


def add(stage: Stage, number: int, nights: int, seed: int = 0) -> None:
    """Stage a complete task."""
    task = row(number, nights)
    buffer = PointBuffer(stage, "p")
    for table in points(task["task_id"], nights, seed + number):
        buffer.add(table)
    params = [{"section": "Args", "name": f"p{n}", "value": "1"} for n in range(30)]
    stage.add(task, params, buffer.finish())


def night(stage: Stage, snapshot: Snapshot | None, number: int) -> None:
    """Stage what one night changes."""
    if snapshot is None:
        for task in range(HISTORY):
            add(stage, task, RUNS)
        return
    newest = HISTORY + number
    for nights in range(1, RUNS + 1):
        add(stage, newest - nights, nights)
    ended = random.Random(number).sample(range(newest - RUNS), 2)
    (edited,) = task_rows(snapshot, {f"{ended[0]:032x}"})
    stage.refresh({**edited, "name": f"edited {number}"}, None)
    if number % 3 == 0:
        add(stage, ended[1], RUNS, seed=number)


def commit(dataset: Dataset, number: int, compact: bool) -> tuple[Snapshot, float]:
    """Export one night; returns how long its commit took."""
    stage = dataset.new_stage()
    night(stage, dataset.snapshot, number)
    begun = time.perf_counter()
    moment = START + timedelta(days=number)
    export = {"export_id": str(number), "started": moment, "result": "complete"}
    snapshot = dataset.commit(stage, server={}, selections=[], export_row=export, compact=compact)
    return snapshot, time.perf_counter() - begun


def scan(snapshot: Snapshot) -> float:
    """Time the maximum of one metric over all points; the median of a few."""
    took = []
    with connect(snapshot) as connection:
        for number in range(SCANS):
            begun = time.perf_counter()
            connection.execute(QUERY, [f"metric{number % METRICS}"]).fetchall()
            took.append(time.perf_counter() - begun)
    return statistics.median(took)


def main() -> None:
    """Play the year and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without-compaction", action="store_true")
    parser.add_argument("--nights", type=int, default=365)
    options = parser.parse_args()
    print("month  tasks   points  files  of scalars  MB  commit median  longest  scan")
    with tempfile.TemporaryDirectory() as folder, writing(Path(folder) / "data") as dataset:
        commits: list[float] = []
        for number in range(options.nights + 1):
            snapshot, took = commit(dataset, number, not options.without_compaction)
            commits += [took] if number else []
            if commits and (number % MONTH == 0 or number == options.nights):
                totals = snapshot.totals
                print(
                    f"{number / MONTH:5.1f} {totals.tasks:6} {totals.points:8}"
                    f" {len(snapshot.files):6} {len(snapshot.paths('scalars')):11}"
                    f" {totals.bytes / 1e6:3.0f} {statistics.median(commits):12.3f} s"
                    f" {max(commits):6.2f} s {1000 * scan(snapshot):3.0f} ms",
                    flush=True,
                )
                commits.clear()


if __name__ == "__main__":
    main()
