"""The pages of a Parquet column, without decoding one: do they add up to what the footer says?

A reader makes room for what a page's own header says, whatever the footer says of the column. The
header is a Thrift struct in the compact protocol, of which only the sizes count here.
Layout: parquet.thrift, PageHeader; thrift-compact-protocol.md.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

_UNPACKED, _PACKED = 2, 3
"""The fields of a page header that hold its sizes."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _TEXT, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

_MOST_HEADER: Final = 2**16
_USUAL_HEADER: Final = 512
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Page:
    """What a page's header says."""

    header: int
    """Bytes of the header itself."""
    unpacked: int
    """Bytes for which a reader makes room."""
    packed: int
    """Bytes up to the next page."""


def unpacked_size(stream: BinaryIO, start: int, packed: int) -> int:
    """Add up the sizes of the pages of one column of a row group, headers included.

    Args:
        stream: the file.
        start: where the first page begins.
        packed: bytes that the pages take in the file.

    Raises:
        ValueError: there are no such pages.
    """
    at, total = start, 0
    while at < start + packed:
        page = _page(stream, at)
        if page.unpacked < 0 or page.packed < 0:
            raise ValueError("a page of less than nothing")
        total += page.header + page.unpacked
        at += page.header + page.packed
    if at != start + packed:
        raise ValueError("pages that end elsewhere than their column")
    return total


def _page(stream: BinaryIO, at: int) -> Page:
    """Read one header; of a few bytes as a rule, of more where it has statistics of long texts."""
    for length in (_USUAL_HEADER, _MOST_HEADER):
        stream.seek(at)
        try:
            return _Header(stream.read(length)).page()
        except IndexError:
            continue
    raise ValueError("a page without an end to its header")


class _Header:
    """Reads a struct from bytes; IndexError where they end before it does."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def page(self) -> Page:
        sizes = {_UNPACKED: -1, _PACKED: -1}
        field = 0
        while (head := self._byte()) != 0:
            field = field + (head >> 4) if head >> 4 else self._number()
            if field in sizes and head & 15 == _I32:
                sizes[field] = self._number()
            else:
                self._skip(head & 15, _DEEPEST)
        return Page(self._at, sizes[_UNPACKED], sizes[_PACKED])

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, kind: int, depth: int) -> None:
        if depth == 0 or kind > _STRUCT:
            raise ValueError("a page header that is none")
        if kind in (_BYTE, _DOUBLE):
            self._at += 1 if kind == _BYTE else 8
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _TEXT:
            length = self._varint()
            self._at += length
        elif kind == _STRUCT:
            while (head := self._byte()) != 0:
                if not head >> 4:
                    self._varint()
                self._skip(head & 15, depth - 1)
        elif kind in (_LIST, _SET, _MAP):  # no page header has one
            raise ValueError("a page header that is none")
