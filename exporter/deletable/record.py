"""Records in the dataset which tasks were listed as safe to delete on the server."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from clearml_snapshot.exporter.store.parts.stored import task_rows
from clearml_snapshot.exporter.store.writing.place import place_at


def record(data: Path, fetched: Mapping[str, datetime], moment: datetime) -> int:
    """Write ``tasks.safe_to_delete_at`` to a new snapshot; returns the number of tasks.

    A task that was read again since it was listed is left out: its state was not compared.

    Args:
        data: the dataset's folder, or its address in a bucket.
        fetched: the tasks that were listed, each with its ``fetched_at``.
        moment: when they were listed.

    Raises:
        UsageError: this is one snapshot or a pack, which never changes.
        LockedError: another process is writing to this folder.
        SnapshotError: a store refuses, or cannot be reached.
        OSError: writing is not permitted, or the disk is full.
    """
    if not fetched:
        return 0
    place = place_at(data)
    place.check(None)
    with place.writing() as dataset:
        snapshot, stage = dataset.snapshot, dataset.new_stage()
        if snapshot is None:
            return 0
        for row in task_rows(snapshot, fetched):
            if row["state"] == "complete" and row["fetched_at"] == fetched[row["task_id"]]:
                stage.refresh({**row, "safe_to_delete_at": moment}, None)
        if stage.task_ids:
            dataset.commit(
                stage,
                server=snapshot.server,
                selections=snapshot.selections,
                export_row=None,
                prune=False,  # this is not an export, so no snapshot is removed for it
            )
        return len(stage.task_ids)
