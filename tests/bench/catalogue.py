"""The catalogue on 100 million points in 10,000 tasks: each question cold, as a process of its own.

    python tests/bench/catalogue.py [--tasks 10000 --series 20 --points 500 --repeat 3 --data DIR]

Writes the dataset with the store (minutes; kept in --data and used again), then prints
for each question the median seconds from the shell's view and the most memory that it held, and
beside them the seconds of `--version` alone, which is what starting Python takes.
"""

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT: Final = "5" * 32
ONE_TASK: Final = hashlib.md5(b"17", usedforsecurity=False).hexdigest()
QUESTIONS: Final = (
    "--version",
    "query max --metric 'metric 3'",
    "query max",
    "query max --metric 'metric 3' --at 'metric 4'",
    "query leaderboard --metric 'metric 3' --best highest --param 'Args/*'",
    "query group --metric 'metric 3/v1' --by param:Args/lr --best highest",
    "query group --metric 'metric 3/v1' --by-all-except Args/seed --best highest",
    f"query stats --metric 'metric 3/v1' --task {ONE_TASK}",
    f"query curve --metric 'metric 3/v1' --task {ONE_TASK} --smooth 0.6",
    "query metrics",
)
PEAK: Final = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr if done.returncode else b"")
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def points(task_id: str, number: int, arguments: argparse.Namespace) -> pa.Table:
    """Make one task's points: waves that fall, each series its own."""
    n = arguments.series * arguments.points
    iterations = np.tile(np.arange(arguments.points, dtype=np.int64), arguments.series)
    series = np.repeat(np.arange(arguments.series), arguments.points)
    values = np.round(np.sin(number + series + iterations / 50) + 10 / (iterations + 1), 5)
    if arguments.noise:
        values += np.random.default_rng(number).random(n)
    stamps = int(START.timestamp() * 1000) + number * 60_000 + iterations * 1_000
    names = [f"metric {at // 2}" for at in range(arguments.series)]
    variants = [f"v{at % 2}" for at in range(arguments.series)]
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array([task_id])),
        pa.DictionaryArray.from_arrays(series.astype(np.int32), pa.array(names)),
        pa.DictionaryArray.from_arrays(series.astype(np.int32), pa.array(variants)),
        pa.array(iterations),
        pa.array(stamps).cast(pa.timestamp("ms", "UTC")),
        pa.array(values),
        pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array(["w"])),
    ]
    return pa.Table.from_arrays(columns, names=SCALARS.names)


def build(data: Path, arguments: argparse.Namespace) -> None:
    """Write the dataset through the store, a thousand tasks a commit."""
    with writing(data) as dataset:
        for begin in range(0, arguments.tasks, 1_000):
            stage = dataset.new_stage()
            for number in range(begin, min(begin + 1_000, arguments.tasks)):
                task_id = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
                buffer = PointBuffer(stage, PROJECT)
                buffer.add(points(task_id, number, arguments))
                params = {"lr": 10.0 ** -(number % 5), "seed": number % 10, "depth": number % 7}
                stage.add(
                    {
                        "task_id": task_id,
                        "name": f"task {number}",
                        "project_id": PROJECT,
                        "project": "bench",
                        "status": "completed",
                        "created": START + timedelta(minutes=number),
                        "archived": False,
                        "hidden": False,
                        "server_id": "http://localhost:8008",
                        "points_expected": arguments.series * arguments.points,
                        "points_stored": arguments.series * arguments.points,
                        "state": "complete",
                        "fetched_at": START,
                        "fingerprint": "0",
                        "selected": True,
                    },
                    [
                        {"section": "Args", "name": name, "value": f"{value:g}"}
                        for name, value in params.items()
                    ],
                    buffer.finish(),
                )
            dataset.commit(
                stage,
                server={"host": "http://localhost:8008"},
                selections=[],
                export_row={"export_id": str(begin), "started": START, "result": "complete"},
                keep=Retention.parse("1"),
            )


def measure(question: str, data: Path, repeat: int) -> tuple[float, float]:
    """Run in separate processes; gives the median of the seconds and the most megabytes."""
    import shlex

    tool = str(Path(sys.executable).with_name("clearml-snapshot"))
    where = [] if question == "--version" else ["--data", str(data)]
    command = [sys.executable, "-c", PEAK, tool, *shlex.split(question), *where]
    took, held = [], []
    for _ in range(repeat):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took.append(time.perf_counter() - begun)
        if done.stderr:
            sys.exit(f"{question}: {done.stderr}")
        held.append(float(done.stdout))
    return statistics.median(took), max(held)


def main(arguments: argparse.Namespace) -> None:
    """Build the dataset, run the queries, print the results."""
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or Path(folder) / "data"
        if not (data / "current").exists():
            begun = time.perf_counter()
            build(data, arguments)
            print(f"written in {time.perf_counter() - begun:.0f} s", flush=True)
        print("seconds      MB  question")
        for question in QUESTIONS:
            seconds, megabytes = measure(question, data, arguments.repeat)
            print(f"{seconds:7.2f}  {megabytes:6.0f}  {question}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tasks", 10_000), ("series", 20), ("points", 500), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--noise", action="store_true", help="values that do not compress")
    main(parser.parse_args())
