"""Copies snapshots to a dataset folder: files beside the dataset, then folder by folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.copying.incoming import Incoming
from clearml_snapshot.exporter.store.copying.lineage import to_add
from clearml_snapshot.exporter.store.copying.report import CopyReport
from clearml_snapshot.exporter.store.copying.sources import (
    CopiedSnapshot,
    FolderSource,
    Source,
    exports_of_source,
)
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors, named
from clearml_snapshot.exporter.store.disk.files import FileEntry, link_or_copy, sync_file
from clearml_snapshot.exporter.store.disk.targets import check_space
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import kept_snapshots
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages, refuse_forged
from clearml_snapshot.exporter.store.permissions.modes import SharedWith, refuse_without_modes
from clearml_snapshot.exporter.store.snapshots import read_snapshot
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing
from clearml_snapshot.exporter.store.writing.remote.sending import at_once

INCOMING: Final = ".incoming"
"""The folder of files that have arrived; it is outside ``.staging``, so that it survives."""

_NO_LIMIT: Final = 10**9
"""Checkpoints are removed whatever the number."""


def copy_to_folder(
    source: Source,
    target: Path,
    most: int | None,
    progress: Progress,
    *,
    share: SharedWith | None = None,
    make_pages: MakePages | None = None,
) -> CopyReport:
    """Copy what is missing into a dataset folder, under its lock.

    Killed anywhere, the dataset has what it had before, or some of the new snapshots, each
    complete; what has arrived is used by the next copy.

    Args:
        source: what to copy.
        target: a dataset of the same history, or a new or empty folder.
        most: how many snapshots it keeps, the newest ones; None means all.
        progress: reports what is being transferred.
        share: who may read a new one; None is only the owner.
        make_pages: as for ``unpack``.

    Raises:
        LockedError: another process is writing there.
        UsageError: the target is something else, or another dataset.
        DatasetError: a file of the source is damaged.
        SnapshotError: the disk refuses.
    """
    refuse_without_modes(share)
    with disk_errors(target, only_there=True), writing(target, share=share) as dataset:
        there = _there(dataset, target)
        added = _to_add(source, there, str(target))
        arriving = _Arriving(source, target, there)
        arriving.receive(added, progress)
        for snapshot in added:
            arriving.place(dataset, snapshot, make_pages)
        arriving.incoming.remove()
        newest = most or _NO_LIMIT
        dataset.prune(Retention(str(newest), newest=newest))
        return _report(source, target, dataset, arriving, there)


def _there(dataset: Dataset, target: Path) -> FolderSource | None:
    """Read the snapshots that the target has; None if there are none."""
    if dataset.snapshot is None:
        return None
    folders = [layout.snapshot(target, number) for number in kept_snapshots(target)]
    return FolderSource(str(target), [read_snapshot(folder) for folder in folders])


def _to_add(source: Source, there: FolderSource | None, target: str) -> list[CopiedSnapshot]:
    if there is None:
        return [*source.snapshots]
    ids = (lambda: exports_of_source(source)), (lambda: exports_of_source(there))
    return to_add(source.snapshots, there.snapshots, (source.place, target), ids)


class _Arriving:
    """Brings files to a target and makes snapshot folders of them."""

    def __init__(self, source: Source, target: Path, there: FolderSource | None) -> None:
        self._source, self._target = source, target
        self.incoming = Incoming(target / INCOMING)
        self._there: Mapping[str, Path] = {} if there is None else dict(_stored(there))
        self.files = self.bytes = self.present = 0
        self.unproven: list[str] = []

    def receive(self, snapshots: Sequence[CopiedSnapshot], progress: Progress) -> None:
        """Fetch the files that are not there, each once."""
        files = {e.sha256: (s, e) for s in snapshots for e in s.files}
        missing = [
            (snapshot, entry)
            for digest, (snapshot, entry) in files.items()
            if digest not in self._there and not self.incoming.has(entry)
        ]
        self.files, self.present = len(missing), len(files) - len(missing)
        self.bytes = sum(entry.bytes for _, entry in missing)
        if missing:
            check_space(self._target, self.bytes, Path(self._source.place))
            words = size_in_words(self.bytes)
            progress.note(f"copying {self.files:,} files ({words}) to {self._target}")
        at_once(lambda file: self.incoming.receive(self._source, *file), missing)

    def place(
        self, dataset: Dataset, snapshot: CopiedSnapshot, make_pages: MakePages | None
    ) -> None:
        """Make the folder of a snapshot, and publish it."""

        def make(folder: Path, number: int) -> None:
            folder.mkdir(parents=True)
            for entry in snapshot.files:
                path = folder / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                self._place(entry, path)
            for name in snapshot.pages:
                _write(folder / name, self._source.page(snapshot, name))
            for name, text in snapshot.texts.items():
                _write(folder / name, text)
            if not self._source.is_checked:
                arrived = replace(read_snapshot(folder), pack=Path(self._source.place))
                self.unproven += refuse_forged(replace(arrived, pack=None), make_pages)

        dataset.adopt(make, snapshot.number)

    def _place(self, entry: FileEntry, path: Path) -> None:
        there = self._there.get(entry.sha256)
        if there is None:
            self.incoming.place(entry, path)
        else:
            link_or_copy(there, path)


def _stored(there: FolderSource) -> Iterator[tuple[str, Path]]:
    """Yield the files of the target by their hashes."""
    for snapshot in there.snapshots:
        for entry in snapshot.files:
            yield entry.sha256, snapshot.snapshot.root / entry.path


def _write(path: Path, content: bytes) -> None:
    with named(path):
        path.write_bytes(content)
    sync_file(path)


def _report(
    source: Source,
    target: Path,
    dataset: Dataset,
    arriving: _Arriving,
    there: FolderSource | None,
) -> CopyReport:
    now = _there(dataset, target)
    assert now is not None
    before = set() if there is None else {s.number for s in there.snapshots}
    after = {snapshot.number for snapshot in now.snapshots}
    current = now.snapshots[-1]
    return CopyReport(
        source.place,
        str(target),
        current.number,
        current.content_id,
        len(after),
        tuple(sorted(after - before)),
        tuple(sorted(before - after)),
        arriving.files,
        arriving.bytes,
        arriving.present,
        tuple(arriving.unproven),
    )
