"""Reads part files of any format version, and finds those with rows of given tasks."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import number_of, unreadable
from clearml_snapshot.exporter.store.engine.reading_errors import of_elsewhere, readable
from clearml_snapshot.exporter.store.format.layout import partition
from clearml_snapshot.exporter.store.format.schema import TABLES, in_memory
from clearml_snapshot.exporter.store.parts.parquet import ROWS_AT_ONCE, only_used
from clearml_snapshot.exporter.store.snapshots import Snapshot

_FIRST_MS: Final = -62135596800000
_LAST_MS: Final = 253402300799999
"""The years 1 to 9999 in milliseconds since 1970, which is how times are stored."""
_BATCH: Final = 65_536
_BATCH_BYTES: Final = 16 * 2**20

LARGE_ROW: Final = 2**16
"""Bytes per row from which texts are read without the dictionaries of their row groups.

Of a row group with 16 MB of text, a reader with dictionaries holds 79 MB and one without 36 MB,
and a merge reads several files at the same time.
"""

LARGE_GROUP: Final = 2**20
LONG_ROW: Final = 2**10
"""Bytes of a row group, and of each of its rows, from which it takes its memory for long texts."""

_BUFFER: Final = 2**16
"""Bytes of a column that are read at once where rows are large; elsewhere all of a row group."""


Source = Path | str | BinaryIO
"""Where a part file is: on this disk, or a file of another kind that is open, with its name."""


def name_of(source: Source) -> str:
    """Return what a user knows a part file by."""
    return str(source) if isinstance(source, Path | str) else source.name


def projects_of(snapshot: Snapshot, task_ids: Set[str]) -> dict[str, str | None]:
    """Find which of the tasks a snapshot has, each with its project."""
    projects: dict[str, str | None] = {}
    for path in snapshot.paths("tasks"):
        for batch in read_batches(path, "tasks", columns=["task_id", "project_id"]):
            with readable(path):
                columns = (batch.column(name).to_pylist() for name in ("task_id", "project_id"))
                rows = zip(*columns, strict=True)
                projects.update((task, project) for task, project in rows if task in task_ids)
    return projects


def holding(
    snapshot: Snapshot, table: str, task_ids: Iterable[str], project_of: Mapping[str, str | None]
) -> set[str]:
    """List the files of a table (``FileEntry.path``) with rows of the tasks.

    Only the partitions of the tasks' projects are examined, of these only the files whose
    ``task_id`` range includes one, and of these only that column.
    """
    ids = sorted(task_ids)
    if not ids:
        return set()
    folders = {partition(project_of[task_id]) for task_id in ids}
    return {
        entry.path
        for entry in snapshot.files
        if entry.table == table
        and (table != "scalars" or entry.path.split("/")[1] in folders)
        and holds_any(snapshot.source(entry.path), ids)
    }


def paths_with(snapshot: Snapshot, table: str, task_ids: Collection[str]) -> list[str]:
    """List files of a table on this disk, among them all that have rows of some tasks.

    All of a local snapshot, because it is their reader who looks; of one in a bucket no others,
    because each is fetched. ``table`` is not that of the points.
    """
    if snapshot.elsewhere is None:
        return snapshot.paths(table)
    paths = holding(snapshot, table, task_ids, dict.fromkeys(task_ids))
    return [str(snapshot.file(path)) for path in sorted(paths)]


def holds_any(path: Source, ids: Sequence[str]) -> bool:
    """Return whether a part file holds a row of one of the tasks, whose ids are sorted."""
    id_array = pa.array(ids, pa.string())
    with _opened(path, ["task_id"], ()) as file:
        groups = [
            number
            for number in range(file.metadata.num_row_groups)
            if _may_hold(file.metadata.row_group(number), ids)
        ]
        batches = file.iter_batches(_BATCH, row_groups=groups, columns=["task_id"])
        return any(pc.any(belongs(batch, id_array)).as_py() for batch in batches)


def _may_hold(group: pq.RowGroupMetaData, ids: Sequence[str]) -> bool:
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    nearest = bisect_left(ids, str(statistics.min))
    return nearest < len(ids) and ids[nearest] <= str(statistics.max)


def belongs(batch: pa.RecordBatch, ids: "pa.Array[Any]") -> "pa.Array[Any]":
    """Return for each row whether its task is one of those; each text is compared once."""
    task_ids = cast("pa.DictionaryArray[Any, Any]", batch.column("task_id"))
    return pc.take(pc.is_in(task_ids.dictionary, ids), task_ids.indices)


def read_batches(
    path: Source,
    table: str,
    size: int = _BATCH,
    columns: Sequence[str] | None = None,
    size_in_bytes: int = _BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Read a part file of any format version, text as dictionaries; a missing column is NULL.

    So is one that ``columns``, if given, does not name. Damage on the disk is detected by the
    checksums of the pages; otherwise rewritten rows would get a new hash and look intact. Of the
    tables of tasks, fewer rows are read at once than ``size`` where they are large.

    Raises:
        DatasetError: the file is damaged.
    """
    texts = [field.name for field in in_memory(table) if pa.types.is_dictionary(field.type)]
    names = None if columns is None else list(columns)
    with _opened(path, texts, names) as file:
        few = size
        if table in ROWS_AT_ONCE:
            few = max(1, int(size_in_bytes / _bytes_per_row(file.metadata, names)))
        for batch in file.iter_batches(min(size, few), columns=names):
            _check_values(batch)
            used = only_used(_encoded(batch, texts)) if few < size else _encoded(batch, texts)
            yield _completed(used, table)


def _encoded(batch: pa.RecordBatch, texts: Collection[str]) -> pa.RecordBatch:
    """Dictionary-encode texts of these rows that were read without a dictionary."""
    for at, column in enumerate(batch.columns):
        if isinstance(column, pa.StringArray) and batch.schema.names[at] in texts:
            name = batch.schema.names[at]
            batch = batch.set_column(at, name, column.dictionary_encode())
    return batch


def bytes_of_texts(path: Path, table: str) -> int:
    """Return the bytes of the largest row group of a part file with long texts; 0 without any.

    Raises:
        DatasetError: the file is damaged.
    """
    if table not in ROWS_AT_ONCE:
        return 0
    with _opened(path, (), None) as file:
        groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
        sizes = (g.total_byte_size for g in groups if g.total_byte_size >= LONG_ROW * g.num_rows)
        return max((size for size in sizes if size >= LARGE_GROUP), default=0)


def _bytes_per_row(file: pq.FileMetaData, names: Sequence[str] | None) -> float:
    """Return how many bytes a row has on average in the row group with the largest rows."""
    groups = (file.row_group(number) for number in range(file.num_row_groups))
    return max((_bytes(g, names) / g.num_rows for g in groups if g.num_rows), default=0) or 1


def _bytes(group: pq.RowGroupMetaData, names: Sequence[str] | None) -> int:
    """Count the bytes of some columns of a row group; None means all."""
    if names is None:
        return group.total_byte_size
    columns = map(group.column, range(group.num_columns))
    return sum(c.total_uncompressed_size for c in columns if c.path_in_schema in names)


def _check_values(batch: pa.RecordBatch) -> None:
    """Check that each text is UTF-8 and each time has a date.

    Raises:
        pa.ArrowInvalid: one is not.
    """
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray):
            column.dictionary.validate(full=True)
        elif pa.types.is_string(column.type) or pa.types.is_list(column.type):
            column.validate(full=True)
        elif batch.num_rows and pa.types.is_timestamp(column.type):
            ends: Any = pc.min_max(column.cast(pa.int64())).as_py()
            if ends["min"] is not None and not _FIRST_MS <= ends["min"] <= ends["max"] <= _LAST_MS:
                raise pa.ArrowInvalid("a time outside the years 1 to 9999")


@contextmanager
def _opened(
    path: Source, texts: Sequence[str], columns: Sequence[str] | None
) -> Iterator[pq.ParquetFile]:
    """Open a part file; what cannot be read inside the block is reported as damage.

    Args:
        path: the file.
        texts: columns to read as dictionaries, unless rows are large; those that an older format
            does not have are skipped.
        columns: the columns that will be read; None is all.
    """
    try:
        metadata = pq.read_metadata(path)
        present = set(metadata.schema.names)
        is_large = _bytes_per_row(metadata, columns) >= LARGE_ROW
        with pq.ParquetFile(
            path,
            metadata=metadata,
            read_dictionary=[name for name in texts if name in present and not is_large],
            buffer_size=_BUFFER if is_large else 0,
            page_checksum_verification=True,
        ) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        of_store = of_elsewhere(error)
        if of_store is not None:
            raise of_store from error
        if isinstance(error, OSError) and number_of(error) is not None:
            raise unreadable(name_of(path), error) from error
        raise DatasetError(
            f"{name_of(path)} is damaged ({str(error).splitlines()[0]}); restore a copy of it, or "
            "export to a new folder"
        ) from error


def _completed(batch: pa.RecordBatch, table: str) -> pa.RecordBatch:
    for column in TABLES[table]:
        if column.name not in batch.schema.names:
            batch = batch.append_column(column.name, pa.nulls(batch.num_rows, column.type))
    return batch


def of_series(
    batch: pa.RecordBatch, is_selected: Callable[[str, str, str], bool]
) -> "pa.Array[Any]":
    """Return for each row whether its series is selected; each is checked once.

    Args:
        batch: rows of ``scalars`` or ``series``.
        is_selected: receives a task id, a metric and a variant.
    """
    keys = batch.select(["task_id", "metric", "variant"])
    codes = np.zeros(batch.num_rows, np.int64)
    for column in keys.columns:
        texts = cast("pa.DictionaryArray[Any, Any]", column)
        codes = codes * len(texts.dictionary) + texts.indices.to_numpy()
    _, firsts, places = np.unique(codes, return_index=True, return_inverse=True)
    distinct = keys.take(pa.array(firsts, pa.int64())).to_pylist()
    answers = [is_selected(row["task_id"], row["metric"], row["variant"]) for row in distinct]
    mask: pa.Array[Any] = pa.array(np.array(answers, bool)[places])
    return mask
