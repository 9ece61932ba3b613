"""A process that writes millions of points stays small."""

import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer

NOW = datetime.now(UTC)


def page(task_id, start, rows=10_000):
    iterations = pa.array(np.arange(start, start + rows))
    texts = [pa.repeat(t, rows) for t in (task_id, "loss", "train", "worker")]
    time = iterations.cast(pa.timestamp("ms", tz="UTC"))
    columns = [*texts[:3], iterations, time, iterations.cast(pa.float64()), texts[3]]
    return pa.table(columns, schema=SCALARS)


def add(stage, task_id, pages):
    buffer = PointBuffer(stage, "p")
    for number in range(pages):
        buffer.add(page(task_id, number * 10_000))
    stage.add({"task_id": task_id, "project_id": "p", "server_id": "s", "state": "complete",
               "fetched_at": NOW, "fingerprint": "f", "comment": "c" * 500},
              [{"section": "Args", "name": str(n), "value": "1"} for n in range(50)],
              buffer.finish())


base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with writing(Path(sys.argv[1])) as dataset:
    stage = dataset.new_stage()
    add(stage, "huge", 130)
    for number in range(170):
        add(stage, f"task{number}", 1)
    row = {"export_id": "e", "started": NOW, "result": "complete"}
    dataset.commit(stage, server={}, selections={}, export_row=row)
    stage = dataset.new_stage()
    add(stage, "task7", 1)
    last = dataset.commit(stage, server={}, selections={}, export_row=row)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(last.totals.points, (peak - base) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_three_million_points_take_less_than_250_megabytes(tmp_path: Path) -> None:
    """An export has 400 MB in all, of which about 120 are imports."""
    run = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=True,
    )
    points, megabytes = map(int, run.stdout.split())
    assert points == 3_000_000
    assert megabytes < 250
