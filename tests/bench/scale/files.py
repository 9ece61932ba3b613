"""What the number of data files costs: sizes of the manifest, opening, and questions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.scale.asking import ask, contents, copied
from tests.bench.scale.bucket import simulated_store
from tests.bench.scale.writing import written

NUMBERS: Final = (100, 1_000, 10_000)
"""Of data files, one per task: a reader fetches the end of each, however long it is."""

QUESTIONS: Final[Mapping[str, Sequence[str]]] = {
    "status": ("status",),
    "max of a metric": ("query", "max", "--metric", "loss"),
    "curve of one task": ("query", "curve", "--metric", "loss/train", "--task", "TASK"),
    "stats of a metric": ("query", "stats", "--metric", "loss"),
    "count of points": ("sql", "SELECT count(*) FROM scalars"),
}

FETCHED: Final = ("status", "max of a metric", "count of points")
"""Asked in a bucket: the others fetch the same, and ranges of rows as in a smaller dataset."""


def dataset(folder: Path, number: int) -> Path:
    """Return the dataset with a number of files."""
    return written(folder, f"files-{number}", tasks=number)


def measure(folder: Path) -> Mapping[str, Any]:
    """Ask the same of datasets with ever more files.

    What was measured of one is kept beside it, so that a run that was stopped continues.
    """
    return {str(number): _measured(number, folder) for number in NUMBERS}


def _measured(number: int, folder: Path) -> Mapping[str, Any]:
    kept = folder / f"files-{number}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_measure(number, folder)), encoding="utf-8")
    record: Mapping[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return record


def _measure(number: int, folder: Path) -> Mapping[str, Any]:
    data = dataset(folder, number)
    fetched = {title: QUESTIONS[title] for title in FETCHED}
    with simulated_store() as store:
        return {
            "dataset": contents(data),
            "copy": copied(data, store, folder),
            "in a folder": ask(QUESTIONS, str(data), data, None, folder),
            "in a bucket": ask(fetched, store.at("data"), data, store, folder),
        }
