"""Adds up the pages of a Parquet column without decoding them, to compare with its footer.

A reader allocates what a page's own header states, whatever the footer states of the column.
Layout: parquet.thrift, PageHeader.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from clearml_snapshot.exporter.store.untrusted.thrift import Reader, Struct

_UNPACKED, _PACKED = 2, 3
"""The fields of a page header that hold its sizes."""

_MOST_HEADER: Final = 2**16
_USUAL_HEADER: Final = 512


@dataclass(frozen=True, slots=True)
class Page:
    """The header of a page."""

    header: int
    """Bytes of the header itself."""
    unpacked: int
    """Bytes for which a reader makes room."""
    packed: int
    """Bytes up to the next page."""
    fields: Struct
    """The header."""


def read_pages(stream: BinaryIO, start: int, packed: int) -> Iterator[Page]:
    """Return the pages of one column of a row group.

    Args:
        stream: the file.
        start: where the first page begins.
        packed: bytes that the pages take in the file.

    Raises:
        ValueError: there are no such pages.
    """
    at = start
    while at < start + packed:
        page = _page(stream, at)
        if page.unpacked < 0 or page.packed < 0:
            raise ValueError("negative page size")
        yield page
        at += page.header + page.packed
    if at != start + packed:
        raise ValueError("page sizes do not add up to the column size")


def unpacked_size(stream: BinaryIO, start: int, packed: int) -> int:
    """Add up the sizes of the pages of one column of a row group, headers included.

    Raises:
        ValueError: there are no such pages.
    """
    return sum(page.header + page.unpacked for page in read_pages(stream, start, packed))


def _page(stream: BinaryIO, at: int) -> Page:
    """Read one header; usually a few bytes, more if it has statistics of long texts."""
    for length in (_USUAL_HEADER, _MOST_HEADER):
        stream.seek(at)
        reader = Reader(stream.read(length))
        try:
            fields = reader.struct()
        except IndexError:
            continue
        except ValueError:
            break
        sizes = (fields.get(field) for field in (_UNPACKED, _PACKED))
        unpacked, size = (size if type(size) is int else -1 for size in sizes)
        return Page(reader.at, unpacked, size, fields)
    raise ValueError("invalid page header")
