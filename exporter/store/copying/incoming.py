"""Collects the files of a copy by their hashes, beside the target, so that a killed one resumes."""

from pathlib import Path

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.copying.sources import CopiedSnapshot, Source
from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.files import (
    FileEntry,
    link_or_copy,
    make_folder,
    sync_file,
)
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem


class Incoming:
    """A folder of complete files, each named by its hash; ``.part`` ones are not complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, entry: FileEntry) -> bool:
        """Return whether a file has arrived."""
        return self._path(entry).is_file()

    def receive(self, source: Source, snapshot: CopiedSnapshot, entry: FileEntry) -> None:
        """Fetch a file, check it, and keep it.

        Raises:
            DatasetError: it is damaged, or not what a snapshot has.
            OSError: the disk refuses.
        """
        make_folder(self.folder, PRIVATE)
        part = self.folder / f"{entry.sha256}.part"
        with named(part):
            source.fetch(snapshot, entry, part)
        if not source.is_checked:
            problem = parquet_problem(part, entry, snapshot.snapshot.format_version)
            if problem:
                raise DatasetError(f"{source.place}: {problem}")
        sync_file(part)
        part.replace(self._path(entry))

    def place(self, entry: FileEntry, target: Path) -> None:
        """Put a file that has arrived into its place."""
        link_or_copy(self._path(entry), target)

    def remove(self) -> None:
        """Delete this folder of files that were on their way."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

    def _path(self, entry: FileEntry) -> Path:
        return self.folder / entry.sha256
