"""A million rows in each format, beside DuckDB's own COPY: seconds, ratios and peak memory.

    python -m tests.bench.writing DATA [--rows 1000000 --repeat 5]

``DATA`` is a dataset, for instance one of ``make bench-data``. Each side is a cold process, and the
sides take turns. DuckDB reads the same files with its own ``read_parquet``, and has no counterpart
for Markdown and Arrow.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

COLUMNS: Final = "task_id, metric, variant, iteration, timestamp, value"
FORMATS: Final = ("csv", "tsv", "json", "jsonl", "markdown", "parquet", "arrow", "duckdb")
EXTENSIONS: Final = {"markdown": "md"}
COPIES: Final = {
    "csv": "(FORMAT csv)",
    "tsv": "(FORMAT csv, DELIMITER '\t')",
    "json": "(FORMAT json, ARRAY true)",
    "jsonl": "(FORMAT json)",
    "parquet": "(FORMAT parquet, COMPRESSION zstd)",
}
BY_HAND: Final = """
import duckdb, sys
points, target, how, columns, rows = sys.argv[1:]
select = f"SELECT {columns} FROM read_parquet('{points}') LIMIT {rows}"
if how == "duckdb":
    duckdb.connect(target).execute(f"CREATE TABLE answer AS {select}")
else:
    duckdb.connect().execute(f"COPY ({select}) TO '{target}' {how}")
"""


def run(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds, and its peak memory in MB."""
    measured = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", measured, *command], capture_output=True, text=True, check=True
    )
    return time.perf_counter() - before, float(done.stdout.split()[-1])


def main() -> None:
    """Measure every format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    points = f"{chosen.data}/current/scalars/**/*.parquet"
    program = str(Path(sys.executable).with_name("clearml-snapshot"))
    statement = f"SELECT {COLUMNS} FROM scalars LIMIT {chosen.rows}"
    print(f"{'format':10}{'ours s':>8}{'COPY s':>8}{'ratio':>7}{'ours MB':>9}{'COPY MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMATS:
            target = str(Path(folder, f"answer.{EXTENSIONS.get(form, form)}"))
            how = "duckdb" if form == "duckdb" else COPIES.get(form)
            ours, theirs = [], []
            for _ in range(chosen.repeat):
                Path(target).unlink(missing_ok=True)
                ours.append(
                    run([program, "sql", statement, "--data", str(chosen.data), "-o", target])
                )
                Path(target).unlink(missing_ok=True)
                if how is not None:
                    hand = [points, target, how, COLUMNS, str(chosen.rows)]
                    theirs.append(run([sys.executable, "-c", BY_HAND, *hand]))
            seconds = statistics.median(each[0] for each in ours)
            line = f"{form:10}{seconds:>8.2f}"
            peak = f"{max(each[1] for each in ours):>9,.0f}"
            if theirs:
                by_hand = statistics.median(each[0] for each in theirs)
                line += f"{by_hand:>8.2f}{seconds / by_hand:>7.2f}{peak}"
                line += f"{max(each[1] for each in theirs):>9,.0f}"
            else:
                line += f"{'–':>8}{'–':>7}{peak}{'–':>9}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
