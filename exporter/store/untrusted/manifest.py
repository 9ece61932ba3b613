"""Reads ``snapshot.json`` as a typed manifest; the file may have come from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.retention import Retention

MOST_BYTES: Final = 64 * 2**20

_MOST_VALUES: Final = 2_000_000
"""Two for each value of a hundred thousand files; they take at most 400 MB."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count that fits into 64 bits; not a bool."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a snapshot holds; ``bytes`` counts its Parquet files."""

    tasks: Count
    series: Count
    points: Count
    projects: Count
    bytes: Count


class _ListedFile(msgspec.Struct, forbid_unknown_fields=True):
    """One file of a table, with the fields of ``FileEntry``."""

    table: str
    path: str
    rows: Count
    bytes: Count
    sha256: _Hash


class _Selection(msgspec.Struct):
    """What the reader of a remembered selection expects; further fields are allowed."""

    filter: dict[str, bool | int | str | list[str] | None] = {}
    metrics: list[str] = []
    exclude_metrics: list[str] = []
    matched: Count | None = None


class Manifest(msgspec.Struct):
    """The fields of ``snapshot.json`` that are read; further ones are allowed."""

    number: Count
    format_version: Count
    created_at: _Moment
    tool_version: str
    checkpoint: bool
    server: dict[str, Any]
    selections: list[_Selection] | dict[str, Any] | None
    totals: Totals
    files: list[_ListedFile]
    keep: str | None = None
    states: dict[str, Count] = {}

    def entries(self) -> tuple[FileEntry, ...]:
        """Return the listed files."""
        return tuple(FileEntry(f.table, f.path, f.rows, f.bytes, f.sha256) for f in self.files)


class _Numbered(msgspec.Struct):
    """A manifest of which only the number is read."""

    number: Count


class _Dated(msgspec.Struct):
    """A manifest of which only the time is read."""

    created_at: _Moment


def loaded(content: bytes) -> Any:
    """Decode JSON that is strict and not too large.

    Raises:
        ValueError: it is not valid JSON, or it contains too many values.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("it contains too many values")
    with _checking():
        return msgspec.json.decode(content)


def manifest(header: object) -> Manifest:
    """Check the types and ranges of a decoded ``snapshot.json``.

    Raises:
        ValueError: a field is missing, of the wrong type or out of range; the message names it.
    """
    with _checking():
        checked = msgspec.convert(header, Manifest)
    if checked.keep is not None:
        try:
            Retention.parse(checked.keep)
        except ValueError:
            raise ValueError("Expected a retention rule - at `$.keep`") from None
    return checked


def number(header: object) -> int:
    """Return the number of the snapshot.

    Raises:
        ValueError: it is missing, or not a count.
    """
    with _checking():
        return msgspec.convert(header, _Numbered).number


def moment(header: object) -> datetime:
    """Return when the snapshot was made.

    Raises:
        ValueError: it is missing, or not a time with a zone.
    """
    with _checking():
        return msgspec.convert(header, _Dated).created_at


@contextmanager
def _checking() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
