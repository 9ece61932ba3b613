"""Removes a remembered selection from a dataset."""

from pathlib import Path

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.selection.remembered import ListedSelection, remembered
from clearml_snapshot.exporter.store.opening import open_snapshot


def forget_selection(data: Path, number: int, *, wait: bool = False) -> ListedSelection:
    """Remove one selection, in a new snapshot; the stored tasks do not change.

    Args:
        data: the dataset's folder, or its address in a bucket.
        number: counts from 1, as ``remembered`` does.
        wait: wait until another writer has finished instead of failing.

    Raises:
        NoDatasetError: there is no dataset.
        UsageError: there is no selection of that number.
        LockedError: another process is writing to this folder.
        SnapshotError: a store refuses, or cannot be reached.
    """
    from clearml_snapshot.exporter.store.writing.place import place_at

    open_snapshot(data)  # before the lock, which would turn an empty folder into a dataset
    place = place_at(data)
    place.check(None)
    with place.writing(wait=wait) as dataset:
        snapshot = dataset.snapshot
        if snapshot is None:
            raise DatasetError(f"the snapshot of {data} was removed; export again")
        listed = remembered(snapshot.selections)
        if not 1 <= number <= len(listed):
            raise UsageError(f"there is no selection {number}; {_hint(len(listed))}")
        kept = [entry for at, entry in enumerate(snapshot.selections or (), 1) if at != number]
        dataset.amend(selections=kept)
    return listed[number - 1]


def _hint(count: int) -> str:
    if not count:
        return "the dataset remembers no selections"
    return f"choose a number from 1 to {count} (clearml-snapshot selections)"
