"""Writes sorted, encoded Parquet: every part file of a snapshot is written here."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from clearml_snapshot.exporter.store.disk.disk_errors import named, reading
from clearml_snapshot.exporter.store.disk.files import FileEntry, sha256, sync_file
from clearml_snapshot.exporter.store.format.schema import CODES, ROW_GROUP, in_memory

LOCAL: Final = LocalFileSystem()
"""What every file is written to: without it Arrow takes ``a:b/part`` for an address."""

ROWS_AT_ONCE: Final = {"tasks": 20_000, "hyperparams": 100_000, "series": 100_000}
"""Rows of a row group that is gathered from a stream, for tables whose rows are larger."""

GROUP_BYTES: Final = 16 * 2**20
"""Bytes of text in a row group of these tables: readers may hold all of it."""

SORT: Final[dict[str, tuple[str, ...]]] = {
    "tasks": ("task_id",),
    "hyperparams": ("task_id", "section", "name"),
    "series": ("metric", "variant", "task_id"),
    "scalars": ("metric", "variant", "task_id", "iteration"),
    "exports": ("started",),
}
"""The order of rows inside a file; NULL comes first."""

_ENCODINGS: Final = {
    "iteration": "DELTA_BINARY_PACKED",
    "timestamp": "DELTA_BINARY_PACKED",
    "value": "PLAIN",
}
"""Encodings of the columns of ``scalars``; doubles are written plain anyway, texts with
dictionaries."""
_WIDEST: Final = 2**62
_SMALLEST: Final = -(2**63)


def conform(rows: pa.Table, table: str) -> pa.Table:
    """Convert rows to the columns, order and types of a table.

    Raises:
        KeyError: a column is missing.
        pa.ArrowInvalid: a value does not fit its column.
    """
    schema = in_memory(table)
    columns = [_encoded(rows.column(field.name), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _encoded(column: "pa.ChunkedArray[Any]", kind: pa.DataType) -> "pa.ChunkedArray[Any]":
    if column.type == kind:
        return column
    if kind == CODES and not pa.types.is_dictionary(column.type):
        return column.cast(pa.string()).dictionary_encode()
    return column.cast(kind)


def sorted_slices(rows: pa.Table, table: str, size: int = ROW_GROUP) -> Iterator[pa.Table]:
    """Yield rows in the table's order, ``size`` at a time.

    A complete sorted copy never exists: besides the rows there are only their codes, the order
    (8 bytes per row) and one slice.
    """
    rows = rows.unify_dictionaries().combine_chunks()
    order = _order(rows, SORT[table])
    for start in range(0, rows.num_rows, size):
        yield rows.take(order.slice(start, size))


def _order(rows: pa.Table, keys: tuple[str, ...]) -> "pa.Array[Any]":
    """Return the sorting permutation; text is compared by rank, four times as fast as by bytes."""
    columns = {
        key: _ranked(column) if pa.types.is_dictionary(column.type) else column.combine_chunks()
        for key, column in ((key, rows.column(key)) for key in keys)
    }
    numbers = _one_number(list(columns.values()))
    if numbers is not None:
        return pc.array_sort_indices(numbers)
    with_nulls = {}
    for key, column in columns.items():
        if column.null_count:  # its own key, because NULL has to come first
            with_nulls[f"{key} is there"] = pc.cast(column.is_valid(), pa.int8())
        with_nulls[key] = column
    order: list[tuple[str, Literal["ascending"]]] = [(name, "ascending") for name in with_nulls]
    return pc.sort_indices(pa.table(with_nulls), sort_keys=order)


def _one_number(columns: "list[pa.Array[Any]]") -> "pa.Array[Any] | None":
    """Combine keys into one number per row, which sorts three times as fast; None if too wide.

    NULL counts as the value before the smallest.
    """
    combined: npt.NDArray[np.int64] | None = None
    room = _WIDEST
    for column in columns:
        if not len(column) or not pa.types.is_integer(column.type):
            return None
        low, high = (edge(column).as_py() for edge in (pc.min, pc.max))
        low, high = (0, 0) if low is None else (low, high)
        room //= high - low + 2
        if not room or low == _SMALLEST:
            return None
        offsets = column.fill_null(low - 1).to_numpy(zero_copy_only=False).astype(np.int64)
        offsets -= low - 1
        combined = offsets if combined is None else combined * (high - low + 2) + offsets
    return None if combined is None else pa.array(combined)


def _ranked(column: "pa.ChunkedArray[Any]") -> "pa.Array[Any]":
    """Turn dictionary codes into ranks of their texts (Arrow cannot sort dictionaries)."""
    codes = cast("pa.DictionaryArray[Any, Any]", column.combine_chunks())
    ranks = pc.rank(codes.dictionary, tiebreaker="dense").cast(pa.int32())
    return ranks.take(codes.indices)


def only_used(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Remove texts that no row uses from the dictionaries.

    The writer stores complete dictionaries, so texts of rows that were filtered out would still be
    in the file for everyone who reads its bytes; the reader returns those of a row group with each
    row.
    """
    for at, column in enumerate(rows.columns):
        if pa.types.is_dictionary(column.type):
            used = _used(cast("pa.DictionaryArray[Any, Any]", column))
            rows = rows.set_column(at, rows.schema.field(at), used)
    return rows


def _used(texts: "pa.DictionaryArray[Any, Any]") -> "pa.DictionaryArray[Any, Any]":
    used = np.zeros(len(texts.dictionary), bool)
    used[texts.indices.drop_null().to_numpy()] = True
    if used.all():
        return texts
    places = pa.array(np.cumsum(used, dtype=np.int32) - 1, pa.int32())
    return pa.DictionaryArray.from_arrays(
        pc.take(places, texts.indices), texts.dictionary.filter(pa.array(used))
    )


def writer_options(schema: pa.Schema, unbounded: Collection[str] = ()) -> dict[str, Any]:
    """Return the options of pyarrow's Parquet writer for the files of a table.

    ``untrusted.parquet_statistics`` refuses files that were written with others.

    Args:
        schema: the table's.
        unbounded: numbers without minima and maxima.
    """
    texts = [field.name for field in schema if field.type in (CODES, pa.string())]
    lists = [f"{f.name}.list.element" for f in schema if pa.types.is_list(f.type)]
    numbers = {*schema.names}.difference(texts)
    flat = {f.name for f in schema if not pa.types.is_list(f.type)}
    encodings = {name: how for name, how in _ENCODINGS.items() if name in numbers}
    return {
        "use_dictionary": texts + lists,
        "column_encoding": encodings or None,
        "compression": "zstd",
        "compression_level": 3,
        "store_schema": False,
        "write_page_checksum": True,
        "write_page_index": True,
        "write_statistics": [*flat.difference(unbounded), *lists] if unbounded else True,
    }


class PartWriter:
    """One Parquet part file; a context manager that leaves nothing behind when it fails.

    Bounds leave NaN out, as the format demands, and DuckDB (2.0.1) skips row groups by them even
    for conditions that NaN satisfies. So a column in which a NaN has been written gets none: the
    file, of which they are only known at its end, is written once more.
    """

    def __init__(self, path: Path, table: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._table, self._rows = path, table, 0
        self._with_nan: set[str] = set()
        self._open()

    def _open(self) -> None:
        schema = in_memory(self._table)
        options = writer_options(schema, self._with_nan)
        with named(self._path):
            self._writer = pq.ParquetWriter(str(self._path), schema, filesystem=LOCAL, **options)

    def write(self, rows: pa.Table) -> None:
        """Append rows as one row group (or several of ``ROW_GROUP``)."""
        if rows.num_rows:
            self._write(rows)
            self._rows += rows.num_rows
            self._with_nan.update(_columns_with_nan(rows))

    def _write(self, rows: pa.Table) -> None:
        with named(self._path):
            used = pa.Table.from_batches(map(only_used, rows.to_batches()), rows.schema)
            self._writer.write_table(used, row_group_size=ROW_GROUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._close()
            if kind is None and self._with_nan:
                self._write_without_bounds()
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        with named(self._path):
            self._writer.close()

    def _write_without_bounds(self) -> None:
        """Write the file once more, one row group at a time, without bounds that leave NaN out."""
        bounded = self._path.with_name(f"{self._path.name}.bounded")
        texts = [field.name for field in in_memory(self._table) if field.type == CODES]
        with named(self._path):
            self._path.replace(bounded)
        try:
            self._open()
            with (
                named(bounded),
                pq.ParquetFile(str(bounded), read_dictionary=texts, filesystem=LOCAL) as file,
            ):
                for group in range(file.num_row_groups):
                    self._write(conform(file.read_row_group(group), self._table))
            self._close()
        finally:
            bounded.unlink(missing_ok=True)

    def entry(self) -> FileEntry:
        """Sync the closed file and describe it; its ``path`` is still the absolute one."""
        sync_file(self._path)
        size = self._path.stat().st_size
        with reading(self._path):
            digest = sha256(self._path)
        return FileEntry(self._table, str(self._path), self._rows, size, digest)


def _columns_with_nan(rows: pa.Table) -> Iterator[str]:
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
            yield name


def write_part(path: Path, table: str, slices: Iterable[pa.Table]) -> FileEntry:
    """Write one part file from slices that are in the table's order already."""
    with PartWriter(path, table) as writer:
        for rows in slices:
            writer.write(rows)
    return writer.entry()


def write_sorted(path: Path, table: str, rows: pa.Table) -> FileEntry:
    """Sort rows of any order and write them as one part file."""
    return write_part(path, table, sorted_slices(rows, table))


def row_groups(batches: Iterable[pa.RecordBatch], table: str) -> Iterator[pa.Table]:
    """Gather batches into row groups; of a stream never more than one is in memory."""
    held: list[pa.Table] = []
    rows = texts = 0
    for batch in batches:
        held.append(conform(pa.Table.from_batches([batch]), table))
        rows += batch.num_rows
        texts += int(text_bytes(held[-1]).sum()) if table in ROWS_AT_ONCE else 0
        if rows >= ROWS_AT_ONCE.get(table, ROW_GROUP) or texts >= GROUP_BYTES:
            yield _concatenated(held)
            held, rows, texts = [], 0, 0
    if held:
        yield _concatenated(held)


def text_bytes(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Count the bytes of text in each row of a conform table."""
    total = np.zeros(rows.num_rows, np.int64)
    for column in rows.columns:
        if pa.types.is_dictionary(column.type):
            chunks = (cast("pa.DictionaryArray[Any, Any]", chunk) for chunk in column.chunks)
            total += np.concatenate([np.zeros(0, np.int64), *map(_lengths, chunks)])
    return total


def _lengths(texts: "pa.DictionaryArray[Any, Any]") -> npt.NDArray[np.int64]:
    lengths = pc.binary_length(cast("pa.StringArray", texts.dictionary))
    with_none = np.append(lengths.fill_null(0).to_numpy(), np.int64(0))
    return cast("npt.NDArray[np.int64]", with_none[texts.indices.fill_null(-1).to_numpy()])


def _concatenated(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
