"""Compares series by count, iteration range and the server's totals."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from clearml_snapshot.exporter.store.engine.engine import query_stored
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.parts.reading import paths_with
from clearml_snapshot.exporter.store.snapshots import Snapshot

_CHUNK: Final = 500
"""Tasks whose series are looked up together: a scan of ``series`` costs the same for all."""

Name = tuple[str, str]
"""Metric and variant."""


@dataclass(frozen=True, slots=True)
class SeriesOutline:
    """A series: how many points, its iterations, and the server's totals."""

    n: int
    first_iteration: int | None
    last_iteration: int | None
    server_count: int | None = None
    server_min: float | None = None
    server_max: float | None = None


class StoredOutlines:
    """The series of some tasks in a snapshot, read on demand.

    Args:
        snapshot: what is stored; None is nothing.
        task_ids: the tasks that may be requested, in about this order.
    """

    def __init__(self, snapshot: Snapshot | None, task_ids: Collection[str]) -> None:
        self._snapshot = snapshot
        self._ids = list(task_ids)
        self._chunk = {task_id: at // _CHUNK for at, task_id in enumerate(self._ids)}
        self._read = lru_cache(maxsize=2)(self._read_chunk)

    def of(self, task_id: str) -> Mapping[Name, SeriesOutline]:
        """Return the series of one task."""
        return self._read(self._chunk[task_id]).get(task_id, {})

    def _read_chunk(self, chunk: int) -> dict[str, dict[Name, SeriesOutline]]:
        if self._snapshot is None:
            return {}
        ids = self._ids[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        paths = paths_with(self._snapshot, "series", ids)
        if not paths:
            return {}
        rows = query_stored(
            self._snapshot.root,
            read_sql(__package__, "series_outline.sql"),
            files=literals(paths),
            ids=ids,
        )
        outlines: dict[str, dict[Name, SeriesOutline]] = {}
        for task_id, metric, variant, *outline in rows:
            outlines.setdefault(task_id, {})[metric, variant] = SeriesOutline(*outline)
        return outlines
