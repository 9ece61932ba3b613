"""Sorted part files merged into one, streamed: memory is a block a file, whatever their sizes."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.store.encode import SORT, conform, sorted_slices
from clearml_snapshot.exporter.store.replace import read_batches

HELD: Final = {"scalars": 131_072, "series": 32_768, "hyperparams": 65_536, "tasks": 8_192}
"""Rows of all files that are in memory at once; those of ``tasks`` are a hundred times larger."""

Key = tuple[tuple[bool, Any], ...]
"""A row's place in its table's order; NULL comes first."""


def merged(paths: Sequence[Path], table: str) -> Iterator[pa.Table]:
    """Yield the rows of sorted files of a table in its order.

    In each step the smallest of the blocks' last keys is the bound: no unread row is before it,
    so all that is read up to it can be sorted and handed out.
    """
    share = HELD[table] // len(paths)
    blocks = [block for path in paths if (block := _Block(path, table, share)).has_rows]
    while blocks:
        bound = min(block.last for block in blocks)
        due = pa.concat_tables([block.take_until(bound) for block in blocks])
        yield from sorted_slices(due, table)
        pa.default_memory_pool().release_unused()  # or it keeps twice of what is needed
        blocks = [block for block in blocks if block.has_rows]


class _Block:
    """The rows of one file that were read and not yet handed out."""

    def __init__(self, path: Path, table: str, size: int) -> None:
        self._table = table
        self._batches = read_batches(path, table, size)
        self._rows = self._read()

    def _read(self) -> pa.Table:
        """Read the next batch that has rows; an empty table at the end."""
        rows = (pa.Table.from_batches([batch]) for batch in self._batches if batch.num_rows)
        return next((conform(some, self._table) for some in rows), pa.table({}))

    @property
    def has_rows(self) -> bool:
        return self._rows.num_rows > 0

    @property
    def last(self) -> Key:
        return self._key(self._rows.num_rows - 1)

    def _key(self, row: int) -> Key:
        values = (self._rows.column(name)[row].as_py() for name in SORT[self._table])
        return tuple((value is not None, value) for value in values)

    def take_until(self, bound: Key) -> pa.Table:
        """Hand out the rows up to a key, itself included."""
        key: Callable[[int], Key] = self._key
        count = bisect_right(range(self._rows.num_rows), bound, key=key)
        taken, self._rows = self._rows.slice(0, count), self._rows.slice(count)
        if not self.has_rows:
            self._rows = self._read()
        return taken
