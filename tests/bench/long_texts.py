"""Measure the peak memory of each command on tasks that have a comment of 1 MB each.

    python -m tests.bench.long_texts [--tasks 150 --only TEXT]

Writes a dataset of ``--tasks`` such tasks and one of twice as many, runs each command as a process
and prints its peak memory on both. Exits with 1 if a command fails, takes more than 700 MB, or
takes over 25 % more for twice as many tasks.
"""

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing

TEXT = 1_000_000
MOST_MB = 700
MOST_GROWTH = 1.25
_SQL = ("sql", "--data", "{data}", "SELECT comment FROM tasks")
COMMANDS = {
    "pack --keep-secrets": ("pack", "--data", "{data}", "--keep-secrets", "-o", "{out}/kept.zip"),
    "verify a pack": ("verify", "{out}/kept.zip"),
    "unpack": ("unpack", "{out}/kept.zip", "-o", "{out}/unpacked"),
    "merge": ("merge", "{out}/kept.zip", "{data}", "-o", "{out}/merged"),
    "pack": ("pack", "--data", "{data}", "-o", "{out}/plain.zip"),
    "pack --redact secrets": (
        *("pack", "--data", "{data}", "--redact", "secrets"),
        *("-o", "{out}/redacted.zip"),
    ),
    "sql -o parquet": (*_SQL, "-o", "{out}/comments.parquet"),
    "sql as csv": (*_SQL, "--format", "csv"),
    "sql as json": (*_SQL, "--format", "json"),
    "sql as a table": (*_SQL, "--format", "table"),
}
"""In the order in which they run: some read what others wrote."""


def make(data: Path, tasks: int) -> None:
    """Write a dataset of complete tasks without points, each with its own comment of 1 MB."""
    chance = random.Random(1)
    words = [f"{chance.getrandbits(24):06x}" for _ in range(5_000)]
    now = datetime.now(UTC)
    with writing(data) as dataset:
        stage = dataset.new_stage()
        for number in range(tasks):
            row = {
                "task_id": f"{number:032x}",
                "project_id": "p",
                "server_id": "https://app.example",
                "state": "complete",
                "status": "completed",
                "fetched_at": now,
                "fingerprint": "f",
                "comment": " ".join(chance.choices(words, k=TEXT // 7 + 1))[:TEXT],
            }
            stage.add(row, [], PointBuffer(stage, "p").finish())
        export = {"export_id": "e", "started": now, "result": "complete"}
        dataset.commit(stage, server={}, selections={}, export_row=export)


def made_apart(data: Path, tasks: int) -> None:
    """Write a dataset in another process: a new process starts with the peak of its parent."""
    maker = multiprocessing.get_context("spawn").Process(target=make, args=(data, tasks))
    maker.start()
    maker.join()
    if maker.exitcode:
        raise SystemExit(f"could not write {data}")


def peak_mb(command: list[str]) -> tuple[int, str]:
    """Run a command and give its peak memory in MB, and why it failed; empty where it did not."""
    program = Path(sys.executable).with_name("clearml-snapshot")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([program, *command], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    unit = 2**20 if sys.platform == "darwin" else 2**10
    failure = (lines or ["no message"])[-1] if process.returncode else ""
    return usage.ru_maxrss // unit, failure


def measure(name: str, folder: Path) -> tuple[list[int], str]:
    """Run a command on both datasets; give both peaks, and what is wrong."""
    peaks = []
    for size in ("once", "twice"):
        places = {"data": str(folder / size), "out": str(folder / f"{size} out")}
        command = [word.format(**places) for word in COMMANDS[name]]
        peak, failure = peak_mb(command)
        peaks.append(peak)
        if failure:
            return peaks, f"failed: {failure}"
    if max(peaks) > MOST_MB:
        return peaks, f"more than {MOST_MB:,} MB"
    if peaks[1] > MOST_GROWTH * peaks[0]:
        return peaks, f"grows by {peaks[1] / peaks[0] - 1:.0%}"
    return peaks, ""


def main() -> int:
    """Measure all commands; 1 if one of them is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=150, help="Tasks of the smaller dataset.")
    parser.add_argument("--only", default="", help="Commands whose name contains this text.")
    chosen = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number, size in enumerate(("once", "twice"), 1):
            made_apart(folder / size, number * chosen.tasks)
            (folder / f"{size} out").mkdir()
        print(f"{'command':24}{chosen.tasks:>8,}{2 * chosen.tasks:>8,}  tasks; MB of memory")
        for name in (name for name in COMMANDS if chosen.only in name):
            peaks, problem = measure(name, folder)
            wrong += bool(problem)
            verdict = f"  WRONG: {problem}" if problem else ""
            print(f"{name:24}{''.join(f'{peak:>8,}' for peak in peaks)}{verdict}", flush=True)
    print(f"{wrong} commands took too much memory, or failed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
