"""Parquet files that lie: the footer of a file is read with its types, changed and written again.

No library writes what is not true of the rows, so this does.
"""

from collections.abc import Callable
from typing import Any

Field = tuple[int, Any]
"""The kind in Thrift's compact protocol, and a value: a struct is a dict of fields, a list a pair
of the kind of its elements and these."""
Struct = dict[int, Field]

BYTE, I32, I64, DOUBLE, TEXT, LIST, STRUCT = 3, 5, 6, 7, 8, 9, 12
TRUE, FALSE = 1, 2


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def number(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.number()
            fields[number] = (head & 15, self.value(head & 15))
        return fields

    def value(self, kind: int) -> Any:
        if kind in (TRUE, FALSE):
            return None
        if kind in (I32, I64):
            return self.number()
        if kind == TEXT:
            length = self.varint()
            self.at += length
            return self.content[self.at - length : self.at]
        if kind == LIST:
            head = self.byte()
            length = head >> 4 if head >> 4 < 15 else self.varint()
            if head & 15 in (TRUE, FALSE):  # in a list, each is a byte
                return head & 15, [self.byte() for _ in range(length)]
            return head & 15, [self.value(head & 15) for _ in range(length)]
        assert kind == STRUCT
        return self.struct()


def _varint(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def _number(value: int) -> bytes:
    return _varint((value << 1) ^ (value >> 63))


def _written(struct: Struct) -> bytes:
    content, last = b"", 0
    for number, (kind, value) in sorted(struct.items()):
        assert 0 < number - last < 16
        content += bytes([(number - last) << 4 | kind]) + _value(kind, value)
        last = number
    return content + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE):
        return b""
    if kind in (I32, I64):
        return _number(value)
    if kind == TEXT:
        return _varint(len(value)) + bytes(value)
    if kind == LIST:
        its, values = value
        head = bytes([len(values) << 4 | its]) if len(values) < 15 else bytes([0xF0 | its])
        length = b"" if len(values) < 15 else _varint(len(values))
        if its in (TRUE, FALSE):
            return head + length + bytes(values)
        return head + length + b"".join(_value(its, entry) for entry in values)
    return _written(value)


def footer_at(content: bytes) -> int:
    """Find where the footer of a file begins."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def with_footer(content: bytes, change: Callable[[Struct], object]) -> bytes:
    """Change the footer of a file."""
    at = footer_at(content)
    footer = _Reader(content[at:-8]).struct()
    assert _written(footer) == content[at:-8]
    change(footer)
    written = _written(footer)
    return content[:at] + written + len(written).to_bytes(4, "little") + b"PAR1"


def of_columns(name: str, change: Callable[[Struct], object]) -> Callable[[Struct], None]:
    """Change the metadata of a column in a footer, in every row group."""

    def changed(footer: Struct) -> None:
        for group in footer[4][1][1]:
            for chunk in group[1][1][1]:
                if chunk[3][1][3][1][1][0] == name.encode():
                    change(chunk)

    return changed


def statistics(name: str, **fields: Field | None) -> Callable[[Struct], None]:
    """Set fields of the statistics of a column, by their number (``f5``); None removes one."""

    def change(chunk: Struct) -> None:
        entries = chunk[3][1][12][1]
        for field, value in fields.items():
            entries.pop(int(field[1:]), None)
            if value is not None:
                entries[int(field[1:])] = value

    return of_columns(name, change)


PLACES, BOUNDS = 4, 6
"""The field of a column chunk with the start of its offset index and its column index; the next
field is the length."""


def with_index(content: bytes, name: str, part: int, change: Callable[[Struct], object]) -> bytes:
    """Change the offset index (``PLACES``) or column index (``BOUNDS``) of a column, everywhere.

    All indexes are written again between the pages and the footer, which records where they are.
    """
    footer = _Reader(content[footer_at(content) : -8]).struct()
    chunks = [chunk for group in footer[4][1][1] for chunk in group[1][1][1]]
    written, at = b"", min(chunk[field][1] for chunk in chunks for field in (PLACES, BOUNDS))
    begin = at
    for field in (BOUNDS, PLACES):
        for chunk in chunks:
            start, length = chunk[field][1], chunk[field + 1][1]
            index = content[start : start + length]
            if field == part and chunk[3][1][3][1][1][0] == name.encode():
                index = _changed(index, change)
            chunk[field], chunk[field + 1] = (I64, at), (I32, len(index))
            written, at = written + index, at + len(index)
    ending = _written(footer)
    return content[:begin] + written + ending + len(ending).to_bytes(4, "little") + b"PAR1"


def _changed(index: bytes, change: Callable[[Struct], object]) -> bytes:
    struct = _Reader(index).struct()
    assert _written(struct) == index
    change(struct)
    return _written(struct)
