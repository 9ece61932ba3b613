"""Writes datasets in a process of their own, so that the one that measures stays small.

Linux counts the memory of the process that starts another one as that one's.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

HELD: Final = 100
"""Points of a task with a file of its own."""

PORT: Final = 28_008
"""Not one that the system may give to a connection."""
HOST: Final = f"http://127.0.0.1:{PORT}"
"""Where writers of these datasets find the stand-in for ClearML."""


def written(folder: Path, name: str, *, tasks: int, points: int | None = None) -> Path:
    """Return a dataset, written the first time.

    Args:
        folder: of datasets.
        name: of this one.
        tasks: how many.
        points: of all tasks, in such files as exports leave; None for a small file per task.
    """
    data = folder / name
    if not (data / "current").exists():
        command = [sys.executable, "-m", __spec__.name, str(data), str(tasks), str(points or 0)]
        subprocess.run(command, check=True)
    return data


def many_files(data: Path, tasks: int) -> None:
    """Write a dataset with a file of points per task."""
    from clearml_snapshot.exporter.store.format.schema import in_memory
    from clearml_snapshot.exporter.store.parts.parquet import write_part
    from clearml_snapshot.exporter.store.parts.staging import TaskPoints
    from clearml_snapshot.exporter.store.writing.dataset import writing
    from tests.bench.data.history import READ_AT, History

    empty = in_memory("scalars").empty_table()
    with writing(data) as dataset:
        stage = dataset.new_stage()
        stage.directory.mkdir()
        for task in History(tasks * 20, 1, tasks).tasks():
            row = {**task.row(), "points_stored": HELD, "points_expected": HELD}
            part = stage.directory / f"of-{task.number}.parquet"
            entry = write_part(part, "scalars", [_points(task.task_id)])
            points = TaskPoints(task.project_id, HELD, empty, (entry,))
            stage.add(row, (), points)
        export = {"export_id": "many", "started": READ_AT, "finished": READ_AT}
        dataset.commit(
            stage,
            server={"host": HOST},
            selections=[],
            export_row=export | {"server": HOST, "result": "complete"},
            compact=False,
        )


def _points(task_id: str) -> Any:
    import pyarrow as pa

    from clearml_snapshot.exporter.store.parts.parquet import conform

    drawn = random.Random(task_id)
    columns = {
        "task_id": [task_id] * HELD,
        "metric": ["loss"] * HELD,
        "variant": ["train"] * HELD,
        "iteration": [*range(HELD)],
        "timestamp": [1_750_000_000_000 + 1_000 * number for number in range(HELD)],
        "value": [drawn.random() for _ in range(HELD)],
        "worker": ["w"] * HELD,
    }
    return conform(pa.table(columns), "scalars")


def main() -> None:
    """Write one dataset."""
    from tests.bench.data.writing import write_dataset

    os.fsync = os.fstat  # type: ignore[assignment]  # a power cut may take it
    data, tasks, points = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if points:
        write_dataset(data, points, n_tasks=tasks)
    else:
        many_files(data, tasks)


if __name__ == "__main__":
    main()
