"""Compares the statistics of a Parquet file with its rows: readers skip rows by them.

A minimum that is too large hides rows from every reader, and so does a wrong index or filter. So
everything that clearml-snapshot writes is computed again, in the footer and in the header of each
page, and what it never writes is refused. Layout: parquet.thrift, FileMetaData and PageHeader.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.format.schema import in_memory
from clearml_snapshot.exporter.store.untrusted.parquet_footer import footer_problem
from clearml_snapshot.exporter.store.untrusted.parquet_index import (
    DataPage,
    UntrueIndexError,
    check_index,
    index_spans,
)
from clearml_snapshot.exporter.store.untrusted.parquet_pages import Page, read_pages
from clearml_snapshot.exporter.store.untrusted.parquet_values import Extent, Slots, is_same, slots
from clearml_snapshot.exporter.store.untrusted.thrift import Reader, Struct

_BLOOM: Final = "a bloom filter"
_OWN: Final = "additional metadata"
_SEALED: Final = "encryption"
_FILE: Final = {5: _OWN, 8: _SEALED, 9: _SEALED}
_GROUP: Final = {4: "an order of its rows"}
_CHUNK: Final = {
    1: "another file",
    **dict.fromkeys((8, 9), _SEALED),
}
_COLUMN: Final = {8: _OWN, 10: "an index of pages", 14: _BLOOM, 15: _BLOOM}
_STATISTICS: Final = {4: "a number of distinct values"}
_PAGE: Final = {6: "an index page", 8: "pages of version 2"}
_KNOWN: Final[Mapping[str, tuple[frozenset[int], Mapping[int, str]]]] = {
    "file": (frozenset((1, 2, 3, 4, 6, 7)), _FILE),
    "row group": (frozenset((1, 2, 3, 5, 6, 7)), _GROUP),
    "column chunk": (frozenset((2, 3, 4, 5, 6, 7)), _CHUNK),
    "column": (frozenset((1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 16)), _COLUMN),
    "statistics": (frozenset((1, 2, 3, 5, 6, 7, 8)), _STATISTICS),
    "page": (frozenset((1, 2, 3, 4, 5, 7)), _PAGE),
    "data page": (frozenset((1, 2, 3, 4, 5)), {}),
    "dictionary page": (frozenset((1, 2, 3)), {}),
    "sizes": (frozenset((1, 2, 3)), {}),
}
"""By struct: the fields that clearml-snapshot writes, and the names of others that readers use."""

_WRITER: Final = b"parquet-cpp-arrow version "
_ZSTD: Final = 6
_PLAIN, _PLAIN_CODES, _RLE, _DELTA, _CODES = 0, 2, 3, 5, 8
_TEXTS: Final = frozenset((_PLAIN, _PLAIN_CODES, _RLE, _CODES))
_NUMBERS: Final = frozenset((_PLAIN, _RLE, _DELTA))
"""Encodings of a column, by what it holds."""
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_AT_ONCE: Final = 64 * 2**20
"""Bytes of a row group up to which all of its columns are read at once."""
_EDGES: Final = 4
"""Bytes before the first page."""
_TAIL: Final = 8


ReadColumn = Callable[[str], "pa.ChunkedArray[Any]"]
"""Reads a column of one row group."""
Visit = Callable[[ReadColumn], object]


class _UntrueError(Exception):
    """A statement of a file that is not true."""


def parquet_problem(
    path: Path, entry: FileEntry, version: int, visit: Visit | None = None
) -> str | None:
    """Check that a file whose hash is right belongs to its table and that its metadata are true.

    Args:
        path: the file.
        entry: its entry in snapshot.json.
        version: the snapshot's format version, which decides the columns.
        visit: receives each row group before its metadata are compared with it, so that the
            caller need not read the file again.

    Returns:
        One line for the first problem; None when there is none.
    """
    return footer_problem(path, entry, version) or statistics_problem(path, entry, version, visit)


def statistics_problem(
    path: Path, entry: FileEntry, version: int, visit: Visit | None = None
) -> str | None:
    """Compare a file's statistics with its rows; return one line for the first difference.

    Args:
        path: the file; ``parquet_footer.footer_problem`` found nothing in it.
        entry: its entry in snapshot.json.
        version: the snapshot's format version, which decides the columns.
        visit: as for ``parquet_problem``.
    """
    try:
        with path.open("rb") as stream, _opened(path, entry.table) as file:
            for column_of in _checked_groups(stream, file, entry, version):
                if visit is not None:
                    visit(column_of)
    except _UntrueError as lie:
        return f"{lie}: {entry.path}"
    except (IndexError, KeyError, TypeError, ValueError) as error:
        return f"footer cannot be compared with the rows ({error}): {entry.path}"
    except (OSError, pa.ArrowException) as error:
        return f"not readable as Parquet ({str(error).splitlines()[0]}): {entry.path}"
    return None


def _opened(path: Path, table: str) -> pq.ParquetFile:
    texts = [field.name for field in in_memory(table) if pa.types.is_dictionary(field.type)]
    present = set(pq.read_schema(path, memory_map=False).names)
    return pq.ParquetFile(
        path,
        memory_map=False,
        read_dictionary=[name for name in texts if name in present],
        page_checksum_verification=True,
    )


def _checked_groups(
    stream: BinaryIO, file: pq.ParquetFile, entry: FileEntry, version: int
) -> Iterator[ReadColumn]:
    """Yield how to read each row group, and then compare its metadata with its rows."""
    footer, length = _footer(stream)
    _refuse_others("file", footer)
    if footer[2] != _usual_schema(entry.table, version):
        raise _UntrueError("schema differs from what clearml-snapshot writes")
    if any(order != {1: {}} for order in footer.get(7, ())):
        raise _UntrueError("sort order of values differs from what clearml-snapshot writes")
    if not footer[6].startswith(_WRITER):
        raise _UntrueError("not written by Arrow")
    groups = footer[4]
    _check_places(groups, stream.seek(0, io.SEEK_END) - length - _TAIL)
    for number, group in enumerate(groups):
        _refuse_others("row group", group)
        if len(group[1]) != len(file.schema_arrow.names):
            raise _UntrueError("columns differ from its table")
        column_of = _reading(file, number)
        yield column_of
        for name, column in zip(file.schema_arrow.names, group[1], strict=True):
            _refuse_others("column chunk", column)
            _check_column(stream, column, slots(column_of(name)))


def _check_places(groups: Iterable[Struct], end: int) -> None:
    """Check that columns and page indexes follow each other from the first byte to the footer."""
    spans = []
    for column in (column for group in groups for column in group[1]):
        spans += [(_start(column[3]), column[3][7]), *index_spans(column)]
    at = _EDGES
    for start, length in sorted(spans):
        if start != at or length < 0:
            break
        at += length
    else:
        if at == end:
            return
    raise _UntrueError("bytes that belong to no column, or to two")


def _start(footer: Struct) -> int:
    """Return where the first page of a column begins."""
    return int(min(footer[9], footer.get(11, footer[9])))


def _footer(stream: BinaryIO) -> tuple[Struct, int]:
    """Read the footer as it is in the file, and its length in bytes."""
    stream.seek(-_TAIL, io.SEEK_END)
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(-_TAIL - length, io.SEEK_END)
    reader = Reader(stream.read(length))
    footer = reader.struct()
    if reader.at != length:
        raise _UntrueError("bytes after the footer")
    return footer, length


@lru_cache(maxsize=32)
def _usual_schema(table: str, version: int) -> list[Struct]:
    """Return the schema of a table as clearml-snapshot writes it."""
    newer = missing_columns(table, version)
    columns = [field for field in in_memory(table) if field.name not in newer]
    written = io.BytesIO()
    pq.write_table(pa.schema(columns).empty_table(), written, store_schema=False)
    schema: list[Struct] = _footer(written)[0][2]
    return schema


def _reading(file: pq.ParquetFile, group: int) -> ReadColumn:
    """Return how to read a column of a row group: all of them at once, or one by one if large."""
    if file.metadata.row_group(group).total_byte_size <= _AT_ONCE:
        return file.read_row_group(group).column
    return lambda name: file.read_row_group(group, columns=[name]).column(name)


def _check_column(stream: BinaryIO, chunk: Struct, column_slots: Slots) -> None:
    footer = chunk[3]
    name = footer[3][0].decode()
    _refuse_others("column", footer)
    if footer[4] != _ZSTD:
        raise _UntrueError(f"column {name} has another compression than clearml-snapshot uses")
    if footer[5] != len(column_slots.order):
        raise _UntrueError(
            f"column {name} has {len(column_slots.order):,} values, "
            f"but the footer states {footer[5]:,}"
        )
    extent = column_slots.extent(0, len(column_slots.order))
    _compare(f"column {name}", footer.get(12, {}), extent)
    _check_sizes(name, footer.get(16, {}), column_slots, extent)
    allowed = _NUMBERS if column_slots.lengths is None else _TEXTS
    if not allowed.issuperset(footer[2]):
        raise _UntrueError(f"column {name} has another encoding than clearml-snapshot uses")
    data_pages = _check_pages(stream, footer, column_slots, allowed)
    try:
        check_index(stream, chunk, data_pages)
    except UntrueIndexError as lie:
        raise _UntrueError(f"column {name} {lie}") from lie


def _check_pages(
    stream: BinaryIO, footer: Struct, column_slots: Slots, allowed: frozenset[int]
) -> list[DataPage]:
    """Compare the headers of the pages of a column with its rows; return its data pages."""
    name, at = footer[3][0].decode(), 0
    kinds: Counter[tuple[int, int]] = Counter()
    place, data_pages = _start(footer), []
    for page in read_pages(stream, place, footer[7]):
        page_header = page.fields
        _refuse_others("page", page_header)
        if page_header[1] not in (_DATA_PAGE, _DICTIONARY_PAGE):
            raise _UntrueError(f"column {name} has pages that clearml-snapshot never writes")
        is_data = page_header[1] == _DATA_PAGE
        header = page_header[5 if is_data else 7]
        _refuse_others("data page" if is_data else "dictionary page", header)
        kinds[page_header[1], header[2]] += 1
        if is_data:
            data_pages.append(_data_page(place, page, column_slots, at, header[1]))
            _compare(f"a page of column {name}", header.get(5, {}), data_pages[-1].extent)
            at += header[1]
        elif header.get(3):
            raise _UntrueError(f"column {name} has a dictionary that claims to be sorted")
        place += page.header + page.packed
    if at != len(column_slots.order):
        raise _UntrueError(
            f"column {name} has pages of {at:,} values instead of {len(column_slots.order):,}"
        )
    encodings = {encoding for _, encoding in kinds}
    counted = Counter({(page[1], page[2]): page[3] for page in footer.get(13, ())})
    if not allowed.issuperset(encodings) or not encodings.issubset(footer[2]):
        raise _UntrueError(f"column {name} has another encoding than stated in the footer")
    if 13 in footer and counted != kinds:
        raise _UntrueError(f"column {name} has other pages than stated in the footer")
    return data_pages


def _data_page(start: int, page: Page, column_slots: Slots, at: int, count: int) -> DataPage:
    """Describe a data page of ``count`` slots that begins with the slot ``at``."""
    first, end = column_slots.row(at), column_slots.row(at + count)
    extent = column_slots.extent(at, at + count)
    return DataPage(start, page.header + page.packed, first, end - first, extent)


def _compare(where: str, statistics: Struct, extent: Extent) -> None:
    """Compare statistics, if there are any, with their values."""
    _refuse_others("statistics", statistics)
    if statistics.get(3, extent.nulls) != extent.nulls:
        raise _UntrueError(
            f"{where} has {extent.nulls:,} NULLs, but the statistics state {statistics[3]:,}"
        )
    is_exact = statistics.get(7, True) is True and statistics.get(8, True) is True
    if not is_exact:
        raise _UntrueError(f"{where} has inexact statistics, which clearml-snapshot never writes")
    for fields, true, what in (((5, 1), extent.high, "maximum"), ((6, 2), extent.low, "minimum")):
        for stated in (statistics[field] for field in fields if field in statistics):
            if true is None or not is_same(stated, true, extent):
                raise _UntrueError(f"{where} has another {what} than stated in its statistics")


def _check_sizes(name: str, sizes: Struct, column_slots: Slots, extent: Extent) -> None:
    """Compare the sizes that newer writers add, if there are any."""
    _refuse_others("sizes", sizes)
    values = extent.slots - extent.nulls
    is_same = (
        sizes.get(1, extent.text_bytes) == extent.text_bytes
        and (not sizes.get(2) or (sizes[2][0], sum(sizes[2])) == (column_slots.rows, extent.slots))
        and (not sizes.get(3) or (sizes[3][-1], sum(sizes[3])) == (values, extent.slots))
    )
    if not is_same:
        raise _UntrueError(f"column {name} has other sizes than stated in the footer")


def _refuse_others(kind: str, fields: Struct) -> None:
    """Refuse the fields of a struct that clearml-snapshot never writes."""
    allowed, names = _KNOWN[kind]
    for field in fields.keys() - allowed:
        what = names.get(field, f"unknown field {field} of a {kind}")
        raise _UntrueError(f"contains {what}, which clearml-snapshot never writes")
