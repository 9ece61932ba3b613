"""Looks up series and points of copies of tasks, as ``rules`` needs them."""

from collections.abc import Callable, Collection, Mapping, Sequence

from clearml_snapshot.exporter.merge.rules import TaskCopy
from clearml_snapshot.exporter.store.compare.overlap import Batches, Overlap, StoredPoints, overlap
from clearml_snapshot.exporter.store.compare.series_outline import (
    Name,
    SeriesOutline,
    StoredOutlines,
)
from clearml_snapshot.exporter.store.snapshots import Snapshot


def series_lookup(
    snapshots: Sequence[Snapshot], task_ids: Collection[str]
) -> Callable[[TaskCopy], Mapping[Name, SeriesOutline]]:
    """Return a function that gives the stored series of a copy.

    Args:
        snapshots: by the number of the source.
        task_ids: the tasks that may be asked for, in about this order.
    """
    stored = [StoredOutlines(snapshot, task_ids) for snapshot in snapshots]
    return lambda task_copy: stored[task_copy.source].of(task_copy.task_id)


def overlap_lookup(snapshots: Sequence[Snapshot]) -> Callable[[TaskCopy, TaskCopy], Overlap]:
    """Return a function that compares the points of an earlier and a later copy."""

    def points_of(task_copy: TaskCopy) -> list[Batches]:
        task = {task_copy.task_id: (task_copy.project_id, task_copy.points)}
        return StoredPoints(snapshots[task_copy.source], task).of(task_copy.task_id)

    return lambda earlier, later: overlap(points_of(earlier), points_of(later))
