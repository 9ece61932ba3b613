"""Where a dataset is written: a folder of this machine, or an address in a bucket."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from clearml_snapshot.exporter.errors import UsageError, not_installed
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.address import is_address, parse_address, refuse_web
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.probe import check_conditions
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.own_cache import own_cache
from clearml_snapshot.exporter.store.permissions.modes import SharedWith, refuse_without_modes
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold
from clearml_snapshot.exporter.store.writing.dataset import arrow_memory_released, writing
from clearml_snapshot.exporter.store.writing.prepare import refuse_one_snapshot
from clearml_snapshot.exporter.store.writing.remote.conflicts import Rebase, keep_theirs
from clearml_snapshot.exporter.store.writing.remote.dataset import RemoteWriter
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter

_MADE: Final = (".gitignore", ".lock", layout.README)
"""What a new dataset folder has before its first commit."""


class Place(Protocol):
    """A place for one dataset; nothing is made before something is written."""

    def check(self, share: SharedWith | None) -> None:
        """Check that it can be written to, before anything else is done.

        Args:
            share: who is to read it; None changes nothing.

        Raises:
            UsageError: it cannot be a dataset, or not be shared.
            SnapshotError: a store refuses, or cannot be reached.
        """

    def has_dataset(self) -> bool:
        """Return whether there is a snapshot."""

    def reading(self) -> AbstractContextManager[Snapshot | None]:
        """Open what is current, for plans that write nothing; None if nothing is there."""

    def writing(
        self, *, wait: bool = False, share: SharedWith | None = None
    ) -> AbstractContextManager[DatasetWriter]:
        """Begin to write.

        Args:
            wait: wait for another writer to end instead of failing.
            share: who may read it from now on; None leaves that as it is.
        """

    def unmade_if_empty(self) -> AbstractContextManager[None]:
        """Leave nothing of a new dataset behind when an error ends it before its first commit."""


def place_at(data: Path, rebase: Rebase = keep_theirs) -> Place:
    """Return the place at a path or an address.

    Args:
        data: a folder, or an address such as ``s3://bucket/prefix``.
        rebase: decides in a bucket about tasks that another writer has changed too.

    Raises:
        UsageError: the address is wrong or on a web server, or a package is missing.
    """
    if not is_address(data):
        return FolderPlace(data)
    address = parse_address(data)
    refuse_web(address)
    if find_spec("fsspec") is None:
        raise not_installed("writing to a bucket", "fsspec")
    return RemotePlace(RemoteDataset(Bucket.at(address)), rebase)


class FolderPlace:
    """A folder, with one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self, share: SharedWith | None) -> None:
        """Check that a folder is not a pack or a snapshot, and can be shared."""
        refuse_without_modes(share)
        refuse_one_snapshot(self.folder)

    def has_dataset(self) -> bool:
        """Return whether there is a snapshot."""
        return current_snapshot_folder(self.folder) is not None

    @contextmanager
    def reading(self) -> Iterator[Snapshot | None]:
        """Open what is current, and hold it."""
        if not self.has_dataset():
            yield None
            return
        snapshot = open_snapshot(self.folder)
        with hold(snapshot):
            yield snapshot

    def writing(
        self, *, wait: bool = False, share: SharedWith | None = None
    ) -> AbstractContextManager[DatasetWriter]:
        """Become the only writer."""
        return writing(self.folder, wait=wait, share=share)

    @contextmanager
    def unmade_if_empty(self) -> Iterator[None]:
        """Remove what an error leaves of a new dataset."""
        folder = self.folder
        is_new, there = not folder.exists(), [name for name in _MADE if (folder / name).exists()]
        try:
            yield
        except BaseException:  # Ctrl-C too; it is raised again
            is_held = layout.staging(folder).exists()  # another export has started here
            if current_snapshot_folder(folder) is None and not is_held:
                for name in _MADE:
                    if name not in there:
                        (folder / name).unlink(missing_ok=True)
                with suppress(OSError):
                    if is_new:
                        folder.rmdir()
            raise


class RemotePlace:
    """An address, with any number of writers."""

    def __init__(self, remote: RemoteDataset, rebase: Rebase) -> None:
        self._remote, self._rebase = remote, rebase

    def check(self, share: SharedWith | None) -> None:
        """Check that the store can be reached and written to, and keeps its conditions."""
        if share is not None:
            raise UsageError(f"{setting('share')} is for folders; a bucket has rights of its own")
        self._remote.pointer()
        check_conditions(self._remote.bucket)

    def has_dataset(self) -> bool:
        """Return whether there is a snapshot."""
        return self._remote.pointer() is not None

    @contextmanager
    def reading(self) -> Iterator[Snapshot | None]:
        """Open what is current; its files are fetched when they are read."""
        with self.writing() as dataset:
            yield dataset.snapshot

    @contextmanager
    def writing(
        self, *, wait: bool = False, share: SharedWith | None = None
    ) -> Iterator[DatasetWriter]:
        """Begin to write beside others: there is nothing to wait for."""
        parent = own_cache("exports") or Path(tempfile.gettempdir())
        with (
            disk_errors(parent, f"what {self._remote.address} has is kept"),
            scratch_in(parent, ".export-") as scratch,
            arrow_memory_released(),
        ):
            yield RemoteWriter(self._remote, scratch, self._rebase)

    @contextmanager
    def unmade_if_empty(self) -> Iterator[None]:
        """Do nothing: nothing is made before the first commit."""
        yield
