"""Readers with empty caches while exports commit: what each fetches, and whether it is one state.

Each is a process of its own, as on a machine of its own, and counts the same points three times:
in ``scalars``, in ``tasks`` and in ``series``. In a mixed state these differ.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from tests.bench.scale.asking import copied
from tests.bench.scale.bucket import Request, Store, simulated_store, totals
from tests.bench.scale.commits import clearml_server, spread, start_writer
from tests.bench.scale.record import PROGRAM, Running, Used
from tests.bench.scale.writing import written

READERS: Final = 400
AT_ONCE: Final = 6
"""Under way: two cores are also those of the store and of the exports."""
COMMITS: Final = 10
FILES: Final = 11
"""With points: 1/1000 of those of the plan."""
COUNTS: Final = (
    "SELECT (SELECT count(*) FROM scalars) AS points, "
    "(SELECT sum(points_stored) FROM tasks) AS of_tasks, (SELECT sum(n) FROM series) AS of_series"
)

Answer = tuple[Used, tuple[int, ...] | None]
"""What the process used, and its counts; None if it failed."""


def measure(folder: Path) -> Mapping[str, Any]:
    """Let readers and exports work on one dataset in a bucket."""
    data = written(folder, "readers", tasks=FILES)
    with simulated_store() as store, clearml_server() as clearml:
        copied(data, store, folder)
        store.begin()
        begun = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            reading = [pool.submit(_read, folder, store, number) for number in range(READERS)]
            exports = [_export(folder, store, clearml, n, reading) for n in range(COMMITS)]
            answers = [future.result() for future in reading]
        took = time.monotonic() - begun
        return described(store.seen(), answers, exports, took)


def _read(folder: Path, store: Store, number: int) -> Answer:
    log, cache = folder / f"reader-{number}.log", folder / f"cache-r{number}"
    shutil.rmtree(cache, ignore_errors=True)  # of an earlier run
    environment = store.environment(f"R{number}", str(cache))
    command = [PROGRAM, "sql", COUNTS, "--data", store.at("data"), "--format", "json"]
    reader = Running(command, environment, log)
    used = reader.wait()
    if used.exit_code:
        print(reader.said, flush=True)
        return used, None
    (row,) = json.loads(log.read_text(encoding="utf-8"))
    return used, tuple(int(count) for count in row.values())


def _export(
    folder: Path,
    store: Store,
    clearml: Mapping[str, str],
    number: int,
    reading: list["Future[Answer]"],
) -> Used:
    """Export one task when its share of the readers has ended."""
    wait(reading[: number * READERS // COMMITS])
    return start_writer(folder, store, clearml, number).wait()


def described(
    seen: Sequence[Request], answers: Sequence[Answer], exports: Sequence[Used], took: float
) -> dict[str, Any]:
    """Describe what was answered, and what each reader took; it is known by its access key."""
    own = [totals([r for r in seen if r.who == f"R{number}"]) for number in range(len(answers))]
    counts = [found for _, found in answers if found is not None]
    return {
        "readers": len(answers),
        "at_once": AT_ONCE,
        "files": FILES,
        "succeeded": len(counts),
        "mixed": sum(len({*found}) > 1 for found in counts),
        "snapshots_seen": len({*counts}),
        "exports": len(exports),
        "exports_succeeded": sum(used.exit_code == 0 for used in exports),
        "requests": spread([each["requests"] for each in own]),
        "bytes_received": spread([each["bytes_received"] for each in own]),
        "requests_per_second": round(len(seen) / took, 1),
        "seconds": round(took, 1),
        "seconds_of_a_reader": spread([round(used.seconds, 2) for used, _ in answers]),
        "cpu_seconds": spread([round(used.cpu, 2) for used, _ in answers]),
        "megabytes": spread([round(used.megabytes) for used, _ in answers]),
    }
