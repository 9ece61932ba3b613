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
        complete = sorted((c for c in choice.ranked if c.state == "complete"), key=_source)
        for first, second in combinations(complete, 2):
            if (first.fingerprint, first.metric_filter) == (
                second.fingerprint,
                second.metric_filter,
            ):
                pairs[first.source, second.source].append(first.task_id)
    unlike_ids: set[str] = set()
    for (first_at, second_at), task_ids in pairs.items():
        unlike_ids |= _unlike(sources[first_at], sources[second_at], task_ids)
    return tuple(sorted(unlike_ids))


def _source(copy: TaskCopy) -> int:
    return copy.source


def _unlike(first: Source, second: Source, task_ids: Sequence[str]) -> set[str]:
    files = literals([*first.snapshot.paths("series"), *second.snapshot.paths("series")])
    with (
        readable(f"{first.snapshot.root} or {second.snapshot.root}"),
        engine(memory_limit=_MEMORY) as connection,
    ):
        connection.register("requested", pa.table({"task_id": pa.array(task_ids, pa.string())}))
        answer = connection.execute(read_sql(__package__, "disagreements.sql"), {"files": files})
        return {task_id for (task_id,) in answer.fetchall()}
