"""Reads the long texts of a dataset, a few at a time, for the search for credentials.

DuckDB groups and sorts texts of up to ``LONGEST`` bytes (``texts.sql``, ``param_texts.sql``). It
would keep all longer ones in memory, so they are read file by file and identified by a hash.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.store.engine.reading_errors import readable
from clearml_snapshot.exporter.store.parts.reading import belongs, read_batches
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset

LONGEST: Final = 4_096
"""Maximum bytes of a text that DuckDB groups and sorts."""

LongKey = tuple[str, ...]
"""Identifies a long text: its column, the requested keys, and its hash."""


@dataclass(frozen=True, slots=True)
class LongText:
    """A text longer than ``LONGEST``, and tasks that have it."""

    key: LongKey
    text: str
    task_ids: tuple[str, ...]


def may_be_long(text: str) -> bool:
    """Return whether a text can be longer than ``LONGEST`` bytes, without encoding it."""
    return len(text) > LONGEST // 4


def hash_of(text: str) -> str:
    """Hash a text."""
    return blake2b(text.encode(), digest_size=20).hexdigest()


def long_texts(
    dataset: Dataset, table: str, columns: Sequence[str], keys: Sequence[str] = ()
) -> Iterator[LongText]:
    """Read the long texts of the tasks that a dataset is open for.

    A text is yielded again for tasks that follow later in the files; only a few megabytes of rows
    are in memory.

    Args:
        dataset: the dataset.
        table: ``tasks`` or ``hyperparams``.
        columns: the columns of texts.
        keys: columns of text that, with the column, identify a text.

    Raises:
        DatasetError: a file is damaged.
    """
    task_ids = _selected_ids(dataset)
    for path in dataset.snapshot.paths(table):
        for batch in read_batches(path, table, columns=["task_id", *keys, *columns]):
            with readable(path):
                for name in columns:
                    yield from _of_batch(batch, task_ids, name, keys)


def _selected_ids(dataset: Dataset) -> "pa.Array[Any] | None":
    """Return the ids of the selected tasks; None means all."""
    if dataset.filter is None:
        return None
    return pa.array(
        [task_id for (task_id,) in dataset.sql(read("lookups/task_ids.sql")).fetchall()],
        pa.string(),
    )


def _of_batch(
    batch: pa.RecordBatch, selected_ids: "pa.Array[Any] | None", name: str, keys: Sequence[str]
) -> Iterator[LongText]:
    column = batch.column(name)
    if not isinstance(column, pa.DictionaryArray):  # older formats do not have this column
        return
    lengths = pc.binary_length(cast("pa.StringArray", column.dictionary))
    is_long = pc.take(pc.greater(lengths, pa.scalar(LONGEST)), column.indices)
    if selected_ids is not None:
        is_long = pc.and_(is_long, belongs(batch, selected_ids))
    rows = batch.filter(is_long)
    texts = cast("pa.DictionaryArray[Any, Any]", rows.column(name))
    holders: dict[tuple[Any, ...], list[str]] = {}
    names = rows.select(["task_id", *keys]).to_pydict().values()
    for code, task_id, *others in zip(texts.indices.to_pylist(), *names, strict=True):
        holders.setdefault((code, *others), []).append(task_id)
    for (code, *others), task_ids in holders.items():
        text = texts.dictionary[code].as_py()
        yield LongText((name, *others, hash_of(text)), text, tuple(task_ids))
