"""Removes the credentials of this process from texts of an Arrow result."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.own_keys import scrub


def scrubbed(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Replace them in texts, and in texts inside lists, structs and maps."""
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(reader))


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with reader:
        for batch in reader:
            columns = [_scrubbed(column) for column in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _scrubbed(column: Any) -> Any:
    """Check each distinct text of a column once; a column without credentials is unchanged."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        encoded = pc.dictionary_encode(column)
        texts = encoded.dictionary.to_pylist()
        safe = [scrub(text) for text in texts]
        if safe == texts:
            return column
        return pc.take(pa.array(safe, column.type), encoded.indices)
    if not _holds_text(column.type):
        return column
    values = column.to_pylist()
    safe_values = [_walked(value) for value in values]
    return column if safe_values == values else pa.array(safe_values, column.type)


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return True
    return any(_holds_text(kind.field(number).type) for number in range(kind.num_fields))


def _walked(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {name: _walked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_walked(inner) for inner in value)
    return value
