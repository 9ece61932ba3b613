"""What is copied: the snapshots of a folder, a pack or a bucket, and their files one by one."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id, read_sums
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.remote import ReadableDataset, RemoteSnapshot
from clearml_snapshot.exporter.store.opening import kept_snapshots, open_and_hold, open_snapshot
from clearml_snapshot.exporter.store.pack.cache import cache_folder, scratch_in_cache
from clearml_snapshot.exporter.store.pack.contents import read_pack
from clearml_snapshot.exporter.store.pack.unpack import extract
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold, read_header, read_snapshot
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.untrusted.plain_files import read_plain

_MOST_SUMS: Final = 64 * 2**20
_MOST_PAGE: Final = 2**31


@dataclass(frozen=True, slots=True)
class CopiedSnapshot:
    """A snapshot of a source, whose lists of files agree."""

    number: int
    content_id: str
    snapshot: Snapshot
    texts: Mapping[str, bytes]
    """By name, with ``SHA256SUMS``; without pages."""
    pages: Mapping[str, str]
    """The hash of each page, by its name."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Its data files."""
        return self.snapshot.files


class Source(Protocol):
    """Lends the files of snapshots."""

    place: str
    """Its path or address, as it is typed."""
    is_checked: bool
    """Whether its files were written by this user, or validated when it was opened."""

    @property
    def snapshots(self) -> Sequence[CopiedSnapshot]:
        """Its finished snapshots and the current one, oldest first."""

    def fetch(self, snapshot: CopiedSnapshot, entry: FileEntry, target: Path) -> None:
        """Write a data file into a new file; its hash was compared.

        Raises:
            DatasetError: its bytes are others than those that were stored.
        """

    def content(self, snapshot: CopiedSnapshot, entry: FileEntry) -> bytes:
        """Return the bytes of a data file; their hash was compared.

        Raises:
            DatasetError: its bytes are others than those that were stored.
        """

    def page(self, snapshot: CopiedSnapshot, name: str) -> bytes:
        """Return a page of a pack; its hash was compared.

        Raises:
            DatasetError: its bytes are others than those that were stored.
        """


class FolderSource:
    """Snapshot folders that are held, so that they are not pruned meanwhile."""

    def __init__(
        self, place: str, snapshots: Sequence[Snapshot], *, is_checked: bool = True
    ) -> None:
        self.place, self.is_checked = place, is_checked
        self.snapshots = tuple(map(_described, snapshots))

    def fetch(self, snapshot: CopiedSnapshot, entry: FileEntry, target: Path) -> None:
        """Copy a file."""
        path = snapshot.snapshot.root / entry.path
        digest = hashlib.sha256()
        with path.open("rb") as stream, target.open("wb") as copy:
            while block := stream.read(2**20):
                digest.update(block)
                copy.write(block)
        _compare(path, digest.hexdigest(), entry.sha256)

    def content(self, snapshot: CopiedSnapshot, entry: FileEntry) -> bytes:
        """Read a file."""
        path = snapshot.snapshot.root / entry.path
        content = path.read_bytes()
        _compare(path, hashlib.sha256(content).hexdigest(), entry.sha256)
        return content

    def page(self, snapshot: CopiedSnapshot, name: str) -> bytes:
        """Read a page."""
        path = snapshot.snapshot.root / name
        content = read_plain(path, _MOST_PAGE)
        _compare(path, hashlib.sha256(content).hexdigest(), snapshot.pages[name])
        return content


class BucketSource:
    """Snapshots of a bucket, or of a web server."""

    is_checked = False

    def __init__(self, remote: ReadableDataset, listed: Sequence[keys.ListedSnapshot]) -> None:
        self.place, self.remote = remote.address, remote
        self.snapshots = tuple(_of_bucket(remote.read(one)) for one in listed)

    def fetch(self, snapshot: CopiedSnapshot, entry: FileEntry, target: Path) -> None:
        """Download a file."""
        with target.open("wb") as stream:
            self.remote.bucket.download(self._key(snapshot, entry), stream, entry.sha256)

    def content(self, snapshot: CopiedSnapshot, entry: FileEntry) -> bytes:
        """Download a file into memory."""
        buffer = io.BytesIO()
        self.remote.bucket.download(self._key(snapshot, entry), buffer, entry.sha256)
        return buffer.getvalue()

    def page(self, snapshot: CopiedSnapshot, name: str) -> bytes:
        """Read a page."""
        key = self.remote.page_key(snapshot.number, name, snapshot.pages[name])
        content, _ = self.remote.bucket.read(key, _MOST_PAGE)
        where = self.remote.bucket.address.of(key)
        _compare(where, hashlib.sha256(content).hexdigest(), snapshot.pages[name])
        return content

    def _key(self, snapshot: CopiedSnapshot, entry: FileEntry) -> str:
        return self.remote.file_key(snapshot.number, entry)


@contextmanager
def folder_source(path: Path, most: int | None) -> Iterator[FolderSource]:
    """Open a dataset folder, a snapshot folder or a pack as a source.

    Args:
        path: which.
        most: how many snapshots, the newest ones; None means all.

    Raises:
        DatasetError: there is none, or it is damaged, or its format is too old to be copied.
    """
    refuse_address(path)
    with ExitStack() as held:
        if path.is_file():
            snapshots: Sequence[Snapshot] = [held.enter_context(_unpacked(path))]
            yield FolderSource(str(path), snapshots, is_checked=False)
            return

        def use(*found: Snapshot) -> FolderSource:
            for snapshot in found:
                held.enter_context(hold(snapshot))
            return FolderSource(str(path), found)

        yield open_and_hold(lambda: _of_folder(path, most), use)


def _of_folder(path: Path, most: int | None) -> list[Snapshot]:
    """Read the finished snapshots of a folder and the current one, oldest first."""
    current = open_snapshot(path)
    if (path / layout.SNAPSHOT_JSON).is_file():
        return [current]
    earlier = [layout.snapshot(path, n) for n in kept_snapshots(path) if n < current.number]
    finished = [folder for folder in earlier if not _is_checkpoint(folder)]
    chosen = finished if most is None else finished[max(0, len(finished) - most + 1) :]
    return [*map(read_snapshot, chosen), current]


def _is_checkpoint(folder: Path) -> bool:
    return bool(read_header(folder).get("checkpoint"))


@contextmanager
def _unpacked(pack: Path) -> Iterator[Snapshot]:
    """Unpack an archive for the time of the block; each of its files is checked."""
    contents = read_pack(pack)
    with scratch_in_cache(cache_folder()) as scratch:
        extract(contents, scratch, sorted(contents.archive.files), sync=False)
        yield read_snapshot(scratch)


def _described(snapshot: Snapshot) -> CopiedSnapshot:
    """Read the texts of a snapshot folder and compare their hashes."""
    root = snapshot.root
    if snapshot.format_version < layout.SUMS_SINCE:
        raise DatasetError(
            f"{snapshot.location} has format version {snapshot.format_version}, which has no "
            "SHA256SUMS; the next export writes it, or use clearml-snapshot pack"
        )
    sums = read_plain(root / layout.SHA256SUMS, _MOST_SUMS)
    hashes = read_sums(sums)
    names: list[str] = [name for name in layout.TEXTS if name in hashes]
    pages = {name: hashes[name] for name in names if name in keys.PAGES}
    texts = {
        name: read_plain(root / name, snapshot_json.MOST_BYTES)
        for name in names
        if name not in keys.PAGES
    }
    for name, text in texts.items():
        _compare(root / name, hashlib.sha256(text).hexdigest(), hashes[name])
    listed = {entry.path: entry.sha256 for entry in snapshot.files}
    if listed != {path: digest for path, digest in hashes.items() if path not in names}:
        raise DatasetError(
            f"{root}: snapshot.json and SHA256SUMS list different files; copy the snapshot again"
        )
    texts[layout.SHA256SUMS] = sums
    return CopiedSnapshot(snapshot.number, content_id(sums), snapshot, texts, pages)


def _of_bucket(read: RemoteSnapshot) -> CopiedSnapshot:
    listed = read.listed
    return CopiedSnapshot(listed.number, listed.content_id, read.snapshot, read.texts, read.pages)


def _compare(where: object, digest: str, expected: str) -> None:
    if digest != expected:
        raise DatasetError(
            f"{where} has changed since it was written (checksum mismatch); nothing is copied "
            "from it; get another copy of it"
        )


def exports_of_source(source: Source) -> frozenset[str]:
    """Read the ids of the exports that made the current snapshot of a source."""
    import pyarrow.parquet as pq

    current = source.snapshots[-1]
    ids: set[str] = set()
    for entry in (entry for entry in current.files if entry.table == "exports"):
        content = io.BytesIO(source.content(current, entry))
        ids.update(map(str, pq.ParquetFile(content).read(["export_id"]).column(0).to_pylist()))
    return frozenset(ids)
