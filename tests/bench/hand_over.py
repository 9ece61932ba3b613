"""A snapshot of about 1 GB handed over: seconds and peak memory of each step.

    python -m tests.bench.hand_over [--tasks 1400 --series 20 --points 5000 --data DIR]

Writes a dataset of values that do not compress (minutes; kept in --data and used again),
then runs each step as a process of its own. Exits non-zero when one fails, when two packs differ,
or when a step holds more than 600 MB.
"""

import argparse
import filecmp
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.catalogue import build

MOST_MB: Final = 600


def step(*typed: str) -> None:
    """Run one command and print what it took."""
    tool = str(Path(sys.executable).with_name("clearml-snapshot"))
    begun = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(tool, [tool, *typed], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)  # kilobytes on Linux
    took, megabytes = time.perf_counter() - begun, used.ru_maxrss / 1024
    print(f"{took:7.1f}  {megabytes:6.0f}  {' '.join(typed)}", flush=True)
    if status or megabytes > MOST_MB:
        sys.exit(f"failed: {typed[0]} ended with {os.waitstatus_to_exitcode(status)}")


def main(arguments: argparse.Namespace) -> None:
    """Build, hand over, print."""
    with tempfile.TemporaryDirectory() as home:
        data = arguments.data or Path(home) / "data"
        if not (data / "current").exists():
            build(data, arguments)
        os.chdir(home)
        os.environ["XDG_CACHE_HOME"] = f"{home}/cache"
        print("seconds      MB  step")
        step("pack", "-q", "--data", str(data), "-o", "one.zip")
        step("pack", "-q", "--data", str(data), "-o", "two.zip")
        if not filecmp.cmp("one.zip", "two.zip", shallow=False):
            sys.exit("two packs of the same contents differ")
        print(f"                 one.zip has {Path('one.zip').stat().st_size / 1e9:.2f} GB")
        Path("two.zip").unlink()
        step("pack", "-q", "--data", str(data), "-o", "part", "--metric", "metric 3")
        step("pack", "-q", "--data", str(data), "-o", "safe", "--redact", "hosts,params")
        step("unpack", "-q", "one.zip", "-o", "unpacked")
        step("query", "max", "-q", "--metric", "metric 3", "--data", "one.zip")
        step("query", "max", "-q", "--metric", "metric 3", "--data", "one.zip")
        step("verify", "-q", "one.zip")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tasks", 1_400), ("series", 20), ("points", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--data", type=Path)
    main(parser.parse_args(namespace=argparse.Namespace(noise=True)))
