"""Brings the files of one snapshot into a folder, and reports those that are not as written."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects.remote import ReadableDataset, RemoteSnapshot
from clearml_snapshot.exporter.store.objects.store_errors import MissingObjectError
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, read_header
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem

AT_ONCE: Final = 4
"""Files in transfer at once; a block of about a megabyte of each is in memory."""
_SHORT_HASH: Final = 12


@dataclass(frozen=True)
class Arriving:
    """A snapshot whose files are brought into a folder."""

    dataset: ReadableDataset
    remote: RemoteSnapshot
    folder: Path

    @property
    def place(self) -> str:
        """The address of the dataset."""
        return self.dataset.address

    def bring_texts(self) -> Snapshot:
        """Write the texts of the snapshot and the pages of a pack, and return what they describe.

        A page that is missing is left out; a damaged one is written as it is.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
            OSError: the disk is full.
        """
        for name, text in self.remote.texts.items():
            with named(self.folder / name):
                (self.folder / name).write_bytes(text)
        for name, digest in self.remote.pages.items():
            key = self.dataset.page_key(self.remote.listed.number, name, digest)
            self._problem(key, name, digest, None, self.folder / name)
        return described(self.folder, read_header(self.folder))

    def bring(self, entries: Iterable[FileEntry]) -> None:
        """Write data files into the folder, and validate them like those of a pack.

        Raises:
            DatasetError: one is missing, is not as it was written, or has wrong metadata.
            SnapshotError: the store refuses, or cannot be reached.
            OSError: the disk is full.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for problem in pool.map(self._first_problem, entries):
                if problem is not None:
                    pool.shutdown(cancel_futures=True)
                    raise DatasetError(
                        f"{self.place} is damaged: {problem}; run clearml-snapshot verify"
                    )

    def _first_problem(self, entry: FileEntry) -> str | None:
        version = self.remote.snapshot.format_version
        return self.problem(entry) or parquet_problem(self.folder / entry.path, entry, version)

    def problem(self, entry: FileEntry, *, is_kept: bool = True) -> str | None:
        """Read a data file, and describe in one line how it differs from what was written.

        Args:
            entry: which.
            is_kept: whether to write it into the folder.

        Raises:
            SnapshotError: the store refuses, or cannot be reached.
            OSError: the disk is full.
        """
        target = self.folder / entry.path if is_kept else None
        key = self.dataset.file_key(self.remote.listed.number, entry)
        return self._problem(key, entry.path, entry.sha256, entry.bytes, target)

    def _problem(
        self, key: str, name: str, digest: str, size: int | None, target: Path | None
    ) -> str | None:
        with ExitStack() as held:
            file = None
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(named(target))
                file = held.enter_context(target.open("wb"))
            try:
                found = self.dataset.bucket.received(key, file, digest)
            except MissingObjectError:
                if target is not None:
                    target.unlink()
                return f"missing: {name} ({key})"
        if size not in (None, found.bytes):
            return f"{found.bytes:,} bytes instead of {size:,}: {name} ({key})"
        if found.sha256 == digest:
            return None
        short = f"{found.sha256[:_SHORT_HASH]}… instead of {digest[:_SHORT_HASH]}…"
        return f"content changed (sha256 {short}): {name} ({key})"
