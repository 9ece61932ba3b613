"""Holds the rows of a small table until they are written as a sorted part file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.parquet import conform, write_sorted
from clearml_snapshot.exporter.store.parts.partition_buffer import (
    Partition,
    StagedFile,
    staged_path,
)

DICT_ROWS: Final = 500
"""Rows held as Python objects, which take ten times the memory of Arrow's. Fewer if their texts are
long, so that these take ``ROWS_BYTES`` at most.
"""

ROWS_BYTES: Final = 16 * 2**20
"""Bytes of rows held as Arrow, per table."""


class RowBuffer:
    """Rows of a small table: as dicts only for a moment, as Arrow until there are megabytes."""

    def __init__(self, directory: Path, table: str, settled: bool, files: list[StagedFile]) -> None:
        self._directory, self._table, self._files = directory, table, files
        self._partition = Partition(None, settled)
        self._dicts: list[Mapping[str, Any]] = []
        self._characters = 0
        self._tables: list[pa.Table] = []
        self._bytes = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Hold a row; nothing is written yet."""
        self._dicts.append(row)
        self._characters += sum(len(text) for text in row.values() if isinstance(text, str))
        if len(self._dicts) >= DICT_ROWS or self._characters >= ROWS_BYTES:
            self._to_arrow()

    def write_if_large(self) -> None:
        """Write the rows when there are ``ROWS_BYTES`` of them."""
        if self._bytes >= ROWS_BYTES:
            self.write()

    def _to_arrow(self) -> None:
        rows = conform(pa.Table.from_pylist(self._dicts, TABLES[self._table]), self._table)
        self._dicts.clear()
        self._characters = 0
        self._tables.append(rows)
        self._bytes += rows.nbytes

    def write(self) -> None:
        """Write all rows that are held as one sorted part file."""
        if self._dicts:
            self._to_arrow()
        if self._tables:
            rows = pa.concat_tables(self._tables)
            entry = write_sorted(staged_path(self._directory), self._table, rows)
            self._tables.clear()
            self._bytes = 0
            self._files.append(StagedFile(entry, self._partition))
