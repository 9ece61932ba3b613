"""Rewrites files so that the same rows give the same bytes: packs are identified by their bytes.

Which rows share a part file depends on the order in which tasks were read, on flushes, and on later
merges. The bytes of a pack must depend on its contents only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import ROW_GROUP
from clearml_snapshot.exporter.store.parts.parquet import (
    GROUP_BYTES,
    ROWS_AT_ONCE,
    only_used,
    text_bytes,
    write_part,
)
from clearml_snapshot.exporter.store.parts.sorted_merge import merged

_GROUPS: Final = 20
"""Row groups per file: 5 million points."""


def written_again(
    root: Path, files: Sequence[FileEntry], new_name: Callable[[], str]
) -> list[FileEntry]:
    """Write the files of an unfinished snapshot folder again, each table and project in order.

    A folder's rows are sorted across its files and cut after every 5 million; the files are named
    in the order of their folders. Memory is bounded by ``merge.merged``.

    Args:
        root: the folder; what is written again is deleted here (a hard link, so that its source
            keeps it).
        files: all of its files.
        new_name: names the next part file.
    """
    by_folder = sorted(files, key=lambda entry: entry.path.rpartition("/")[0])
    written: list[FileEntry] = []
    for folder, group in groupby(by_folder, key=lambda entry: entry.path.rpartition("/")[0]):
        written += _rewrite_folder(root, folder, list(group), new_name)
    return written


def _rewrite_folder(
    root: Path, folder: str, group: Sequence[FileEntry], new_name: Callable[[], str]
) -> Iterator[FileEntry]:
    table = group[0].table
    sources = [root / entry.path for entry in sorted(group, key=lambda entry: entry.path)]
    rows = merged(sources, table)
    if table in ROWS_AT_ONCE:
        groups = _of_little_text(rows, ROWS_AT_ONCE[table])
    else:
        groups = _exact(rows, ROW_GROUP)
    temporary = []
    for first in groups:
        several = chain([first], islice(groups, _GROUPS - 1))
        path = f"{folder}/new-{new_name()}"
        temporary.append(replace(write_part(root / path, table, several), path=path))
    for source in sources:
        source.unlink()
    for entry in temporary:
        path = f"{folder}/{entry.path.rpartition('/new-')[2]}"
        (root / entry.path).rename(root / path)
        yield replace(entry, path=path)


def _exact(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of rows into tables of exactly one size, except for the last one.

    Texts are encoded again, in the order in which they occur.
    """
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        while rows >= size:
            together = pa.concat_tables(held)
            yield _plain(together.slice(0, size))
            held, rows = [together.slice(size)], rows - size
    if rows:
        yield _plain(pa.concat_tables(held))


def _of_little_text(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of rows after every ``size`` of them, and earlier if the texts are long.

    A cut is made whenever the texts since the first of these rows reach another ``GROUP_BYTES``;
    not much more than that is in memory.
    """
    for _, group in groupby(_shares(tables, size), key=itemgetter(0)):
        yield _plain(pa.concat_tables([part for _, part in group]))


def _shares(tables: Iterable[pa.Table], size: int) -> Iterator[tuple[tuple[int, int], pa.Table]]:
    """Cut rows into slices, each with the numbers of its ``size`` rows and ``GROUP_BYTES``."""
    rows = texts = 0
    for table in tables:
        left = table
        while left.num_rows:
            room = size - rows % size
            part, left = left.slice(0, room), left.slice(room)
            counted = texts + np.cumsum(text_bytes(part))
            share = counted // GROUP_BYTES
            edges = [0, *(np.flatnonzero(np.diff(share)) + 1).tolist(), part.num_rows]
            for start, end in pairwise(edges):
                yield (rows // size, int(share[start])), _small(part.slice(start, end - start))
            rows += part.num_rows
            texts = int(counted[-1]) if rows % size else 0


def _small(rows: pa.Table) -> pa.Table:
    """Leave out texts of other rows, as rows that were cut share all the texts before the cut."""
    return pa.Table.from_batches(map(only_used, rows.to_batches()), rows.schema)


def _plain(rows: pa.Table) -> pa.Table:
    for at, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            texts = rows.column(at).cast(pa.string()).combine_chunks().dictionary_encode()
            rows = rows.set_column(at, field, texts.cast(field.type))
    return rows.combine_chunks()
