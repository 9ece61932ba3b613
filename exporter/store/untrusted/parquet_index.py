"""Compares the page index of a Parquet column with its pages and rows: readers skip pages by it.

A bound, a place or an order that is not true hides rows, as false statistics of a row group do.
Layout: parquet.thrift, ColumnIndex and OffsetIndex.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO, Final

from clearml_snapshot.exporter.store.untrusted.parquet_values import Extent, is_same
from clearml_snapshot.exporter.store.untrusted.thrift import Reader, Struct

_MOST_BYTES: Final = 16 * 2**20
"""Bytes of the index of one column of a row group; twenty pages take a kilobyte."""

_PLACES, _BOUNDS = (4, 5), (6, 7)
"""The fields of a column chunk that hold where a part of the index begins, and its length."""

_KNOWN: Final[Mapping[str, frozenset[int]]] = {
    "offset index": frozenset((1, 2)),
    "page location": frozenset((1, 2, 3)),
    "column index": frozenset((1, 2, 3, 4, 5, 6, 7)),
}
"""By struct: the fields that clearml-snapshot writes."""

_TRUE: Final = 1
"""How a list of booleans holds true."""
_UNORDERED, _ASCENDING, _DESCENDING = range(3)


class UntrueIndexError(ValueError):
    """A statement of a page index that is not true of its pages."""


@dataclass(frozen=True, slots=True)
class DataPage:
    """A data page as it is in the file, and what its rows are."""

    start: int
    """Where its header begins in the file."""
    size: int
    """Bytes, the header included."""
    first_row: int
    """The row of the row group with which it begins; -1 if it begins inside a row."""
    rows: int
    extent: Extent


def index_spans(chunk: Struct) -> list[tuple[int, int]]:
    """Return where the parts of a chunk's index are, as start and length."""
    return [(chunk[start], chunk[length]) for start, length in (_PLACES, _BOUNDS) if start in chunk]


def check_index(stream: BinaryIO, chunk: Struct, pages: Sequence[DataPage]) -> None:
    """Compare the index of one column of a row group, if there is one, with its data pages.

    Args:
        stream: the file.
        chunk: the column chunk of the footer.
        pages: its data pages in their order.

    Raises:
        UntrueIndexError: something differs.
    """
    if _PLACES[0] in chunk:
        _check_places(_struct(stream, chunk, _PLACES), pages)
    elif _BOUNDS[0] in chunk:
        raise UntrueIndexError("has a page index without the places of its pages")
    if _BOUNDS[0] in chunk:
        _check_bounds(_struct(stream, chunk, _BOUNDS), pages)


def _struct(stream: BinaryIO, chunk: Struct, fields: tuple[int, int]) -> Struct:
    start, length = (chunk[field] for field in fields)
    if not 0 < length <= _MOST_BYTES:
        raise UntrueIndexError("has a page index of a size that clearml-snapshot never writes")
    stream.seek(start)
    reader = Reader(stream.read(length))
    index = reader.struct()
    if reader.at != length:
        raise UntrueIndexError("has bytes after its page index")
    return index


def _check_places(index: Struct, pages: Sequence[DataPage]) -> None:
    _refuse_others("offset index", index)
    _same_length(index[1], pages)
    for place, page in zip(index[1], pages, strict=True):
        _refuse_others("page location", place)
        if (place[1], place[2], place[3]) != (page.start, page.size, page.first_row):
            raise UntrueIndexError("has a page elsewhere than stated in its page index")
    if 2 in index and index[2] != [page.extent.text_bytes for page in pages]:
        raise UntrueIndexError("has other sizes than stated in its page index")


def _check_bounds(index: Struct, pages: Sequence[DataPage]) -> None:
    _refuse_others("column index", index)
    nulls = index.get(5, [page.extent.nulls for page in pages])
    for values in (index[1], index[2], index[3], nulls):
        _same_length(values, pages)
    for page, is_null, low, high, null_count in zip(
        pages, index[1], index[2], index[3], nulls, strict=True
    ):
        extent = page.extent
        if (is_null == _TRUE) != (extent.nulls == extent.slots) or null_count != extent.nulls:
            raise UntrueIndexError("has other NULLs than stated in its page index")
        if is_null == _TRUE:
            is_true = low == high == b""
        else:
            is_true = is_same(low, extent.low, extent) and is_same(high, extent.high, extent)
        if not is_true:
            raise UntrueIndexError("has a page with other bounds than stated in its page index")
    _check_order(index[4], [page.extent for page in pages if page.extent.low is not None])
    _check_levels(index, pages)


def _check_order(order: int, extents: Sequence[Extent]) -> None:
    """Check the order of the bounds of all pages with values."""
    steps = [*pairwise(extents)]
    if order == _DESCENDING:
        steps = [(after, before) for before, after in steps]
    is_true = order == _UNORDERED or (
        order in (_ASCENDING, _DESCENDING)
        and all(
            first.lowest <= second.lowest and first.highest <= second.highest
            for first, second in steps
        )
    )
    if not is_true:
        raise UntrueIndexError("has pages in another order than stated in its page index")


def _check_levels(index: Struct, pages: Sequence[DataPage]) -> None:
    """Compare the histograms of lists and NULLs, if there are any, with each page."""
    for field in (6, 7):
        counts: list[Any] = index.get(field) or []
        width, rest = divmod(len(counts), max(1, len(pages)))
        parts = [counts[at * width : (at + 1) * width] for at in range(len(pages))]
        for page, part in zip(pages, parts, strict=True):
            stated, true = (
                (part[:1], page.rows)
                if field == 6
                else (part[-1:], page.extent.slots - page.extent.nulls)
            )
            if counts and (rest or stated != [true] or sum(part) != page.extent.slots):
                raise UntrueIndexError("has other levels than stated in its page index")


def _same_length(values: Sequence[object], pages: Sequence[DataPage]) -> None:
    if len(values) != len(pages):
        raise UntrueIndexError("has other pages than stated in its page index")


def _refuse_others(kind: str, fields: Struct) -> None:
    unknown = fields.keys() - _KNOWN[kind]
    if unknown:
        raise UntrueIndexError(
            f"has an unknown field {min(unknown)} of a {kind}, which clearml-snapshot never writes"
        )
