"""Packs from a bucket, whose files are brought to this machine, and packs that are put into one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.copying.bucket_target import BucketTarget
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.local.copy import local_copy
from clearml_snapshot.queries.dataset import Dataset

_ARCHIVE: Final = ".zip"


@contextmanager
def on_this_machine(dataset: Dataset, progress: Progress) -> Iterator[Dataset]:
    """Provide a dataset whose files are here; of one in a bucket they are brought.

    With a filter, points of other projects than those of its tasks stay there.

    Raises:
        DatasetError: a file is missing, or is not as it was written.
        SnapshotError: the store refuses, or there is no space.
    """
    if dataset.snapshot.elsewhere is None:
        yield dataset
        return
    projects = dataset.tasks().project("project_id").distinct().fetchall()
    folders = {layout.partition(project_id) for (project_id,) in projects}

    def is_needed(entry: FileEntry) -> bool:
        is_chosen = dataset.filter is None or entry.path.split("/")[1] in folders
        return entry.table != "scalars" or is_chosen

    progress.note(f"bringing files of {dataset.snapshot.location} to this machine")
    with (
        local_copy(dataset.snapshot, is_needed) as here,
        dataset.opened_again(at=here) as (opened, _),
    ):
        yield opened


def target_in_bucket(target: Path, dataset: Dataset) -> BucketTarget:
    """Check that a pack can be put at an address, as a dataset of one snapshot.

    Raises:
        UsageError: something that is not a pack is there, or what would be packed.
        SnapshotError: the store refuses, or cannot be reached.
    """
    there = BucketTarget(target, setting("target"), replaces_packs=True)
    if str(there).lower().endswith(_ARCHIVE):
        raise UsageError(
            f"{setting('target')} {there}: a pack in a bucket is a dataset, which commands read "
            f"where it is; omit {_ARCHIVE}, or pack into a file and upload that"
        )
    if str(dataset.snapshot.location) == str(there):
        raise UsageError(
            f"{setting('target')} {there} is what would be packed; choose another address"
        )
    there.check()
    return there
