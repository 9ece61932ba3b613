"""The dataset at 1/1000: 100 tasks with 500,000 points each, in a folder and in a bucket."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench.scale.asking import ask, contents, copied
from tests.bench.scale.bucket import simulated_store
from tests.bench.scale.writing import written

TASKS: Final = 100
POINTS: Final = 50_000_000

QUESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("status",),
    "max of a metric": ("query", "max", "--metric", "loss"),
    "leaderboard": ("query", "leaderboard", "--metric", "loss", "--best", "lowest"),
    "curve of one task": (
        *("query", "curve", "--metric", "loss/train", "--points", "200", "--task", "TASK"),
    ),
    "stats of a metric": ("query", "stats", "--metric", "loss"),
    "count of points": ("sql", "SELECT count(*) FROM scalars"),
}
"""``TASK`` is replaced by the id of a task."""


def measure(folder: Path) -> Mapping[str, Any]:
    """Write the dataset, ask questions of it, copy it into a bucket, and ask again."""
    data = written(folder, "points", tasks=TASKS, points=POINTS)
    with simulated_store() as store:
        return {
            "dataset": contents(data),
            "in a folder": ask(QUESTIONS, str(data), data, None, folder),
            "copy": copied(data, store, folder),
            "in a bucket": ask(QUESTIONS, store.at("data"), data, store, folder),
        }
