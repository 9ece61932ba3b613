"""Copies snapshots to a bucket: data files, then manifests, then the pointer."""

import threading
from collections.abc import Callable, Sequence

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.copying.lineage import to_add, to_keep
from clearml_snapshot.exporter.store.copying.report import CopyReport
from clearml_snapshot.exporter.store.copying.sources import (
    BucketSource,
    CopiedSnapshot,
    Source,
    exports_of_source,
)
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.bucket import Listed
from clearml_snapshot.exporter.store.objects.probe import check_conditions
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.writing.remote.sending import at_once, send_file, send_texts


def copy_to_bucket(
    source: Source, remote: RemoteDataset, most: int | None, progress: Progress
) -> CopyReport:
    """Copy what is missing, and make it visible in one step.

    Killed anywhere, the bucket shows what it had before; what has arrived is found by the next
    copy. If another copy is quicker, the state that it made is the one that is added to.

    Args:
        source: what to copy.
        remote: where to.
        most: how many snapshots the bucket keeps, the newest ones; None means all.
        progress: reports what is being transferred.

    Raises:
        UsageError: the bucket has another dataset, or its store has no compare-and-set.
        DatasetError: a file of the source is damaged.
        SnapshotError: the store refuses, or cannot be reached.
    """
    before = remote.pointer()
    check_conditions(remote.bucket)
    upload = _Upload(source, remote)
    added = upload.choose(None if before is None else before[0])
    upload.send(added, progress)
    listed = {snapshot.number: upload.describe(snapshot) for snapshot in added}

    def next_state(pointer: keys.Pointer | None) -> tuple[keys.ListedSnapshot, ...]:
        chosen = upload.choose(pointer)
        upload.send([s for s in chosen if s.number not in listed], Progress())
        listed.update({s.number: upload.describe(s) for s in chosen if s.number not in listed})
        there = () if pointer is None else pointer.snapshots
        every = [*there, *(listed[snapshot.number] for snapshot in chosen)]
        return tuple(to_keep(every, most, lambda snapshot: snapshot.checkpoint))

    pointer = remote.publish(next_state)
    now = {snapshot.number for snapshot in pointer.snapshots}
    earlier = set() if before is None else {s.number for s in before[0].snapshots}
    return CopyReport(
        source.place,
        remote.address,
        pointer.current.number,
        pointer.current.content_id,
        len(now),
        tuple(sorted((now - earlier) & listed.keys())),
        tuple(sorted(earlier - now)),
        upload.files,
        upload.bytes,
        upload.present,
    )


def put_alone(
    source: Source,
    remote: RemoteDataset,
    check: Callable[[keys.Pointer | None], None],
    progress: Progress,
) -> None:
    """Make the current snapshot of a source the only one of a bucket, in one step.

    Args:
        source: what to copy.
        remote: where to.
        check: receives what is there, and refuses to replace it; asked again if another writer was
            quicker.
        progress: reports what is being transferred.

    Raises:
        UsageError: ``check`` refuses, or the store has no compare-and-set.
        SnapshotError: the store refuses, or cannot be reached.
    """
    before = remote.pointer()
    check(None if before is None else before[0])
    check_conditions(remote.bucket)
    upload, snapshot = _Upload(source, remote), source.snapshots[-1]
    upload.send([snapshot], progress)
    listed = upload.describe(snapshot)

    def next_state(pointer: keys.Pointer | None) -> tuple[keys.ListedSnapshot, ...]:
        if pointer is None or pointer.snapshots != (listed,):  # an answer may have been lost
            check(pointer)
        return (listed,)

    remote.publish(next_state)


class _Upload:
    """Sends the files that are not there yet."""

    def __init__(self, source: Source, remote: RemoteDataset) -> None:
        self._source, self._remote, self._bucket = source, remote, remote.bucket
        self._there: dict[str, Listed] | None = None
        self._sent: set[str] = set()
        self._lock = threading.Lock()
        self.files = self.bytes = self.present = 0

    def choose(self, pointer: keys.Pointer | None) -> list[CopiedSnapshot]:
        """Choose what the bucket does not have yet."""
        snapshots = self._source.snapshots
        there = () if pointer is None else pointer.snapshots
        places = self._source.place, self._remote.address
        return to_add(snapshots, there, places, (self._our_exports, lambda: self._theirs(pointer)))

    def _our_exports(self) -> frozenset[str]:
        return exports_of_source(self._source)

    def _theirs(self, pointer: keys.Pointer | None) -> frozenset[str]:
        assert pointer is not None
        return exports_of(self._remote, pointer.current)

    def send(self, snapshots: Sequence[CopiedSnapshot], progress: Progress) -> None:
        """Send the data files of snapshots, each once."""
        if not snapshots:
            return
        if self._there is None:
            self._there = dict(self._bucket.listing(f"{keys.FILES}/"))
        files = {keys.file_key(e): (s, e) for s in snapshots for e in s.files}
        missing = {k: v for k, v in files.items() if k not in self._sent and not self._has(k, v[1])}
        self.present += len(files) - len(missing)
        if missing:
            size = size_in_words(sum(entry.bytes for _, entry in missing.values()))
            progress.note(f"copying {len(missing):,} files ({size}) to {self._remote.address}")
        at_once(lambda key: self._send(key, *missing[key]), missing)

    def _has(self, key: str, entry: FileEntry) -> bool:
        assert self._there is not None
        found = self._there.get(key)
        if found is not None and found.bytes != entry.bytes:
            raise DatasetError(
                f"{self._bucket.address.of(key)} has {found.bytes} bytes instead of "
                f"{entry.bytes}; remove this object and copy again"
            )
        return found is not None

    def _send(self, key: str, snapshot: CopiedSnapshot, entry: FileEntry) -> None:
        content = self._source.content(snapshot, entry)
        send_file(self._bucket, entry, content)
        with self._lock:
            self._sent.add(key)
            self.files += 1
            self.bytes += entry.bytes

    def describe(self, snapshot: CopiedSnapshot) -> keys.ListedSnapshot:
        """Write pages, views and manifest of a snapshot, and return how the pointer lists it."""
        for name, digest in snapshot.pages.items():
            self._bucket.create(keys.page_key(name, digest), self._source.page(snapshot, name))
        return send_texts(self._bucket, snapshot.snapshot, snapshot.content_id, snapshot.texts)


def exports_of(remote: RemoteDataset, listed: keys.ListedSnapshot) -> frozenset[str]:
    """Read the ids of the exports of a snapshot in a bucket."""
    return exports_of_source(BucketSource(remote, [listed]))
