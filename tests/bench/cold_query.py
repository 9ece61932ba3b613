"""A cold `query max` against a bare Python that runs the same SQL with duckdb; fails above 0.15 s.

    python tests/bench/cold_query.py DATASET [--metric loss] [--repeats 15]

Without a dataset the demo's is made in a temporary folder.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

MOST: Final = 0.15
"""Seconds that the tool may add to duckdb's own."""

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


def tool() -> str:
    """Find the command beside this Python."""
    return str(Path(sys.executable).with_name("clearml-snapshot"))


def seconds(command: list[str]) -> float:
    """Run one cold process."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return time.perf_counter() - started


def compare(data: Path, metric: str | None, repeats: int) -> int:
    """Interleave the two, so that a busy moment of the machine hits both."""
    bare = [sys.executable, "-c", BARE % {"root": (data / "current").as_posix()}]
    query = [tool(), "query", "max", "--data", str(data)]
    query += ["--metric", metric] if metric else []
    times = [(seconds(bare), seconds(query)) for _ in range(repeats + 1)][1:]
    bare_median, query_median = (statistics.median(side) for side in zip(*times, strict=True))
    over = statistics.median(ours - theirs for theirs, ours in times)
    print(f"bare duckdb         {bare_median:.3f} s")
    print(f"query max           {query_median:.3f} s")
    print(
        f"over bare, median   {over:.3f} s (at most {MOST}: {'ok' if over <= MOST else 'too slow'})"
    )
    return int(over > MOST)


def main() -> int:
    """Print medians; 1 when the start costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--metric")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    if arguments.dataset:
        return compare(arguments.dataset, arguments.metric, arguments.repeats)
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "demo"
        subprocess.run([tool(), "demo", "--data", str(data)], check=True, capture_output=True)
        return compare(data, arguments.metric, arguments.repeats)


if __name__ == "__main__":
    sys.exit(main())
