"""Exports at once into one dataset in a bucket: tries, seconds, and that nothing is lost.

Each exports a task of its own, all begin at the same moment, and all end with a commit at the same
pointer: the worst that nightly jobs can do.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.bench.scale.bucket import Request, Store, simulated_store, totals
from tests.bench.scale.record import PROGRAM, Running, Used, run
from tests.bench.scale.writing import PORT

WRITERS: Final = 40
SERIES: Final = 10
POINTS: Final = 1_000
POINTER: Final = "current.json"


def measure(folder: Path) -> Mapping[str, Any]:
    """Let writers commit to an empty bucket."""
    return {"into nothing": _commits(folder)}


def _commits(folder: Path) -> Mapping[str, Any]:
    with simulated_store() as store, clearml_server() as clearml:
        address = store.at("data")
        filling = store.environment("COPY", str(folder / "cache-copy"))
        store.begin()
        begun = time.monotonic()
        writers = [start_writer(folder, store, clearml, n) for n in range(WRITERS)]
        ended = [writer.wait() for writer in writers]
        took = time.monotonic() - begun
        seen = store.seen()
        failed = [w for w, used in zip(writers, ended, strict=True) if used.exit_code]
        errors = [writer.said.strip().splitlines()[-1] for writer in failed]
        stored = _stored_points(folder, address, filling)
        return described(seen, ended, took) | {"points_stored": stored, "errors": errors}


def start_writer(folder: Path, store: Store, clearml: Mapping[str, str], number: int) -> Running:
    """Start an export of one task."""
    own = store.environment(f"W{number}", str(folder / f"cache-w{number}"))
    command = [PROGRAM, "export", "--task-name", f"grid {number}", "--data", store.at("data")]
    return Running(command, {**own, **clearml}, folder / f"writer-{number}.log")


def described(seen: Sequence[Request], ended: Sequence[Used], took: float) -> dict[str, Any]:
    """Describe what each writer sent; a writer is known by its access key."""
    writers = [f"W{number}" for number in range(len(ended))]
    puts = [r for r in seen if r.method == "PUT" and r.key.endswith(POINTER)]
    sent = [sum(r.who == who for r in puts) for who in writers]
    looks = Counter(r.who for r in seen if r.method == "GET" and r.key.endswith(POINTER))
    done = sorted(r.at for r in puts if r.status == 200)
    per_writer = [totals([r for r in seen if r.who == who]) for who in writers]
    manifests = [r.sent for r in seen if r.method == "PUT" and _is_manifest(r)]
    gaps = [later - earlier for earlier, later in pairwise(done)]
    return {
        "writers": len(ended),
        "points_per_writer": SERIES * POINTS,
        "succeeded": sum(used.exit_code == 0 for used in ended),
        "commits": len(done),
        "seconds": round(took, 1),
        "seconds_of_commits": round(done[-1] - done[0], 1),
        "seconds_between_commits": round(statistics.median(gaps), 2),
        "tries": {str(count): sent.count(count) for count in sorted({*sent})},
        "looks": spread([looks[who] for who in writers]),
        "requests": spread([each["requests"] for each in per_writer]),
        "put_requests": spread([each["put_requests"] for each in per_writer]),
        "bytes_sent": spread([each["bytes_sent"] for each in per_writer]),
        "bytes_received": spread([each["bytes_received"] for each in per_writer]),
        "manifests": len(manifests),
        "manifest": max(manifests, default=0),
        "cpu_seconds": spread([round(used.cpu, 2) for used in ended]),
        "megabytes": spread([round(used.megabytes) for used in ended]),
    }


def _is_manifest(request: Request) -> bool:
    return "/snapshots/" in request.key and request.key.endswith(".json")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Describe what each process used or did."""
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


def _stored_points(folder: Path, address: str, environment: Mapping[str, str]) -> int:
    """Count the points of the writers' tasks."""
    statement = "SELECT count(*) FROM scalars WHERE metric LIKE 'metric %'"
    command = [PROGRAM, "sql", statement, "--data", address, "--format", "text"]
    log = folder / "counted.log"
    run(command, environment, log)
    return int(log.read_text(encoding="utf-8"))


@contextmanager
def clearml_server() -> Iterator[Mapping[str, str]]:
    grid = f"{WRITERS},{SERIES},{POINTS}"
    command = [sys.executable, "-m", "clearml_snapshot.exporter.standin", "--grid", grid]
    with subprocess.Popen(
        [*command, "--port", str(PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())["environment"]
        yield {name: value for name, value in said.items() if os.environ.get(name) != value}
        process.stdin.close()
