"""Export against the loop over `Task.get_all_reported_scalars`, in one run; fails when too slow.

Both are complete processes, including imports and login, and read the same history from the same
replaying server in a process of its own. They alternate, and medians are compared. Bytecode is
compiled before the first run, as it is in an installation. Then one more export, with a clock
around each stage, shows where its processor time goes; the clocks themselves cost some of it.

    python tests/bench/compare_sdk.py [--tasks 200 --series 20 --points 400 --repeats 3]
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
STAGES: Final = HERE / "export_stages.py"
AT_LEAST: Final = {0.0: 3.0, 0.05: 8.0}
"""Seconds of latency a request → how many times faster the export must be."""

SDK_LOOP: Final = """
import sys
from clearml import Task
points = 0
for number in range(1, int(sys.argv[1]) + 1):
    task = Task.get_task(task_id=f"{number:032x}")
    scalars = task.get_all_reported_scalars()
    points += sum(len(one["y"]) for metric in scalars.values() for one in metric.values())
print(points)
"""

COUNT: Final = """
import pathlib, sys, pyarrow.parquet as pq
files = (pathlib.Path(sys.argv[1]) / "current" / "scalars").rglob("*.parquet")
print(sum(pq.read_metadata(file).num_rows for file in files))
"""


@dataclass(frozen=True)
class Shape:
    """The history that both read."""

    tasks: int
    series: int
    points: int

    @property
    def total(self) -> int:
        """All points."""
        return self.tasks * self.series * self.points


@dataclass(frozen=True)
class Run:
    """One process: wall and CPU seconds, peak resident memory in MB."""

    wall: float
    cpu: float
    peak: float


@contextmanager
def server(shape: Shape, latency: float) -> Iterator[str]:
    """Start the replaying server and give its address."""
    sizes = [f"--{name}={getattr(shape, name)}" for name in ("tasks", "series", "points")]
    command = [sys.executable, str(HERE / "replay_server.py"), *sizes, f"--latency={latency}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def environment(address: str, home: Path) -> dict[str, str]:
    """Point both clients at the server, away from any configuration of the user's."""
    left_out = ("CLEARML_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
        "CLEARML_CONFIG_FILE": str(home / "none.conf"),
        "CLEARML_API_HOST": address,
        "CLEARML_WEB_HOST": address,
        "CLEARML_FILES_HOST": address,
        "CLEARML_API_ACCESS_KEY": "bench",
        "CLEARML_API_SECRET_KEY": "bench",
    }


def measure(command: list[str], variables: dict[str, str]) -> tuple[Run, str]:
    """Run to the end; the kernel reports what this child cost."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        output_text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command[:3])} ended with {process.returncode}:\n{output_text[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, megabytes(usage)), output_text


def megabytes(usage: resource.struct_rusage) -> float:
    """Give the peak memory; Linux counts kilobytes, macOS bytes."""
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run_sdk(shape: Shape, address: str, home: Path) -> Run:
    """Read everything with the SDK's loop."""
    command = [sys.executable, "-c", SDK_LOOP, str(shape.tasks)]
    run, output = measure(command, environment(address, home))
    check(output.split()[-1], shape, "the SDK")
    return run


def run_export(shape: Shape, address: str, home: Path, *tool: str) -> Run:
    """Export everything into an empty dataset, and count what is on disk."""
    data = home / "data"
    shutil.rmtree(data, ignore_errors=True)
    tool = tool or (str(Path(sys.executable).with_name("clearml-snapshot")),)
    command = [*tool, "export", "--all", "--data", str(data)]
    run, _ = measure(command, environment(address, home))
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, str(data)], capture_output=True, text=True, check=True
    )
    check(counted.stdout.strip(), shape, "the export")
    return run


def check(points: str, shape: Shape, who: str) -> None:
    """Refuse to compare unless every point arrived."""
    if points != str(shape.total):
        sys.exit(f"{who} has {points} points, not {shape.total}")


def run_stages(shape: Shape, address: str, home: Path) -> dict[str, float]:
    """Export once more, and return the processor seconds of each stage."""
    report = home / "stages.json"
    run_export(shape, address, home, sys.executable, str(STAGES), str(report))
    seconds: dict[str, float] = json.loads(report.read_bytes())
    return seconds


@dataclass(frozen=True)
class Comparison:
    """All runs at one latency."""

    sdk: list[Run]
    export: list[Run]
    stages: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times faster the export is."""
        sdk, export = (statistics.median(r.wall for r in runs) for runs in (self.sdk, self.export))
        return sdk / export


def compare(shape: Shape, latency: float, repeats: int) -> Comparison:
    """Alternate, so that a busy moment of the machine hits both."""
    sdk: list[Run] = []
    export: list[Run] = []
    with server(shape, latency) as address, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        measure([sys.executable, "-c", "from clearml import Task"], environment(address, home))
        run_stages(shape, address, home)  # compiles the bytecode of the export
        for _ in range(repeats):
            sdk.append(run_sdk(shape, address, home))
            export.append(run_export(shape, address, home))
        stages = run_stages(shape, address, home)
    return Comparison(sdk, export, stages)


def line(name: str, latency: float, runs: list[Run], total: int) -> str:
    """Show the medians of one side."""
    wall = statistics.median(run.wall for run in runs)
    cpu = statistics.median(run.cpu for run in runs) / total * 1e6
    peak = max(run.peak for run in runs)
    rate = total / wall / 1e6
    return (
        f"{latency * 1000:5.0f} ms  {name:16}  {wall:8.2f}  {rate:10.3f}  {cpu:12.2f}  {peak:8.0f}"
    )


def print_stages(stages: dict[str, float], total: int) -> None:
    """Show where the processor time of an export goes; a start costs the same for any history."""
    print("          CPU s/M pts  share  stage")
    for stage, seconds in sorted(stages.items(), key=lambda item: -item[1]):
        share = seconds / sum(stages.values())
        print(f"          {seconds / total * 1e6:11.2f}  {share:5.0%}  {stage}", flush=True)


def main() -> int:
    """Print one table; 1 when the export is not as many times faster as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tasks", 200), ("series", 20), ("points", 400), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    shape = Shape(arguments.tasks, arguments.series, arguments.points)
    print(f"{shape.tasks} tasks x {shape.series} series x {shape.points} points = {shape.total:,}")
    print(" latency  client            wall, s    M points/s  CPU s/M pts  peak, MB", flush=True)
    slow = False
    for latency, factor in AT_LEAST.items():
        compared = compare(shape, latency, arguments.repeats)
        print(line("SDK loop", latency, compared.sdk, shape.total))
        print(line("clearml-snapshot", latency, compared.export, shape.total))
        slow |= compared.ratio < factor
        verdict = "too slow" if compared.ratio < factor else "ok"
        print(f"          {compared.ratio:.1f} times faster (at least {factor:g}: {verdict})")
        print_stages(compared.stages, shape.total)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
