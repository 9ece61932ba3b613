"""Finds the tasks that another writer has changed as well, since this one planned its work."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.reading import projects_of
from clearml_snapshot.exporter.store.parts.rewrite import RowChange
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.parts.stored import task_rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.build import SnapshotBuilder, changes_of

_STATE: Final = (
    "fetched_at",
    "fingerprint",
    "state",
    "reason",
    "points_stored",
    "metric_filter",
    "project_id",
    "selected",
    "safe_to_delete_at",
)
"""Columns of ``tasks`` of which at least one differs when somebody has written the task again."""

OF_TASKS: Final = tuple(table for table in TABLES if table != "exports")

States = Mapping[str, tuple[Any, ...]]
"""What these columns are, by task."""


@dataclass(frozen=True)
class Conflict:
    """Tasks that two writers have written at the same time."""

    planned: Snapshot | None
    """What was stored when this one planned what to read."""
    theirs: Snapshot
    """What is stored now."""
    fresh: Snapshot
    """What this one has staged, as a snapshot of its own: rows, and points that were read."""
    stage: Stage
    """The same, of which ``refreshed`` and ``params_kept`` count."""
    task_ids: frozenset[str]
    """The tasks."""
    spill: Path
    """A folder for temporary files."""


Rebase = Callable[[SnapshotBuilder, Conflict], None]
"""Fills a new snapshot with theirs and ours, except for ``exports``."""


def states_of(snapshot: Snapshot | None, task_ids: Collection[str]) -> States:
    """Return the state of some tasks; those that are not stored are left out."""
    if snapshot is None or not task_ids:
        return {}
    rows = task_rows(snapshot, task_ids)
    return {row["task_id"]: tuple(row[name] for name in _STATE) for row in rows}


def contested_tasks(task_ids: Collection[str], before: States, now: States) -> frozenset[str]:
    """Return the tasks whose state is not the one from which this writer started."""
    return frozenset(task_id for task_id in task_ids if before.get(task_id) != now.get(task_id))


def keep_theirs(builder: SnapshotBuilder, conflict: Conflict) -> None:
    """Leave contested tasks as the other writer has them: for changes of metadata only."""
    lost = conflict.task_ids
    projects = projects_of(conflict.theirs, conflict.stage.task_ids - lost)
    changes = changes_of(conflict.stage, projects)
    builder.inherit_from(conflict.theirs, projects, changes, conflict.spill, OF_TASKS)
    left = projects_of(conflict.fresh, lost)
    without = dict.fromkeys(OF_TASKS, RowChange(lost))
    builder.inherit_from(conflict.fresh, left, without, conflict.spill, OF_TASKS)


def check_still_there(stage: Stage, theirs: Snapshot | None, place: str) -> None:
    """Check that tasks whose stored points are kept are still stored.

    Raises:
        DatasetError: another dataset has taken the place of the one that was read.
    """
    refreshed = stage.refreshed.keys()
    there = projects_of(theirs, refreshed) if theirs is not None else {}
    if refreshed - there.keys():
        raise DatasetError(
            f"{place} was replaced by another dataset during this export; nothing was added to "
            "it, run it again"
        )
