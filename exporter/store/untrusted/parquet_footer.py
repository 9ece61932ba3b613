"""Checks a Parquet footer against the expected schema and size limits.

A file may be forged to mislead readers or to exhaust memory: a column of lists of lists instead of
text, a row group of a billion zeros in a kilobyte, groups that share their bytes.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import ROW_GROUP, TABLES
from clearml_snapshot.exporter.store.untrusted.expansion import most_expanded
from clearml_snapshot.exporter.store.untrusted.parquet_pages import unpacked_size

_MOST_FOOTER: Final = 16 * 2**20
"""Bytes; twenty row groups of thirty columns take a hundredth of it."""

_MOST_AT_ONCE: Final = 2**30
"""Bytes of a row group, at most."""

_ALWAYS_HARMLESS: Final = 64 * 2**20
"""Bytes of a row group up to which the compression ratio is not checked."""

_TAIL: Final = 8


def footer_problem(path: Path, entry: FileEntry, version: int) -> str | None:
    """Compare a file's footer with its table and its entry; return one line if it differs.

    Args:
        path: the file.
        entry: its entry in snapshot.json.
        version: the snapshot's format version, which decides the columns.
    """
    if _MOST_FOOTER < _footer_bytes(path) < path.stat().st_size:  # more is not a footer at all
        return f"a footer larger than {_MOST_FOOTER:,} bytes: {entry.path}"
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            metadata, schema = file.metadata, file.schema_arrow
        differences = chain(
            _differences(metadata, schema, entry, version), _page_problems(path, metadata, entry)
        )
        return next(differences, None)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        return f"not readable as Parquet ({str(error).splitlines()[0]}): {entry.path}"


def _footer_bytes(path: Path) -> int:
    """Read the footer's length where the format has it, before memory is allocated for it."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
        return int.from_bytes(stream.read(4), "little")


def _differences(
    metadata: pq.FileMetaData, schema: pa.Schema, entry: FileEntry, version: int
) -> Iterator[str]:
    rows = metadata.num_rows
    if rows != entry.rows:
        yield f"{rows:,} rows instead of {entry.rows:,}: {entry.path}"
    usual = _schema(entry.table, version)
    if not schema.equals(usual, check_metadata=False):
        yield f"schema differs from {_difference(schema, usual)}: {entry.path}"
    groups = _groups(metadata)
    if sum(group.num_rows for group in groups) != rows:
        yield f"row groups and footer count different rows: {entry.path}"
    if any(group.num_rows > ROW_GROUP or _is_bomb(group) for group in groups):
        yield f"row groups larger than clearml-snapshot writes: {entry.path}"


def _groups(metadata: pq.FileMetaData) -> list[pq.RowGroupMetaData]:
    return [metadata.row_group(at) for at in range(metadata.num_row_groups)]


def _columns(group: pq.RowGroupMetaData) -> list[pq.ColumnChunkMetaData]:
    return [group.column(at) for at in range(group.num_columns)]


def _page_problems(path: Path, metadata: pq.FileMetaData, entry: FileEntry) -> Iterator[str]:
    """Check that pages are as large as stated in the footer, and belong to one column each."""
    groups = _groups(metadata)
    if sum(map(_packed, groups)) > path.stat().st_size:
        yield f"row groups overlap: {entry.path}"
    with path.open("rb") as stream:
        for column in chain.from_iterable(map(_columns, groups)):
            try:
                start = column.dictionary_page_offset or column.data_page_offset
                size = unpacked_size(stream, start, column.total_compressed_size)
            except ValueError as error:
                yield f"{error}: {entry.path}"
                continue
            if size > column.total_uncompressed_size:
                yield f"pages larger than stated in the footer: {entry.path}"


def _packed(group: pq.RowGroupMetaData) -> int:
    return sum(column.total_compressed_size for column in _columns(group))


def _is_bomb(group: pq.RowGroupMetaData) -> bool:
    most = min(_MOST_AT_ONCE, most_expanded(_packed(group), _ALWAYS_HARMLESS))
    unpacked = sum(column.total_uncompressed_size for column in _columns(group))
    return not 0 <= unpacked <= most


def _schema(table: str, version: int) -> pa.Schema:
    newer = layout.missing_columns(table, version)
    return pa.schema([column for column in TABLES[table] if column.name not in newer])


def _difference(schema: pa.Schema, usual: pa.Schema) -> str:
    """Name the first column in which two schemas differ, as it should be."""
    for column in chain(usual, schema):
        at = schema.get_field_index(column.name)
        if at < 0 or usual.get_field_index(column.name) != at or schema.field(at) != column:
            kind = f"{column.type}{'' if column.nullable else ' NOT NULL'}"
            return f"the table's ({column.name} {kind})"
    return "the table's"
