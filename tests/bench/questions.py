"""Queries beside the same in SQL by hand: seconds, CPU seconds, ratios and peak memory.

    python -m tests.bench.questions [/tmp/bench/1e8] [--repeat 3] [--only curve]

Each question is the command as a cold process that writes Parquet, and its counterpart is a bare
DuckDB right after it, so that a busy machine slows both. Seconds are medians, CPU seconds those of
all threads; megabytes are the most that a process held in all runs. Questions without a counterpart
are measured alone. Write the dataset with `make bench-data`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

BY_HAND: Final = """
import sys, duckdb
data, sql, target = sys.argv[1:]
duckdb.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
for table in ("scalars/*", "series", "hyperparams"):
    files = f"read_parquet('{data}/current/{table}/*.parquet', hive_partitioning = false)"
    duckdb.execute(f"CREATE VIEW {table.partition('/')[0]} AS FROM {files}")
duckdb.execute(f"COPY ({sql}) TO '{target}' (COMPRESSION zstd)")
"""

_LOSS: Final = "metric = 'loss' AND variant = 'train'"


class Question(NamedTuple):
    """A query with its options, and what a user would write in its place."""

    title: str
    arguments: tuple[str, ...]
    """Of ``query``."""
    by_hand: str | None = None


QUESTIONS: Final = (
    Question(
        "curve, 100 rows per task",
        ("curve", "--metric", "loss/train", "--points", "100"),
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
        ("curve", "--metric", "loss/train"),
        f"""
        SELECT metric, variant, task_id, iteration, timestamp, value
        FROM scalars WHERE {_LOSS} ORDER BY task_id, iteration
        """,
    ),
    Question(
        "first below 1",
        ("first", "--metric", "loss", "--below", "1"),
        """
        SELECT task_id, metric, variant,
            min(iteration), arg_min(value, iteration), arg_min(timestamp, iteration)
        FROM scalars WHERE metric = 'loss' AND value < 1 GROUP BY ALL
        """,
    ),
    Question(
        "stats of loss",
        ("stats", "--metric", "loss"),
        """
        SELECT task_id, metric, variant, count(*), min(value), max(value), avg(value),
            stddev_samp(value), quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.95])
        FROM scalars WHERE metric = 'loss' AND isfinite(value) GROUP BY ALL
        """,
    ),
    Question(
        "health of loss",
        ("health", "--metric", "loss"),
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
    Question(
        "curve by learning rate",
        ("curve", "--metric", "loss/train", "--by", "Args/lr"),
        f"""
        SELECT hyperparams.value, iteration, avg(scalars.value), stddev(scalars.value), count(*)
        FROM (SELECT * FROM scalars WHERE {_LOSS} AND isfinite(value)) AS scalars
        LEFT JOIN (
            SELECT * FROM hyperparams WHERE section = 'Args' AND name = 'lr'
        ) AS hyperparams
            USING (task_id)
        GROUP BY ALL
        """,
    ),
    Question("stats of everything", ("stats", "--all-metrics")),
    Question("health of everything", ("health", "--all-metrics")),
    Question("curve of everything but :monitor:", ("curve",)),
    Question("curve of loss, smoothed", ("curve", "--metric", "loss/train", "--smooth", "0.99")),
    Question("max of every series", ("max", "--by", "task", "--all-metrics")),
    Question("max, suspect zeros excluded", ("max", "--suspect-zeros", "exclude")),
    Question("max with another metric there", ("max", "--metric", "loss", "--at", "accuracy")),
    Question("leaderboard", ("leaderboard", "--metric", "loss", "--best", "lowest")),
    Question("group", ("group", "--metric", "loss", "--best", "lowest", "--by", "project")),
    Question("metrics", ("metrics",)),
)


class Used(NamedTuple):
    """What a process used."""

    seconds: float
    cpu: float
    megabytes: float


def run(*command: str) -> Used:
    """Run a command without its output, with byte code, as an installed program has."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - begun
    return Used(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)  # kB on Linux


def combined(runs: list[Used]) -> Used:
    """Return the medians of the times, and the largest memory."""
    seconds, cpu, megabytes = zip(*runs, strict=True)
    return Used(statistics.median(seconds), statistics.median(cpu), max(megabytes))


def main() -> None:
    """Run each query and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="/tmp/bench/1e8")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="the beginning of titles")
    arguments = parser.parse_args()
    if not (Path(arguments.data) / "current").exists():
        sys.exit(f"no dataset in {arguments.data}; write one with `make bench-data`")
    print("seconds  by hand  ratio    CPU s  by hand  ratio     MB  by hand  question")
    for question in QUESTIONS:
        if question.title.startswith(arguments.only):
            print(line(*measured(question, arguments.data, arguments.repeat), question), flush=True)


def measured(question: Question, data: str, repeat: int) -> tuple[Used, Used | None]:
    """Run a query and its counterpart by turns; the counterpart is None if it has none."""
    ours, by_hand = list[Used](), list[Used]()
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/answer.parquet"
        program = str(Path(sys.executable).with_name("clearml-snapshot"))
        command = ["query", *question.arguments, "--data", data, "-o", target]
        for _ in range(repeat):
            ours.append(run(program, *command))
            if question.by_hand is not None:
                by_hand.append(run(sys.executable, "-c", BY_HAND, data, question.by_hand, target))
    return combined(ours), combined(by_hand) if by_hand else None


def line(ours: Used, by_hand: Used | None, question: Question) -> str:
    """Write the measured values of a question."""
    if by_hand is None:
        return (
            f"{ours.seconds:7.2f}{'–':>9}{'–':>7}{ours.cpu:9.2f}{'–':>9}{'–':>7}"
            f"{ours.megabytes:7.0f}{'–':>9}  {question.title}"
        )
    return (
        f"{ours.seconds:7.2f}{by_hand.seconds:9.2f}{ours.seconds / by_hand.seconds:7.2f}"
        f"{ours.cpu:9.2f}{by_hand.cpu:9.2f}{ours.cpu / by_hand.cpu:7.2f}"
        f"{ours.megabytes:7.0f}{by_hand.megabytes:9.0f}  {question.title}"
    )


if __name__ == "__main__":
    main()
