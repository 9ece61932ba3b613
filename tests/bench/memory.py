"""Peak memory of real exports of about 1 million and 50 million points from the stand-in.

    python tests/bench/memory.py [TASKS,SERIES,POINTS …]

The export is a process of its own; the figure is the most memory that it ever held (VmHWM).
Exits non-zero when one exceeds 400 MB, or 100 MB more than the first.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

GRIDS: Final = ("100,10,1000", "500,10,10000", "1,10,2000000")
MOST_MB: Final = 400
MOST_ABOVE_MB: Final = 100


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


def cost(environment: dict[str, str], data: Path) -> tuple[float, float]:
    """Export everything; returns the processor seconds, and the most megabytes that it held."""
    tool = str(Path(sys.executable).with_name("clearml-snapshot"))
    command = [tool, "export", "--all", "--quiet", "--data", str(data)]
    export = os.posix_spawn(tool, command, environment)
    _, status, used = os.wait4(export, 0)  # kilobytes on Linux
    if status:
        sys.exit(f"the export failed: {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Measure each grid and print a line for it."""
    grids = sys.argv[1:] or GRIDS
    first: float | None = None
    print("    points  peak MB  seconds  CPU s/M points  grid (tasks, series, points)")
    for grid in grids:
        with server(grid) as environment, tempfile.TemporaryDirectory() as home:
            begun = time.perf_counter()
            processor, megabytes = cost(environment, Path(home) / "data")
            took = time.perf_counter() - begun
            header = json.loads((Path(home) / "data/current/snapshot.json").read_bytes())
        points = header["totals"]["points"]
        rate = processor / points * 1e6
        print(f"{points:10,} {megabytes:8.0f} {took:8.0f} {rate:15.2f}  {grid}", flush=True)
        first = megabytes if first is None else first
        if megabytes > MOST_MB or megabytes > first + MOST_ABOVE_MB:
            sys.exit(f"more than {MOST_MB} MB, or {MOST_ABOVE_MB} MB above the first")


if __name__ == "__main__":
    main()
