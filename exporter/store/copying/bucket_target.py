"""An address that gets one new snapshot, such as a pack or the result of a merge."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.copying.sources import folder_source
from clearml_snapshot.exporter.store.copying.to_bucket import put_alone
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.address import parse_address, refuse_web
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.local.copy import bucket_scratch
from clearml_snapshot.exporter.store.objects.probe import check_conditions
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.snapshots import parse_header


class BucketTarget:
    """A place in a bucket with nothing in it, or perhaps an earlier pack.

    Args:
        target: the address.
        option: the beginning of messages.
        replaces_packs: whether an earlier pack may be there.
    """

    def __init__(
        self, target: str | os.PathLike[str], option: str, *, replaces_packs: bool = False
    ) -> None:
        address = parse_address(target)
        refuse_web(address)
        self._remote = RemoteDataset(Bucket.at(address))
        self._option, self._replaces_packs = option, replaces_packs

    def __str__(self) -> str:
        """Return the address as it is typed."""
        return self._remote.address

    def check(self) -> None:
        """Check that it can be written to, before anything is read.

        Raises:
            UsageError: a dataset is there, or the store has no compare-and-set.
            SnapshotError: the store refuses, or cannot be reached.
        """
        there = self._remote.pointer()
        self._refuse(None if there is None else there[0])
        check_conditions(self._remote.bucket)

    @contextmanager
    def filled(self, progress: Progress) -> Iterator[Path]:
        """Provide the path of a folder to make, which is put into the bucket afterwards.

        Raises:
            UsageError: somebody else has put a dataset there meanwhile.
            SnapshotError: the store refuses, or cannot be reached.
        """
        with bucket_scratch() as scratch:
            folder = scratch / "made"
            yield folder
            with folder_source(folder, 1) as source:
                put_alone(source, self._remote, self._refuse, progress)

    def _refuse(self, pointer: keys.Pointer | None) -> None:
        """Refuse to replace what is there."""
        if pointer is None:
            return
        if not self._replaces_packs:
            raise UsageError(
                f"{self._option} {self} already has a dataset; choose an address without one"
            )
        texts = self._remote.read(pointer.current).texts
        header = parse_header(texts[layout.SNAPSHOT_JSON], Path(self._remote.address))
        if len(pointer.snapshots) > 1 or "packed" not in header:
            raise UsageError(
                f"{self._option} {self} has a dataset that is not a pack; choose another address"
            )
