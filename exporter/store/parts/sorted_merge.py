"""Merges sorted part files as streams: memory is one block per file, whatever their sizes."""

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import IOBase
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
import pyarrow as pa

from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.format.schema import in_memory
from clearml_snapshot.exporter.store.parts.parquet import (
    SORT,
    conform,
    only_used,
    sorted_slices,
    text_bytes,
)
from clearml_snapshot.exporter.store.parts.reading import belongs, bytes_of_texts, read_batches

HELD: Final = {
    "scalars": 131_072,
    "series": 32_768,
    "hyperparams": 65_536,
    "tasks": 8_192,
    "exports": 8_192,
}
"""Rows of all files that are in memory at once; those of ``tasks`` are a hundred times larger."""

HELD_BYTES: Final = 32 * 2**20
"""And at most this many bytes, if the texts of the latter two are longer than usual."""

MOST_OPEN_BYTES: Final = 64 * 2**20
"""Bytes of row groups with long texts that may be open in Parquet at once.

To read one row, Parquet takes all of a page into memory, and a page has the texts of a row group:
50 MB per file, as there are 16 MB of them.
"""

FAN_IN: Final = 16
"""Files with long texts that are merged at once; more are merged in several steps."""

Key = tuple[tuple[bool, Any], ...]
"""A row's place in its table's order; NULL comes first."""


def merged(paths: Sequence[Path], table: str) -> Iterator[pa.Table]:
    """Yield the rows of sorted files of a table in its order.

    In each step the smallest of the blocks' last keys is the bound: no unread row is before it,
    so all that is read up to it can be sorted and handed out.

    Files with long texts are unpacked first, one after the other, into unnamed files beside them.
    """
    if len(paths) > 1 and sum(bytes_of_texts(path, table) for path in paths) > MOST_OPEN_BYTES:
        yield from _merged_unpacked(paths, table)
    else:
        rows, size = HELD[table] // len(paths), HELD_BYTES // len(paths)
        sources = [read_batches(path, table, rows, size_in_bytes=size) for path in paths]
        yield from _merged(sources, table)


def _merged_unpacked(paths: Sequence[Path], table: str) -> Iterator[pa.Table]:
    folder, rows, size = paths[0].parent, HELD[table] // FAN_IN, HELD_BYTES // FAN_IN
    with ExitStack() as open_files:

        def unpacked(batches: Iterable[pa.RecordBatch]) -> IO[bytes]:
            file = open_files.enter_context(tempfile.TemporaryFile(dir=folder))
            with named(folder):
                _unpack(batches, table, file)
            return file

        files = [unpacked(read_batches(p, table, rows, size_in_bytes=size)) for p in paths]
        while len(files) > FAN_IN:
            some, files = files[:FAN_IN], files[FAN_IN:]
            together = _merged([_unpacked(file) for file in some], table)
            files.append(unpacked(batch for rows in together for batch in _small(rows, size)))
        yield from _merged([_unpacked(file) for file in files], table)


def _unpack(batches: Iterable[pa.RecordBatch], table: str, file: IO[bytes]) -> None:
    """Write batches to a file as they are in memory, to be read one at a time."""
    with pa.ipc.new_stream(pa.PythonFile(cast("IOBase", file), "w"), in_memory(table)) as writer:
        for batch in batches:
            writer.write_table(conform(pa.Table.from_batches([batch]), table))
    pa.default_memory_pool().release_unused()


def _unpacked(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    """Read what ``_unpack`` wrote, and close the file."""
    with file:
        file.seek(0)
        with pa.ipc.open_stream(pa.PythonFile(cast("IOBase", file), "r")) as batches:
            yield from batches


def _small(rows: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    """Cut rows into batches of about that many bytes of text."""
    most = max(1, int(rows.num_rows * size / max(int(text_bytes(rows).sum()), 1)))
    return map(only_used, rows.to_batches(max_chunksize=most))


def _merged(sources: Sequence[Iterator[pa.RecordBatch]], table: str) -> Iterator[pa.Table]:
    blocks = [Block(batches, table) for batches in sources]
    while waiting := [block for block in blocks if block.has_rows]:
        bound = min(block.last for block in waiting)
        yield from sorted_slices(taken(waiting, bound, table), table)
        pa.default_memory_pool().release_unused()  # or it keeps twice of what is needed


def not_fetched(
    stored: Sequence[Path], fetched: Sequence[Path], task_id: str
) -> Iterator[pa.Table]:
    """Yield the points of a task in some sorted files whose keys are not in others of the task.

    Keys are compared as IS NOT DISTINCT FROM does: NULL is an iteration like any other.
    """
    table, keys = "scalars", SORT["scalars"]
    share = HELD[table] // (len(stored) + len(fetched))
    ids = pa.array([task_id])
    points_of_task = (
        (b.filter(belongs(b, ids)) for b in read_batches(p, table, share)) for p in stored
    )
    old = [Block(batches, table) for batches in points_of_task]
    new = [Block(read_batches(path, table, share, keys), table) for path in fetched]
    while any(block.has_rows for block in old):
        bound = min(block.last for block in (*old, *new) if block.has_rows)
        yield _others(taken(old, bound, table), taken(new, bound, table))


def taken(blocks: Sequence["Block"], bound: Key, table: str) -> pa.Table:
    """Take the rows up to a bound out of all blocks."""
    rows = [block.take_until(bound) for block in blocks if block.has_rows]
    some = [part for part in rows if part.num_rows]  # an empty one has all texts of its block
    return pa.concat_tables([in_memory(table).empty_table(), *some])


def _others(old: pa.Table, new: pa.Table) -> pa.Table:
    """Return the points of one task whose keys are not among some new ones."""
    both = pa.concat_tables([new, old]).unify_dictionaries().combine_chunks()
    texts = [both.column(name).combine_chunks() for name in ("metric", "variant")]
    iteration = both.column("iteration").combine_chunks()
    keys = [cast("pa.DictionaryArray[Any, Any]", text).indices.to_numpy() for text in texts]
    keys += [iteration.fill_null(0).to_numpy(), iteration.is_null().to_numpy(zero_copy_only=False)]
    order = np.lexsort(keys)  # stable: the new one of two equal keys comes first
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    kept = np.ones(both.num_rows, bool)
    kept[order[1:][same]] = False
    return old.filter(pa.array(kept[new.num_rows :]))


class Block:
    """The rows of one sorted file that were read and not yet handed out."""

    def __init__(self, batches: Iterator[pa.RecordBatch], table: str) -> None:
        self._table, self._batches = table, batches
        self._rows = self._read()

    def _read(self) -> pa.Table:
        """Read the next batch that has rows; an empty table at the end."""
        rows = (pa.Table.from_batches([batch]) for batch in self._batches if batch.num_rows)
        return next((conform(table, self._table) for table in rows), pa.table({}))

    @property
    def has_rows(self) -> bool:
        """Whether anything is left."""
        return self._rows.num_rows > 0

    @property
    def last(self) -> Key:
        """The key of the last row that was read."""
        return self._key(self._rows.num_rows - 1)

    def _key(self, row: int) -> Key:
        values = (self._rows.column(name)[row].as_py() for name in SORT[self._table])
        return tuple((value is not None, value) for value in values)

    def take_until(self, bound: Key) -> pa.Table:
        """Return the rows up to and including a key."""
        key: Callable[[int], Key] = self._key
        count = bisect_right(range(self._rows.num_rows), bound, key=key)
        taken, self._rows = self._rows.slice(0, count), self._rows.slice(count)
        if not self.has_rows:
            self._rows = self._read()
        return taken
