"""A cold `query max` beside a bare Python that runs the same SQL with duckdb, and `--help` beside a
bare Typer with one command; reports whether each adds more processor time than it may.

    python tests/bench/cold_query.py DATASET [--metric loss] [--repeats 15]

Without a dataset that of the demo is made in a temporary folder.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

MOST_QUERY: Final = 0.10
"""Seconds of processor time that the tool may add to duckdb's own."""
MOST_HELP: Final = 0.05
"""Seconds of processor time that its help may add to that of a bare Typer."""

BARE: Final = """
import sys, duckdb
print(duckdb.sql('''
    SELECT metric, variant, max(max) AS value, arg_max(max_iteration, max) AS iteration,
           arg_max(max_timestamp, max)::VARCHAR AS time, arg_max(task_id, max) AS task_id,
           arg_max(name, max) AS task, arg_max(project, max) AS project,
           arg_max(status, max) AS status, arg_max(web_url, max) AS web_url
    FROM read_parquet('%(root)s/series/*.parquet', hive_partitioning = false) AS series
    JOIN (SELECT task_id, name, project, status, web_url
          FROM read_parquet('%(root)s/tasks/*.parquet')) USING (task_id)
    WHERE metric NOT LIKE ':monitor:%%' GROUP BY ALL ORDER BY ALL
''').fetchall())
"""


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
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return Seconds(time.perf_counter() - started, _children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
    bare_query, bare_help = [*python, BARE % {"root": root}], [*python, BARE_TYPER]
    names = ("bare duckdb", "query max"), ("bare Typer", "--help")
    compare(names[0], bare_query, query, MOST_QUERY, repeats)
    compare(names[1], bare_help, [tool(), "--help"], MOST_HELP, repeats)


def main() -> None:
    """Print medians, and whether they meet the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--metric")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    if arguments.dataset:
        measure(arguments.dataset, arguments.metric, arguments.repeats)
        return
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "demo"
        subprocess.run([tool(), "demo", "--data", str(data)], check=True, capture_output=True)
        measure(data, arguments.metric, arguments.repeats)


if __name__ == "__main__":
    main()
