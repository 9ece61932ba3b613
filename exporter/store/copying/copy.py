"""Copies a dataset from one place to another; a place is a folder, a pack or an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.copying.report import CopyReport
from clearml_snapshot.exporter.store.copying.sources import BucketSource, Source, folder_source
from clearml_snapshot.exporter.store.copying.to_bucket import copy_to_bucket
from clearml_snapshot.exporter.store.copying.to_folder import copy_to_folder
from clearml_snapshot.exporter.store.copying.to_pack import copy_to_pack
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.objects.address import is_address, parse_address, refuse_web
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.opening import dataset_at
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages
from clearml_snapshot.exporter.store.permissions.modes import SharedWith


def copy(
    source: str,
    target: str,
    *,
    snapshots: int | None = None,
    share: SharedWith | None = None,
    progress: Progress | None = None,
    make_pages: MakePages | None = None,
) -> CopyReport:
    """Copy what is missing; hashes are compared, and the target changes in one step per snapshot.

    Args:
        source: a dataset folder, a snapshot folder, a pack, or an address such as
            ``s3://bucket/prefix`` or ``https://host/path``.
        target: an address in a store, a path that ends with ``.zip``, or a folder: new, empty, or
            a dataset of the same history.
        snapshots: how many the target keeps, the newest ones; None keeps all that it has and adds
            all newer ones.
        share: who may read a new folder; None is only the owner.
        progress: reports what is being transferred; silent by default.
        make_pages: as for ``unpack``.

    Raises:
        UsageError: a place cannot be used, or both are the same, or they have different datasets.
        DatasetError: the source is damaged or newer than this tool.
        LockedError: another process is writing to the target.
        SnapshotError: a disk or a store refuses, or a store cannot be reached.
    """
    progress = progress or Progress()
    if snapshots is not None and snapshots < 1:
        raise UsageError(f"{snapshots} is not a number of snapshots; give at least 1")
    if is_address(target):
        if share is not None:
            raise UsageError(f"{setting('share')} is for folders; a bucket has rights of its own")
        address = parse_address(target)
        refuse_web(address)
        remote = RemoteDataset(Bucket.at(address))
        with _source(source, snapshots) as opened:
            return copy_to_bucket(opened, remote, snapshots, progress)
    refuse_address(target)
    path = Path(target)
    _refuse_same(source, path)
    is_pack = path.suffix.lower() == ".zip"
    with _source(source, 1 if is_pack else snapshots) as opened:
        if is_pack:
            return copy_to_pack(opened, path, progress)
        return copy_to_folder(opened, path, snapshots, progress, share=share, make_pages=make_pages)


@contextmanager
def _source(typed: str, most: int | None) -> Iterator[Source]:
    """Open a source with its newest snapshots."""
    if not is_address(typed):
        with folder_source(Path(typed), most) as opened:
            yield opened
        return
    remote = dataset_at(parse_address(typed))
    listed = remote.snapshots()
    yield BucketSource(remote, listed if most is None else listed[-most:])


def _refuse_same(source: str, target: Path) -> None:
    """Check that a dataset is not copied onto itself, or into itself."""
    if is_address(source):
        return
    ours, theirs = Path(source).resolve(), target.resolve()
    if theirs == ours or ours in theirs.parents:
        raise UsageError(f"{target} is the source itself, or inside it; choose another place")
