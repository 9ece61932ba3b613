"""Answers of the catalogue's queries; a dataset is opened once for all questions about it.

To open one takes as long as most queries do.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import Dataset, open_dataset

_MOST_OPEN: Final = 4
_open: Final[OrderedDict[tuple[Path, TaskFilter | None], Dataset]] = OrderedDict()


def opened(folder: Path, filter: TaskFilter | None = None) -> Dataset:
    """Return the current snapshot of a dataset, open; the last few stay open."""
    key = ((folder / "current").resolve(), filter)
    if key not in _open:
        _open[key] = open_dataset(folder, filter=filter)
    _open.move_to_end(key)
    close_opened(but=_MOST_OPEN)
    return _open[key]


def close_opened(*, but: int = 0) -> None:
    """Close all but the last few."""
    while len(_open) > but:
        _open.popitem(last=False)[1].close()


def ask(
    folder: Path,
    name: str,
    filter: TaskFilter | None = None,
    **typed: Any,
) -> list[dict[str, Any]]:
    """Run a query of the catalogue and return its rows."""
    dataset = opened(folder, filter)
    return dataset.rows(dataset.query(name, **typed)).as_dicts()
