"""Files of a snapshot in a bucket, fetched one by one when they are needed on this machine."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.keys import file_key
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem

if TYPE_CHECKING:
    import duckdb

    from clearml_snapshot.exporter.store.objects.file_system import RangeFile, Segments


def fetched_path(folder: Path, entry: FileEntry) -> Path:
    """Return where a fetched file is: named after its hash, as several snapshots may have it."""
    return folder / f"{entry.sha256}.parquet"


class FetchedFiles:
    """The files of one snapshot; what is fetched is named after its hash and checked.

    Args:
        bucket: where they are.
        snapshot: whose they are.
        folder: for those that are fetched; several snapshots may share it.
    """

    def __init__(self, bucket: Bucket, snapshot: Snapshot, folder: Path) -> None:
        self._bucket, self._folder, self._version = bucket, folder, snapshot.format_version
        self._entries: Mapping[str, FileEntry] = {entry.path: entry for entry in snapshot.files}
        self._segments: Segments | None = None

    @property
    def place(self) -> str:
        """The address of the dataset."""
        return str(self._bucket.address)

    def path(self, entry: FileEntry) -> str:
        """Return where a file is on this machine; it is fetched if it was not yet."""
        return str(self.file(entry.path))

    def register(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Do nothing: the paths are on this machine."""

    def file(self, path: str) -> Path:
        """Return where a file is on this machine; it is fetched if it was not yet."""
        entry = self._entries[path]
        self._fetch(entry)
        return self._path(entry)

    def source(self, path: str) -> Path | BinaryIO:
        """Return a file if it was fetched; otherwise one that fetches the ranges that are read."""
        entry = self._entries[path]
        if self._path(entry).exists():
            return self._path(entry)
        return cast("BinaryIO", self._ranges(entry))  # of which Arrow uses what there is

    def _ranges(self, entry: FileEntry) -> "RangeFile":
        from clearml_snapshot.exporter.store.objects.file_system import (  # needs fsspec
            RangeFile,
            Segments,
            StoredFile,
        )

        self._segments = self._segments or Segments()
        key, is_kept = file_key(entry), entry.table != "scalars"
        stored = StoredFile(key, entry.bytes, entry.sha256, is_kept=is_kept)
        return RangeFile(self._bucket, stored, self._segments)

    def _path(self, entry: FileEntry) -> Path:
        return fetched_path(self._folder, entry)

    def _fetch(self, entry: FileEntry) -> None:
        path = self._path(entry)
        if path.exists():
            return
        part = path.with_suffix(f".{threading.get_ident()}.part")  # the one who flushes fetches too
        with named(part), part.open("wb") as stream:
            self._bucket.download(file_key(entry), stream, entry.sha256)
        problem = parquet_problem(part, entry, self._version)
        if problem:
            raise DatasetError(f"{self.place}: {problem}")
        part.replace(path)
