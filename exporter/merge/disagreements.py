"""Finds copies of a task that should be equal but have different points: one of them is wrong.

The outlines of their series are compared; ``verify`` checks them against the points.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import pyarrow as pa

from clearml_snapshot.exporter.merge.rules import MergeDecision, TaskCopy
from clearml_snapshot.exporter.merge.sources import Source
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.reading_errors import readable
from clearml_snapshot.exporter.store.engine.sql_text import read_sql

_MEMORY: Final = "256MB"


def unlike_tasks(sources: Sequence[Source], choices: Sequence[MergeDecision]) -> tuple[str, ...]:
    """Find tasks of which two complete copies have the same fingerprint and different points.

    Args:
        sources: in the order to which the copies refer.
        choices: each task with its copies.

    Returns:
        Their ids, sorted.
    """
    pairs: dict[tuple[int, int], list[str]] = defaultdict(list)
    for choice in choices:
        whole = sorted((c for c in choice.ranked if c.state == "complete"), key=_source)
        for one, other in combinations(whole, 2):
            if (one.fingerprint, one.metric_filter) == (other.fingerprint, other.metric_filter):
                pairs[one.source, other.source].append(one.task_id)
    found: set[str] = set()
    for (one_at, other_at), task_ids in pairs.items():
        found |= _unlike(sources[one_at], sources[other_at], task_ids)
    return tuple(sorted(found))


def _source(copy: TaskCopy) -> int:
    return copy.source


def _unlike(one: Source, other: Source, task_ids: Sequence[str]) -> set[str]:
    files = literals([*one.snapshot.paths("series"), *other.snapshot.paths("series")])
    with (
        readable(f"{one.snapshot.root} or {other.snapshot.root}"),
        engine(memory_limit=_MEMORY) as connection,
    ):
        connection.register("requested", pa.table({"task_id": pa.array(task_ids, pa.string())}))
        found = connection.execute(read_sql(__package__, "disagreements.sql"), {"files": files})
        return {task_id for (task_id,) in found.fetchall()}
