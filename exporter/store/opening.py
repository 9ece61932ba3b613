"""Opens a snapshot: of a dataset folder, as a folder of its own, or from a pack.

Imports neither pyarrow nor DuckDB, because every query starts here.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.finding import dataset_near
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.address import is_address
from clearml_snapshot.exporter.store.permissions.access import naming_owner
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder, numbers
from clearml_snapshot.exporter.store.snapshots import (
    Snapshot,
    damaged,
    read_header,
    read_snapshot,
)
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json

T = TypeVar("T")

_TRIES: Final = 3


def open_snapshot(
    path: Path, which: int | datetime | None = None, *, points: bool = True
) -> Snapshot:
    """Open a snapshot of a dataset folder, a snapshot folder itself, or a pack.

    A pack is unpacked into a cache, once. Files in a bucket stay there.

    Args:
        path: a dataset, or one of its snapshots wherever it was copied to, packed or not; or the
            address of a dataset in a bucket.
        which: a snapshot's number; negative counts back from the current one (-1 is the one
            before it); an aware datetime selects the last one created until then; None means the
            current one.
        points: whether the files of ``scalars`` are needed; if not, those of a pack may be
            missing until ``pack.cache.with_points``.

    Raises:
        UsageError: the path is an address of another kind, or a wrong one.
        DatasetError: it does not exist, is damaged, or was written by a newer version.
        SnapshotError: a pack cannot be unpacked.
    """
    if is_address(path):
        return _open_in_bucket(path, which)
    refuse_address(path)
    with naming_owner(path):
        return _opened(path, which, points)


def open_and_hold(find: Callable[[], Sequence[Snapshot]], use: Callable[..., T]) -> T:
    """Find snapshots and hand them to a function that holds them.

    A snapshot that is pruned between finding and holding it has a successor by then, so this is
    tried three times.

    Args:
        find: opens the snapshots.
        use: receives them, holds them, and returns the result.

    Raises:
        DatasetError: whatever ``find`` and ``use`` raise.
    """
    for tries_left in reversed(range(_TRIES)):
        snapshots = find()
        try:
            return use(*snapshots)
        except DatasetError:
            if not tries_left or all(snapshot.root.exists() for snapshot in snapshots):
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _opened(path: Path, which: int | datetime | None, points: bool) -> Snapshot:
    if path.is_file() or (path / layout.SNAPSHOT_JSON).is_file():
        snapshot = _open_pack(path, points) if path.is_file() else read_snapshot(path)
        if which is not None and which != snapshot.number:
            raise NoDatasetError(
                f"{path} is a single snapshot (number {snapshot.number}); give the dataset folder "
                "to choose another"
            )
        return snapshot
    if which is None:
        return _open_current(path)
    return read_snapshot(_chosen(path, _current(path), which))


def _open_in_bucket(path: Path, which: int | datetime | None) -> Snapshot:
    from clearml_snapshot.exporter.store.objects.opening import open_in_bucket  # loads DuckDB

    return open_in_bucket(path, which)


def _open_pack(path: Path, points: bool) -> Snapshot:
    from clearml_snapshot.exporter.store.pack.cache import open_pack  # a folder needs none of it

    return open_pack(path, points=points)


def _current(data: Path) -> Path:
    folder = current_snapshot_folder(data)
    if folder is None:
        raise no_dataset(data)
    return folder


def no_dataset(data: Path) -> NoDatasetError:
    """Make the error for a path without a dataset, which names one that may have been meant."""
    near = dataset_near(data)
    hint = (
        "run clearml-snapshot export first"
        if near is None
        else f"did you mean {setting('path', str(near))}?"
    )
    return NoDatasetError(f"no dataset at {data}; {hint}")


def _open_current(data: Path) -> Snapshot:
    """Read the current snapshot, again if a commit pruned it just now."""
    while True:
        folder = _current(data)
        try:
            return read_snapshot(folder)
        except DatasetError:
            if _current(data) == folder:
                raise


def _chosen(data: Path, current: Path, which: int | datetime) -> Path:
    kept = _kept(data, current)
    if isinstance(which, datetime):
        kept_then = [n for n in kept if created(layout.snapshot(data, n)) <= which]
        number = kept_then[-1] if kept_then else None
    elif which < 0:
        number = kept[which - 1] if len(kept) > -which else None
    else:
        number = which if which in kept else None
    if number is None:
        have = ", ".join(str(n) for n in kept)
        raise NoDatasetError(
            f"{data} has no snapshot {which}; available: {have} (export with "
            f"{setting('keep')} keeps more)"
        )
    return layout.snapshot(data, number)


def kept_snapshots(data: Path) -> list[int]:
    """List the numbers of a dataset's snapshots up to the current one, oldest first.

    Raises:
        DatasetError: there is no dataset, or it is damaged.
    """
    return _kept(data, _current(data))


def _kept(data: Path, current: Path) -> list[int]:
    header = read_header(current)
    newest = _of_header(current, snapshot_json.number, header)
    return [number for number in numbers(data) if number <= newest]


def created(folder: Path) -> datetime:
    """Return when a snapshot was made.

    Raises:
        DatasetError: its ``snapshot.json`` is damaged.
    """
    return _of_header(folder, snapshot_json.moment, read_header(folder))


def _of_header(folder: Path, read: Callable[[object], T], header: object) -> T:
    try:
        return read(header)
    except ValueError as error:
        raise damaged(folder, error) from error
