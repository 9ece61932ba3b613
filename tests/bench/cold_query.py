"""A cold `query max` beside a bare Python that runs the same SQL with duckdb, and `--help` beside a
bare Typer with one command; reports whether each adds more processor time than it may.

    python tests/bench/cold_query.py DATASET [--metric loss] [--repeats 15]

Without a dataset that of the demo is made in a temporary folder. Both sides give the same answer,
which is compared first. Both find Python's byte code, as after an installation with pip, even if
PYTHONDONTWRITEBYTECODE is set; otherwise each process would compile our modules again.
"""

import argparse
import ast
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from clearml_snapshot.exporter.store.engine.sql_text import sql_value

MOST_QUERY: Final = 0.10
"""Seconds of processor time that the tool may add to duckdb's own."""
MOST_HELP: Final = 0.05
"""Seconds of processor time that its help may add to that of a bare Typer."""

BARE: Final = """
import sys, duckdb
print(duckdb.sql('''
    SELECT
        metric, variant, best.value, best.iteration, best.time::VARCHAR AS time, name AS task,
        best.task_id, project, status, web_url, archived, n_tasks, n_points, n_nonfinite, n_null
    FROM (
        SELECT
            metric, variant, count(*) AS n_tasks, sum(n)::BIGINT AS n_points,
            sum(n_nonfinite)::BIGINT AS n_nonfinite, sum(n_null)::BIGINT AS n_null,
            first(
                {'task_id': task_id, 'value': max, 'iteration': max_iteration,
                 'time': max_timestamp}
                ORDER BY max DESC NULLS LAST, max_iteration NULLS LAST, task_id
            ) AS best
        FROM read_parquet('%(root)s/series/*.parquet', hive_partitioning = false)
        WHERE %(chosen)s
        GROUP BY metric, variant
    ) AS answer
    LEFT JOIN read_parquet('%(root)s/tasks/*.parquet') AS tasks ON tasks.task_id = best.task_id
    ORDER BY metric, variant
''').fetchall())
"""
"""By hand, with the same columns as ``query max``, and ties decided in the same way."""


BARE_TYPER: Final = """
import typer
app = typer.Typer()
@app.command()
def greet(name: str = "you") -> None:
    'Greet a user.'
app(["--help"])
"""


class Seconds(NamedTuple):
    """What one cold process took."""

    wall: float
    processor: float
    """Its own and the system's; less disturbed by what else the machine does."""


def tool() -> str:
    """Find the command beside this Python."""
    return str(Path(sys.executable).with_name("clearml-snapshot"))


def seconds(command: list[str]) -> Seconds:
    """Run one cold process."""
    before, started = _children(), time.perf_counter()
    output(command)
    return Seconds(time.perf_counter() - started, _children() - before)


def output(command: list[str]) -> str:
    """Run one process, and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check_answers(bare: list[str], ours: list[str]) -> None:
    """Refuse to compare the times of different answers."""
    by_hand = [_as_text(row) for row in ast.literal_eval(output(bare))]
    _, *answer = csv.reader(output(ours).splitlines())
    if by_hand != [_as_text(row) for row in answer]:
        sys.exit("the answers differ")


def _as_text(row: Sequence[object]) -> list[str]:
    """Write a row as text, without its time, which both sides write differently."""
    texts = ["" if cell is None else str(cell) for cell in row]
    return [
        text.lower() if text in ("True", "False") else text for text in [*texts[:4], *texts[5:]]
    ]


def compare(names: tuple[str, str], bare: list[str], ours: list[str], most: float, n: int) -> None:
    """Print the medians of interleaved pairs, so that a busy moment of the machine hits both."""
    pairs = [(seconds(bare), seconds(ours)) for _ in range(n + 1)][1:]
    for name, side in zip(names, zip(*pairs, strict=True), strict=True):
        _line(name, [each.wall for each in side], [each.processor for each in side])
    wall = [mine.wall - theirs.wall for theirs, mine in pairs]
    processor = [mine.processor - theirs.processor for theirs, mine in pairs]
    is_fast = statistics.median(processor) <= most
    _line("over bare", wall, processor, f"at most {most}: {'ok' if is_fast else 'too slow'}")


def _line(name: str, wall: list[float], processor: list[float], verdict: str = "") -> None:
    medians = statistics.median(wall), statistics.median(processor)
    print(f"{name:14}{medians[0]:8.3f} s   processor{medians[1]:8.3f} s   {verdict}".rstrip())


def measure(data: Path, metric: str | None, repeats: int) -> None:
    """Compare both with their bare counterparts."""
    python, root = [sys.executable, "-c"], (data / "current").as_posix()
    query = [tool(), "query", "max", "--data", str(data), *(["--metric", metric] if metric else [])]
    chosen = f"metric = {sql_value(metric)}" if metric else "NOT starts_with(metric, ':monitor:')"
    bare_query, bare_help = (
        [*python, BARE % {"root": root, "chosen": chosen}],
        [*python, BARE_TYPER],
    )
    names = ("bare duckdb", "query max"), ("bare Typer", "--help")
    check_answers(bare_query, query)
    compare(names[0], bare_query, query, MOST_QUERY, repeats)
    compare(names[1], bare_help, [tool(), "--help"], MOST_HELP, repeats)


def main() -> None:
    """Print medians, and whether they meet the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--metric")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(made) / "byte code")
        if arguments.dataset:
            measure(arguments.dataset, arguments.metric, arguments.repeats)
            return
        data = Path(made) / "demo"
        subprocess.run([tool(), "demo", "--data", str(data)], check=True, capture_output=True)
        measure(data, arguments.metric, arguments.repeats)


if __name__ == "__main__":
    main()
