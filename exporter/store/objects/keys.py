"""Where everything is below the address of a dataset, and what is in it; no network.

Data files have the hash of their content as their name, in the folders of a snapshot: one that two
snapshots share is stored once, and ``project_id=…`` stays readable for every Parquet reader.
"""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout

LAYOUT_VERSION: Final = 1
"""Of what is described here; the version of the tables is that of ``snapshot.json``."""

POINTER: Final = "current.json"
"""The only object that is ever replaced."""
FILES: Final = "files"
MOST_POINTER: Final = 16 * 2**20
MOST_MANIFEST: Final = 256 * 2**20
"""Bytes of a pointer and of a manifest, far beyond what is written."""

PAGES: Final = frozenset({layout.INDEX_HTML, layout.SUMMARY_CSV, layout.REPORT_HTML})
"""Texts that are objects of their own: they may have 100 MB."""

_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Number = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ListedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as the pointer lists it."""

    number: _Number
    content_id: _Hash
    manifest: _Hash
    """The hash of the manifest."""
    created_at: _Moment
    checkpoint: bool = False

    @property
    def manifest_key(self) -> str:
        """The key of its manifest."""
        return f"{self._name}.json"

    @property
    def open_sql_key(self) -> str:
        """The key of the views with explicit addresses."""
        return f"{self._name}.sql"

    @property
    def _name(self) -> str:
        return f"{layout.SNAPSHOTS}/{self.number:06d}-{self.content_id}"


class Pointer(msgspec.Struct, frozen=True):
    """The snapshots of a dataset, oldest first; the last one is the current one."""

    snapshots: tuple[ListedSnapshot, ...]
    format: str = layout.FORMAT
    layout_version: int = LAYOUT_VERSION

    @property
    def current(self) -> ListedSnapshot:
        """The current snapshot."""
        return self.snapshots[-1]


class Manifest(msgspec.Struct, frozen=True):
    """The texts of a snapshot, byte for byte, by their names; pages are not among them."""

    texts: dict[str, str]
    format: str = layout.FORMAT
    layout_version: int = LAYOUT_VERSION


def file_key(entry: FileEntry) -> str:
    """Return the key of a data file."""
    return f"{FILES}/{entry.path.rpartition('/')[0]}/{entry.sha256}.parquet"


def page_key(name: str, sha256: str) -> str:
    """Return the key of a page of a pack."""
    return f"{FILES}/pages/{sha256}/{name}"


def encoded(value: Pointer | Manifest) -> bytes:
    """Write JSON for people too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def decoded_pointer(content: bytes) -> Pointer:
    """Read a pointer.

    Raises:
        ValueError: it is not one, or of a newer layout.
    """
    pointer: Pointer = _decoded(content, Pointer)
    numbers = [snapshot.number for snapshot in pointer.snapshots]
    if not numbers or numbers != sorted({*numbers}):
        raise ValueError("its snapshots are not in order")
    return pointer


def decoded_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: it is not one, or of a newer layout.
    """
    manifest: Manifest = _decoded(content, Manifest)
    return manifest


class NewerLayoutError(ValueError):
    """What was read is of a newer layout."""


class _Versioned(msgspec.Struct):
    format: str = ""
    layout_version: int = 0


def _decoded(content: bytes, kind: Any) -> Any:
    try:
        versioned = msgspec.json.decode(content, type=_Versioned)
        if versioned.format != layout.FORMAT:
            raise ValueError("it was not written by clearml-snapshot")
        if versioned.layout_version > LAYOUT_VERSION:
            raise NewerLayoutError("it was written by a newer version; upgrade clearml-snapshot")
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
