"""Seconds, processor seconds and peak memory of `verify`, beside the SHA-256 of the same files.

    python -m tests.bench.verify_speed [DATASET …]

Each is a process of its own. Exits non-zero when one needs more than 1 GB. Datasets with 10^5 to
10^8 points are written by `make bench-data`.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.store.pointer import current_snapshot_folder

MOST_MB: Final = 1000

_HASHED: Final = """
import hashlib, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.parquet")):
    with path.open("rb") as stream:
        hashlib.file_digest(stream, "sha256")
"""


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return its seconds, its processor seconds, and its peak memory in MB."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3, 5):  # 5: the texts are those of another version
        sys.exit(f"{command} ended with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(datasets: list[str]) -> None:
    """Measure each dataset, and print one line per way to check it."""
    tool = str(Path(sys.executable).with_name("clearml-snapshot"))
    most = 0.0
    for dataset in datasets:
        folder = current_snapshot_folder(Path(dataset))
        if folder is None:
            sys.exit(f"{dataset} has no snapshot; write one with make bench-data")
        for name, command in (
            ("SHA-256", [sys.executable, "-c", _HASHED, str(folder)]),
            ("verify --quick", [tool, "verify", "--quick", dataset]),
            ("verify", [tool, "verify", dataset]),
        ):
            seconds, processor, megabytes = measured(command)
            most = max(most, megabytes)
            print(
                f"{dataset} {name}: {seconds:.1f} s, {processor:.1f} s CPU, {megabytes:.0f} MB",
                flush=True,
            )
    if most > MOST_MB:
        sys.exit(f"{most:.0f} MB is more than {MOST_MB} MB")


if __name__ == "__main__":
    main(sys.argv[1:] or ["/tmp/bench/1e6", "/tmp/bench/1e7"])
