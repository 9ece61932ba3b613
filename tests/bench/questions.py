"""Queries that read points beside the same in SQL by hand: CPU seconds, ratio and peak memory.

    python -m tests.bench.questions [/tmp/bench/1e8] [--repeat 3] [--only curve]

Each question is a cold process that writes Parquet, and its counterpart is another one right after
it, so that a busy machine slows both. DuckDB has two threads. CPU seconds are those of all threads,
the median of the runs; megabytes are the most that a process held (VmHWM). Write the dataset with
`make bench-data`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

OURS: Final = """
import json, sys
import pyarrow.parquet as pq
from clearml_snapshot.queries import open_dataset
data, name, options, target = sys.argv[1:]
with open_dataset(data, threads=2) as dataset:
    rows = dataset.query(name, **json.loads(options)).to_arrow_reader(100_000)
    with pq.ParquetWriter(target, rows.schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)
"""
BY_HAND: Final = """
import sys, duckdb
data, sql, target = sys.argv[1:]
duckdb.execute("SET threads = 2; SET TimeZone = 'UTC'; SET enable_progress_bar = false")
for table in ("scalars/*", "series"):
    files = f"read_parquet('{data}/current/{table}/*.parquet', hive_partitioning = false)"
    duckdb.execute(f"CREATE VIEW {table.partition('/')[0]} AS FROM {files}")
duckdb.execute(f"COPY ({sql}) TO '{target}' (COMPRESSION zstd)")
"""

_LOSS: Final = "metric = 'loss' AND variant = 'train'"


class Question(NamedTuple):
    """A query with its options, and what somebody would write in its place."""

    title: str
    name: str
    options: dict[str, object]
    by_hand: str


QUESTIONS: Final = (
    Question(
        "curve, 100 rows per task",
        "curve",
        {"metric": "loss", "variant": "train", "points": 100},
        f"""
        SELECT task_id, part, min(iteration), avg(value) FILTER (isfinite(value)), count(*)
        FROM (
            SELECT *, CASE
                WHEN last_iteration = first_iteration THEN 0
                ELSE least(99, floor(
                    (iteration - first_iteration) / (last_iteration - first_iteration) * 100
                ))
            END AS part
            FROM (FROM scalars WHERE {_LOSS})
            JOIN (
                SELECT task_id, first_iteration, last_iteration FROM series WHERE {_LOSS}
            ) USING (task_id)
        )
        GROUP BY task_id, part
        """,
    ),
    Question(
        "curve, every point",
        "curve",
        {"metric": "loss", "variant": "train"},
        f"""
        SELECT metric, variant, task_id, iteration, timestamp, value
        FROM scalars WHERE {_LOSS} ORDER BY task_id, iteration
        """,
    ),
    Question(
        "first below 1",
        "first",
        {"metric": "loss", "below": 1},
        """
        SELECT task_id, metric, variant,
            min(iteration), arg_min(value, iteration), arg_min(timestamp, iteration)
        FROM scalars WHERE metric = 'loss' AND value < 1 GROUP BY ALL
        """,
    ),
    Question(
        "stats of loss",
        "stats",
        {"metric": "loss"},
        """
        SELECT task_id, metric, variant, count(*), min(value), max(value), avg(value),
            stddev_samp(value), quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.95])
        FROM scalars WHERE metric = 'loss' AND isfinite(value) GROUP BY ALL
        """,
    ),
    Question(
        "health of loss",
        "health",
        {"metric": "loss"},
        """
        SELECT task_id, metric, variant, median(step), median(jump),
            quantile_cont(value, [0.25, 0.75])
        FROM (
            SELECT *, iteration - lag(iteration) OVER in_order AS step,
                abs(value - lag(value) OVER in_order) AS jump
            FROM scalars WHERE metric = 'loss' AND isfinite(value)
            WINDOW in_order AS (PARTITION BY task_id, metric, variant ORDER BY iteration)
        )
        GROUP BY ALL
        """,
    ),
)


def run(*command: str) -> tuple[float, float]:
    """Run a Python program; returns its CPU seconds and the megabytes that it held at most."""
    process = subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {command[1:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024  # kilobytes on Linux


def main() -> None:
    """Ask each question and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="/tmp/bench/1e8")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="the beginning of titles")
    arguments = parser.parse_args()
    if not (Path(arguments.data) / "current").exists():
        sys.exit(f"no dataset in {arguments.data}; write one with `make bench-data`")
    print("CPU s   by hand  ratio     MB  by hand  question")
    for question in QUESTIONS:
        if not question.title.startswith(arguments.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            target = f"{folder}/answer.parquet"
            options = json.dumps(question.options)
            runs = [
                (
                    run(OURS, arguments.data, question.name, options, target),
                    run(BY_HAND, arguments.data, question.by_hand, target),
                )
                for _ in range(arguments.repeat)
            ]
        ours, by_hand = (statistics.median(pair[at][0] for pair in runs) for at in (0, 1))
        held, held_by_hand = (max(pair[at][1] for pair in runs) for at in (0, 1))
        print(
            f"{ours:5.2f}  {by_hand:8.2f}  {ours / by_hand:5.2f}  {held:5.0f}  {held_by_hand:7.0f}"
            f"  {question.title}",
            flush=True,
        )


if __name__ == "__main__":
    main()
