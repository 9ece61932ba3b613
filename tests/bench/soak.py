"""SIGKILL an export at random moments, repeatedly; compare every point after each kill.

    python tests/bench/soak.py [--kills 200 --tasks 60 --series 20 --points 200 --seed 1]

Each round requests a few tasks more, and flips ``--no-params``, so that every stored task has new
metadata to commit. Right after each kill plain globs over the current snapshot must show complete
tasks only, each point as the server has it, and none that was committed before may be missing. No
step repairs anything. Only exports that died are counted. Exits non-zero at the first difference.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

TRUTH: Final = """
SELECT count(*) FILTER (
    value IS DISTINCT FROM (
        (split_part(name, ' ', 2)::INT * 31
            + (split_part(metric, ' ', 2)::INT * 4 + split_part(variant, ' ', 2)::INT) * 17
            + iteration * 7) % 1009
    ) / 8
)
FROM read_parquet('{root}/scalars/*/*.parquet')
JOIN read_parquet('{root}/tasks/*.parquet') USING (task_id)
"""
"""The points whose value differs from `grid_value`."""

STORED: Final = """
SELECT task_id, count(*) AS n, count(DISTINCT (metric, variant, iteration)) AS n_distinct
FROM read_parquet('{root}/scalars/*/*.parquet') GROUP BY task_id
"""


@contextmanager
def server(grid: str) -> Iterator[dict[str, str]]:
    """Start a stand-in with a grid history, and give the environment that leads to it."""
    command = [sys.executable, "-m", "clearml_snapshot.exporter.standin", "--grid", grid]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield {**os.environ, **json.loads(process.stdout.readline())["environment"]}
        process.stdin.close()


def export(environment: dict[str, str], data: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start an export."""
    tool = str(Path(sys.executable).with_name("clearml-snapshot"))
    command = [tool, "export", "--quiet", "--once", "--data", str(data), *options]
    return subprocess.Popen(command, env=environment)


def committed(data: Path, a_task: int) -> set[str]:
    """Read the current snapshot by plain globs; every task in it must be complete."""
    root = data / "current"
    if not root.exists():
        return set()
    rows = duckdb.execute(STORED.format(root=root)).fetchall()
    broken = [row for row in rows if row[1] != a_task or row[2] != a_task]
    if broken:
        sys.exit(f"{root.resolve()}: not complete: {broken[:3]}")
    return {str(row[0]) for row in rows}


def wrong_points(data: Path) -> int:
    """Count the stored points that differ from the grid's."""
    if not (data / "current").exists():
        return 0
    ((wrong,),) = duckdb.execute(TRUTH.format(root=data / "current")).fetchall()
    return int(wrong)


def check(data: Path, a_task: int, before: set[str]) -> set[str]:
    """Look at what is current with plain readers; gives the tasks that are committed."""
    now = committed(data, a_task)
    if before - now:
        sys.exit(f"{len(before - now)} committed tasks are gone")
    if wrong := wrong_points(data):
        sys.exit(f"{wrong} points are wrong")
    return now


def soak(arguments: argparse.Namespace) -> int:
    """Kill, look, and in the end compare."""
    chance, a_task = random.Random(arguments.seed), arguments.series * arguments.points
    grid = f"{arguments.tasks},{arguments.series},{arguments.points}"
    with server(grid) as environment, tempfile.TemporaryDirectory() as home:
        data, before, killed, survived, lasts = Path(home) / "data", set[str](), 0, 0, 3.0
        while killed < arguments.kills:
            limit = str(1 + arguments.tasks * killed // arguments.kills)
            flipped = ["--no-params"] if (killed + survived) % 2 else []
            begun = time.monotonic()
            running = export(environment, data, "--all", "--limit", limit, *flipped)
            try:
                running.wait(chance.uniform(0.3, 1.05) * lasts)
                lasts = (lasts + time.monotonic() - begun) / 2
                survived += 1
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                killed += 1
            before = check(data, a_task, before)
        if export(environment, data, "--all").wait():
            sys.exit("the last export failed")
        if len(check(data, a_task, before)) != arguments.tasks:
            sys.exit("the last export is not complete")
    print(
        f"{killed} exports killed, {survived} were faster; then {arguments.tasks} tasks, "
        f"{arguments.tasks * a_task:,} points, none wrong"
    )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("kills", 200),
        ("tasks", 60),
        ("series", 20),
        ("points", 200),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    sys.exit(soak(parser.parse_args()))
