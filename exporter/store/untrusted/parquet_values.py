"""Reads the values of a Parquet column as stored: one slot per value, NULL or empty list.

All statistics can be computed from slots with numpy: values become numbers whose
order is theirs.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


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


@dataclass(frozen=True, slots=True)
class Slots:
    """One column of one row group."""

    rows: int
    order: Numbers
    """One number per slot, ordered as the values are; anything if there is none."""
    is_value: Mask
    plain: Callable[[Any], bytes]
    """Returns the bytes of the value with a number."""
    lengths: Numbers | None = None
    """Bytes of each value of a column of text."""

    def extent(self, start: int, end: int) -> Extent:
        """Describe the slots from ``start`` up to ``end``."""
        is_value = self.is_value[start:end]
        values = self.order[start:end][is_value]
        nulls = len(is_value) - len(values)
        text_bytes = None
        if self.lengths is not None:
            text_bytes = int(self.lengths[start:end][is_value].sum())
        if values.dtype.kind == "f":
            values = values[~np.isnan(values)]
        if not len(values):
            return Extent(len(is_value), nulls, None, None, text_bytes)
        low, high = self.plain(values.min()), self.plain(values.max())
        return Extent(len(is_value), nulls, low, high, text_bytes)


def slots(column: "pa.ChunkedArray[Any]") -> Slots:
    """Lay out a column of texts, lists of texts, booleans, integers, times or doubles."""
    array = column.combine_chunks()
    if pa.types.is_list(array.type):
        return _of_lists(cast("pa.ListArray[Any]", array))
    is_value = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(array.type) or pa.types.is_string(array.type):
        return _of_texts(array, is_value)
    if pa.types.is_floating(array.type):
        values = array.fill_null(0.0).to_numpy(zero_copy_only=False)
        return Slots(len(array), values, is_value, lambda value: struct.pack("<d", value))
    if pa.types.is_boolean(array.type):
        flags = array.fill_null(False).to_numpy(zero_copy_only=False)
        return Slots(len(array), flags, is_value, lambda value: bytes([bool(value)]))
    numbers = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return Slots(len(array), numbers, is_value, lambda value: struct.pack("<q", value))


def _of_texts(column: "pa.Array[Any]", is_value: Mask) -> Slots:
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = cast("pa.DictionaryArray[Any, Any]", coded)
    codes = texts.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    dictionary = cast("pa.StringArray", texts.dictionary)
    if not len(dictionary):
        dictionary = pa.array([""], pa.string())  # no slot has a value
    places = pc.array_sort_indices(dictionary).to_numpy()
    ranks = np.empty(len(dictionary), np.int64)
    ranks[places] = np.arange(len(dictionary))
    lengths = pc.binary_length(dictionary).fill_null(0).to_numpy(zero_copy_only=False)
    return Slots(
        len(column),
        ranks[codes],
        is_value,
        lambda rank: str(dictionary[int(places[int(rank)])]).encode(),
        lengths[codes].astype(np.int64),
    )


def _of_lists(column: "pa.ListArray[Any]") -> Slots:
    """Lay out lists of texts: an empty or missing list has one slot."""
    counts = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    sizes = np.maximum(counts, 1).astype(np.int64)
    has_element = np.repeat(counts > 0, sizes)
    elements = column.flatten()
    leaves = _of_texts(elements, elements.is_valid().to_numpy(zero_copy_only=False))
    order, lengths = (np.zeros(int(sizes.sum()), np.int64) for _ in range(2))
    is_value = np.zeros(len(order), np.bool_)
    assert leaves.lengths is not None
    order[has_element], is_value[has_element] = leaves.order, leaves.is_value
    lengths[has_element] = leaves.lengths
    return Slots(len(column), order, is_value, leaves.plain, lengths)
