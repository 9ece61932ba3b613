"""Puts what an export has read onto a newer snapshot, which another export has made meanwhile.

Tasks that only one of them has written are taken as they are. Of those that both have written, each
on top of the same older snapshot, the newer reading is used: ``sync/reconcile.py`` has compared
each of them with what was stored before, and ``rules`` compares the two, as in a merge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from clearml_snapshot.exporter.merge.build import Contribution, assign
from clearml_snapshot.exporter.merge.lookups import overlap_lookup, series_lookup
from clearml_snapshot.exporter.merge.rules import MergeDecision, TaskCopy, choose
from clearml_snapshot.exporter.store.parts.reading import projects_of
from clearml_snapshot.exporter.store.parts.rewrite import RowChange
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.parts.stored import task_rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.build import SnapshotBuilder, changes_of
from clearml_snapshot.exporter.store.writing.remote.conflicts import OF_TASKS, Conflict

_THEIRS: Final = 0
_OURS: Final = 1
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Row = Mapping[str, Any]


def rebase(builder: SnapshotBuilder, conflict: Conflict) -> None:
    """Fill a new snapshot with theirs and ours, except for ``exports``."""
    shares = [Contribution(conflict.theirs), Contribution(conflict.fresh)]
    assign(shares, _choices(conflict))
    _fill(builder, conflict, shares)


def _choices(conflict: Conflict) -> list[MergeDecision]:
    """Decide for each contested task, in the order of their ids."""
    ids = sorted(conflict.task_ids)
    planned = {} if conflict.planned is None else _rows(conflict.planned, ids)
    theirs, ours = _rows(conflict.theirs, ids), _rows(conflict.fresh, ids)
    snapshots = [conflict.theirs, conflict.fresh]
    series_of, overlap_of = series_lookup(snapshots, ids), overlap_lookup(snapshots)
    choices = []
    for task_id in ids:
        if task_id not in theirs:  # only ours has it
            choices.append(MergeDecision((_copy(ours[task_id], _OURS),)))
            continue
        pair = _copy(theirs[task_id], _THEIRS), _copy(ours[task_id], _OURS)
        decided = _without_reading(pair, planned.get(task_id), conflict.stage)
        choices.append(decided or choose(pair, series_of, overlap_of))
    return choices


def _without_reading(
    pair: tuple[TaskCopy, TaskCopy], planned: Row | None, stage: Stage
) -> MergeDecision | None:
    """Decide if one of the two has not read the points; None if both have.

    The one that has read them has compared them with those that the other one only kept. If neither
    has, the points are the same, and the one that saw the later change of the task is used.
    """
    theirs, ours = pair
    we_read = ours.task_id not in stage.refreshed
    they_read = planned is None or planned["fetched_at"] != theirs.fetched_at
    if we_read and they_read:
        return None
    if we_read or (not they_read and ours.made > theirs.made):
        return MergeDecision((ours, theirs))
    return MergeDecision((theirs, ours))


def _rows(snapshot: Snapshot, task_ids: Sequence[str]) -> dict[str, Row]:
    return {row["task_id"]: row for row in task_rows(snapshot, task_ids)}


_COLUMNS: Final = tuple(
    field.name for field in fields(TaskCopy) if field.name not in ("source", "made", "taken_out")
)


def _copy(row: Row, source: int) -> TaskCopy:
    """Make a copy to decide about; ``made`` is when the task itself was changed last."""
    columns = {name: row[name] for name in _COLUMNS}
    return TaskCopy(source=source, made=row["last_change"] or _LONG_AGO, taken_out=0, **columns)


def _fill(builder: SnapshotBuilder, conflict: Conflict, shares: Sequence[Contribution]) -> None:
    stage, (theirs, ours) = conflict.stage, shares
    lost = ours.left | ours.series.keys()
    projects = projects_of(theirs.snapshot, stage.task_ids - lost)
    taken = changes_of(stage, projects)
    points = RowChange(
        taken["scalars"].drop - theirs.series.keys(),
        {**taken["scalars"].move, **theirs.places},
        theirs.series,
    )
    changes = {
        "tasks": RowChange(taken["tasks"].drop | theirs.rows.keys()),
        "hyperparams": taken["hyperparams"],
        "series": points,
        "scalars": points,
    }
    spill = conflict.spill
    builder.inherit_from(theirs.snapshot, {**theirs.projects, **projects}, changes, spill, OF_TASKS)
    builder.inherit_from(ours.snapshot, ours.projects, ours.changes(), spill, OF_TASKS)
    edited = Stage(spill / "edited")
    for share in shares:
        for row in share.changed_rows():
            edited.refresh(row, None)
    builder.add_stage(edited)
