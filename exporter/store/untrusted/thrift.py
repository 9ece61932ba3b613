"""Reads structs of Thrift's compact protocol, in which Parquet writes its metadata.

It knows no particular struct: fields are returned by the numbers that parquet.thrift defines.
Layout: thrift-compact-protocol.md.
"""

from typing import Any, Final

Struct = dict[int, Any]
"""Values by field number: bool, int, bytes (text, and doubles as they are), list, or a struct."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _TEXT, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_INTEGERS: Final = (_I16, _I32, _I64)
_FLAGS: Final = (_TRUE, _FALSE)
_CONTINUED: Final = 128
"""A byte of a number from which on another follows."""

_DEEPEST: Final = 12
_MOST_VALUES: Final = 500_000
"""Values of one struct and all that is in it; twenty row groups of forty columns have 40,000."""
_MOST_BITS: Final = 64
_LONG_LIST: Final = 15


class Reader:
    """Reads structs one after the other.

    Args:
        content: the bytes.

    Attributes:
        at: where the next struct begins.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._values = 0
        self.at = 0

    def struct(self, depth: int = _DEEPEST) -> Struct:
        """Read a struct.

        Raises:
            IndexError: the bytes end before it does.
            ValueError: it is not a struct, or larger than any that a writer makes.
        """
        if depth == 0:
            raise ValueError("struct nested too deeply")
        fields: Struct = {}
        field = 0
        content = self._content
        while (head := content[self.at]) != 0:
            self.at += 1
            field = field + (head >> 4) if head >> 4 else self._number()
            if field in fields:
                raise ValueError(f"field {field} twice")
            kind = head & 15
            if kind in _INTEGERS and content[self.at] < _CONTINUED:  # most of all values
                small = content[self.at]
                self.at += 1
                self._count()
                fields[field] = (small >> 1) ^ -(small & 1)
            else:
                fields[field] = kind == _TRUE if kind in _FLAGS else self._value(kind, depth)
        self.at += 1
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        self._count()
        if kind in _INTEGERS:
            return self._number()
        if kind == _TEXT:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth - 1)
        if kind in (_LIST, _SET):
            return self._list(depth - 1)
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        raise ValueError(f"a value of kind {kind}")

    def _count(self) -> None:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise ValueError("too many values")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        length = head >> 4 if head >> 4 < _LONG_LIST else self._varint()
        if depth == 0 or length > _MOST_VALUES:
            raise ValueError("list too long or too deeply nested")
        return [self._value(head & 15, depth) for _ in range(length)]

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _bytes(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self._content):
            raise IndexError("text longer than the remaining bytes")
        return self._content[self.at - length : self.at]

    def _varint(self) -> int:
        value = shift = 0
        content, at = self._content, self.at
        while shift <= _MOST_BITS:
            byte = content[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < _CONTINUED:
                self.at = at
                return value
        raise ValueError("a number of more than 64 bits")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
