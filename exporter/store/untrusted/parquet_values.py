"""Reads the values of a Parquet column as stored: one slot per value, NULL or empty list.

All statistics can be computed from slots with numpy: values become numbers whose
order is theirs.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_ZEROS: Final = (struct.pack("<d", 0.0), struct.pack("<d", -0.0))


@dataclass(frozen=True, slots=True)
class Extent:
    """The statistics of some slots, as Parquet defines them."""

    slots: int
    nulls: int
    low: bytes | None
    """The smallest value as Parquet writes it; None: there is no value, or NaN only."""
    high: bytes | None
    text_bytes: int | None
    """Bytes of all values, of a column of text."""
    lowest: Any = None
    """``low`` as a number that is ordered as the values of the column are."""
    highest: Any = None


def is_same(stated: bytes, true: bytes | None, extent: Extent) -> bool:
    """Compare a stated bound with the true one; 0.0 and -0.0 are one to every reader."""
    if stated == true:
        return True
    return extent.text_bytes is None and stated in _ZEROS and true in _ZEROS


@dataclass(frozen=True, slots=True)
class Slots:
    """One column of one row group."""

    rows: int
    order: Numbers
    """One number per slot, ordered as the values are; anything if there is none."""
    is_value: Mask | None
    """Which slots have a value; None: all of them."""
    plain: Callable[[Any], bytes]
    """Returns the bytes of the value with a number."""
    lengths: Numbers | None = None
    """Bytes of each value of a column of text."""
    row_starts: Numbers | None = None
    """The slot with which each row begins, of a column of lists."""

    def extent(self, start: int, end: int) -> Extent:
        """Describe the slots from ``start`` up to ``end``."""
        values = self.order[start:end]
        slots, text_bytes = len(values), None
        if self.is_value is not None:
            is_value = self.is_value[start:end]
            values = values[is_value]
        if self.lengths is not None:
            lengths = self.lengths[start:end]
            lengths = lengths if self.is_value is None else lengths[is_value]
            text_bytes = int(lengths.sum(dtype=np.int64))
        nulls = slots - len(values)
        if values.dtype.kind == "f" and len(values) and np.isnan(values.min()):
            values = values[~np.isnan(values)]
        if not len(values):
            return Extent(slots, nulls, None, None, text_bytes)
        low, high = values.min(), values.max()
        return Extent(slots, nulls, self.plain(low), self.plain(high), text_bytes, low, high)

    def row(self, slot: int) -> int:
        """Return the row that begins with a slot, or the number of rows; -1 if none does."""
        if self.row_starts is None:
            return slot
        row = int(np.searchsorted(self.row_starts, slot))
        begins = slot == len(self.order) if row == self.rows else self.row_starts[row] == slot
        return row if begins else -1


def slots(column: "pa.ChunkedArray[Any]") -> Slots:
    """Lay out a column of texts, lists of texts, booleans, integers, times or doubles."""
    array = column.combine_chunks()
    if pa.types.is_list(array.type):
        return _of_lists(cast("pa.ListArray[Any]", array))
    if pa.types.is_dictionary(array.type) or pa.types.is_string(array.type):
        return _of_texts(array)
    is_value = _validity(array)
    if pa.types.is_floating(array.type):
        values = _filled(array, 0.0)
        return Slots(len(array), values, is_value, lambda value: struct.pack("<d", value))
    if pa.types.is_boolean(array.type):
        flags = _filled(array, False)
        return Slots(len(array), flags, is_value, lambda value: bytes([bool(value)]))
    numbers = _filled(array.cast(pa.int64()), 0)
    return Slots(len(array), numbers, is_value, lambda value: struct.pack("<q", value))


def _validity(array: "pa.Array[Any]") -> Mask | None:
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None


def _filled(array: "pa.Array[Any]", value: float | int | bool) -> Numbers:
    filled = array.fill_null(value) if array.null_count else array
    return filled.to_numpy(zero_copy_only=False)


def _of_texts(column: "pa.Array[Any]") -> Slots:
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = cast("pa.DictionaryArray[Any, Any]", coded)
    codes = _filled(texts.indices, 0)
    dictionary = cast("pa.StringArray", texts.dictionary)
    if not len(dictionary):
        dictionary = pa.array([""], pa.string())  # no slot has a value
    places = pc.array_sort_indices(dictionary).to_numpy()
    ranks = np.empty(len(dictionary), np.int32)
    ranks[places] = np.arange(len(dictionary), dtype=np.int32)
    lengths = pc.binary_length(dictionary).fill_null(0).to_numpy(zero_copy_only=False)
    return Slots(
        len(column),
        ranks[codes],
        _validity(column),
        lambda rank: str(dictionary[int(places[int(rank)])]).encode(),
        lengths.astype(np.int32)[codes],
    )


def _of_lists(column: "pa.ListArray[Any]") -> Slots:
    """Lay out lists of texts: an empty or missing list has one slot."""
    counts = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    sizes = np.maximum(counts, 1).astype(np.int64)
    has_element = np.repeat(counts > 0, sizes)
    leaves = _of_texts(column.flatten())
    order, lengths = (np.zeros(int(sizes.sum()), np.int64) for _ in range(2))
    is_value = np.zeros(len(order), np.bool_)
    assert leaves.lengths is not None
    order[has_element] = leaves.order
    is_value[has_element] = True if leaves.is_value is None else leaves.is_value
    lengths[has_element] = leaves.lengths
    starts = np.cumsum(sizes) - sizes
    return Slots(len(column), order, is_value, leaves.plain, lengths, starts)
