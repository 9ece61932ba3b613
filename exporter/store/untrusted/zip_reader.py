"""Reads the structure of a ZIP archive strictly: everything that is ambiguous is refused.

``zipfile`` is not used: it accepts bytes before, between and after the entries, and trusts the
directory if an entry's own header differs. Other tools read the headers, so they would see another
archive than the one that was verified. Here headers and contents must fill the archive without a
gap and agree with its directory. Layout: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from clearml_snapshot.exporter.errors import DatasetError

STORED: Final = 0
DEFLATED: Final = 8

MOST_ENTRIES: Final = 100_000
"""Several times what a history of ten thousand projects needs."""

_MOST_DIRECTORY: Final = 32 * 2**20
_BLOCK: Final = 1 << 20

_END: Final = struct.Struct("<4s4H2LH")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_LISTED: Final = struct.Struct("<4sBB5H3L5H2L")
_HEADER: Final = struct.Struct("<4s5H3L2H")
_MOST_COMMENT: Final = 0xFFFF

_FULL_16: Final = 0xFFFF
_FULL_32: Final = 0xFFFFFFFF
"""Marks a field whose value is in the 64-bit record."""

_SIZES_64: Final = 1
"""The extra field that has them."""

_SIZES_FOLLOW: Final = 1 << 3
_UTF_8: Final = 1 << 11
_HARMLESS: Final = 0b110 | _SIZES_FOLLOW | _UTF_8
"""Flags: how hard the packer tried, sizes behind the content, the coding of names."""

_UNIX: Final = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of an archive."""

    name: str
    """As written in the archive; may contain anything."""
    raw_name: bytes
    size: int
    """Bytes of its content."""
    packed: int
    """Bytes that it takes in the archive."""
    method: int
    crc: int
    flags: int
    moment: tuple[int, int]
    """When it was changed, as the format counts."""
    mode: int
    """What kind of file it is and who may read it, as in Unix; 0 is not known."""
    header: int
    """Where it begins in the archive."""
    content: int = 0
    """Where its content begins."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in an archive; files fill it up to the directory."""

    entries: tuple[Entry, ...]
    """In the order of the directory."""
    directory: int
    """Where the directory begins."""
    end: int
    """Where the record behind the directory begins."""


def read_layout(stream: BinaryIO) -> Layout:
    """Read the directory of an archive, and the header of every file in it.

    Raises:
        DatasetError: it is cut short, not an archive, or contradicts itself.
    """
    size = stream.seek(0, os.SEEK_END)
    end_at, count, length, offset = _read_end(stream, size)
    if count > MOST_ENTRIES or length > _MOST_DIRECTORY:
        raise DatasetError(f"{count:,} files are more than a pack contains")
    directory = _read_at(stream, offset, length)
    listed = list(_listed(directory, count))
    return Layout(tuple(_placed(stream, listed, offset)), offset, end_at)


def blocks(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the content of a file, a block at a time.

    Raises:
        DatasetError: it does not match the directory: longer, shorter, or changed.
    """
    crc = size = 0
    for block in _unpacked(stream, entry):
        size += len(block)
        if size > entry.size:
            break
        crc = zlib.crc32(block, crc)
        yield block
    if (size, crc) != (entry.size, entry.crc):
        raise _changed(entry)


def _unpacked(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield content of any length, at most a block at a time, however far it was compressed."""
    packed = _packed(stream, entry)
    if entry.method == STORED:
        yield from packed
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for rest in packed:
        while block := _inflated(inflate, rest, entry):
            yield block
            rest = inflate.unconsumed_tail
    if not inflate.eof or inflate.unused_data:
        raise _changed(entry)


def _packed(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    stream.seek(entry.content)
    left = entry.packed
    while left and (packed := _read(stream, min(_BLOCK, left))):
        left -= len(packed)
        yield packed


def _inflated(inflate: "zlib._Decompress", packed: bytes, entry: Entry) -> bytes:
    try:
        return inflate.decompress(packed, _BLOCK)
    except zlib.error:
        raise _changed(entry) from None


def _changed(entry: Entry) -> DatasetError:
    return DatasetError(f"{entry.name} does not match the archive's directory; copy it again")


def _read_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    content = _read(stream, length)
    if len(content) != length:
        raise DatasetError("the archive is cut short")
    return content


def _read(stream: BinaryIO, length: int) -> bytes:
    try:
        return stream.read(length)
    except OSError as error:
        raise DatasetError(f"it cannot be read: {error.strerror}") from error


def _read_end(stream: BinaryIO, size: int) -> tuple[int, int, int, int]:
    """Find the end of the directory, the number of its entries, its length and its offset."""
    start = max(0, size - _END.size - _MOST_COMMENT)
    tail = _read_at(stream, start, size - start)
    at = len(tail)
    while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
        if at + _END.size <= len(tail):
            fields = _END.unpack_from(tail, at)
            if at + _END.size + fields[-1] == len(tail):
                return _checked_end(stream, start + at, fields[1:-1])
    raise DatasetError("it is not a ZIP archive, or its end is missing")


def _checked_end(
    stream: BinaryIO, end_at: int, fields: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Use the 64-bit record if there is one; the directory must end directly before it."""
    disk, first_disk, here, count, length, offset = fields
    locator_at = end_at - _LOCATOR.size
    before = _read_at(stream, locator_at, _LOCATOR.size) if locator_at >= _END_64.size else b""
    if before.startswith(b"PK\6\7"):
        end_at = locator_at - _END_64.size
        record = _END_64.unpack(_read_at(stream, end_at, _END_64.size))
        if _LOCATOR.unpack(before)[1:] != (0, end_at, 1) or record[:2] != (b"PK\6\6", 44):
            raise DatasetError("the end of the archive's directory is damaged")
        wide = record[4:]
        for value, full, wider in zip(fields, _FULL, wide, strict=True):
            if value not in (wider, full):
                raise DatasetError("the end of the archive's directory contradicts itself")
        disk, first_disk, here, count, length, offset = wide
    if (disk, first_disk) != (0, 0) or here != count:
        raise DatasetError("it is one part of a multi-part archive; join the parts first")
    if offset + length != end_at:
        raise DatasetError("the archive's directory is not at the stated position, or cut short")
    return end_at, count, length, offset


_FULL: Final = (_FULL_16,) * 4 + (_FULL_32,) * 2


def _listed(directory: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if at + _LISTED.size > len(directory):
            raise DatasetError("the archive's directory is cut short")
        fields = _LISTED.unpack_from(directory, at)
        at += _LISTED.size
        lengths = fields[11:14]
        if fields[0] != b"PK\1\2" or at + sum(lengths) > len(directory):
            raise DatasetError("the archive's directory is damaged")
        name_end = at + lengths[0]
        extra = directory[name_end : name_end + lengths[1]]
        yield _entry(fields, directory[at:name_end], extra)
        at += sum(lengths)
    if at != len(directory):
        raise DatasetError("the archive's directory lists more files than it counts")


def _entry(fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Entry:
    _, _, system, _, flags, method, time, date, crc, *_ = fields
    name = _name(raw_name, flags)
    if flags & 1:
        raise DatasetError(f"{shown(name)} is encrypted; packs never are")
    if flags & ~_HARMLESS or method not in (STORED, DEFLATED):
        raise DatasetError(f"{shown(name)} uses a compression that packs never use")
    size, packed, offset = _wide((fields[10], fields[9], fields[17]), extra, name)
    if fields[14] != 0:
        raise DatasetError(f"{shown(name)} is in another part of the archive; join them first")
    mode = fields[16] >> 16 if system == _UNIX else 0
    return Entry(name, raw_name, size, packed, method, crc, flags, (time, date), mode, offset)


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF_8 else "cp437")
    except UnicodeDecodeError:
        raise DatasetError(f"{shown(str(raw))} is not a file name") from None


def shown(name: str) -> str:
    """Quote a name that may contain anything, and shorten it."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


_SHOWN: Final = 80


def _wide(values: Sequence[int], extra: bytes, name: str) -> list[int]:
    """Take from the extra field, in its order, those values that 32 bits cannot hold."""
    field = _extra(extra, name)
    wide = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
    try:
        return [next(wide) if value == _FULL_32 else value for value in values]
    except StopIteration:
        raise DatasetError(f"{shown(name)} has no size") from None


def _extra(extra: bytes, name: str) -> bytes:
    sizes = b""
    while extra:
        kind, length = struct.unpack_from("<2H", extra.ljust(4, b"\xff"))
        if 4 + length > len(extra):
            raise DatasetError(f"{shown(name)} has a damaged entry in the archive's directory")
        if kind == _SIZES_64:
            sizes = extra[4 : 4 + length]
        extra = extra[4 + length :]
    return sizes


def _placed(stream: BinaryIO, listed: Sequence[Entry], directory: int) -> Iterator[Entry]:
    """Find each content; headers and contents must fill the archive up to the directory."""
    ordered = sorted({entry.header for entry in listed})
    if len(ordered) != len(listed):
        raise DatasetError("two entries overlap in the archive")
    if ordered and ordered[0] != 0:
        raise DatasetError("there are bytes before the first file of the archive")
    following = dict(zip(ordered, [*ordered, directory][1:], strict=True))
    for entry in listed:
        yield _located(stream, entry, following[entry.header])


def _located(stream: BinaryIO, entry: Entry, following: int) -> Entry:
    """Read a file's own header; it must agree with the directory."""
    fields = _HEADER.unpack(_read_at(stream, entry.header, _HEADER.size))
    signature, _, flags, method, time, date, crc, packed, size, name_length, extra_length = fields
    name = _read(stream, name_length)
    size, packed = _wide((size, packed), _read(stream, extra_length), entry.name)
    same = (signature, flags, method, (time, date), name) == (
        b"PK\3\4",
        entry.flags,
        entry.method,
        entry.moment,
        entry.raw_name,
    )
    sizes = [(entry.crc, entry.packed, entry.size)]
    if entry.flags & _SIZES_FOLLOW:
        sizes.append((0, 0, 0))
    if not same or (crc, packed, size) not in sizes:
        raise DatasetError(f"the header of {shown(entry.name)} contradicts the archive's directory")
    content = entry.header + _HEADER.size + name_length + extra_length
    behind = following - content - entry.packed
    if not _fits(stream, entry, content + entry.packed, behind):
        raise DatasetError(f"{shown(entry.name)} does not fit between its neighbouring entries")
    return replace(entry, content=content)


_DESCRIPTORS: Final = {12: "<3L", 16: "<4s3L", 20: "<L2Q", 24: "<4sL2Q"}
"""Checksum and sizes behind a content, by their length: with or without a signature."""


def _fits(stream: BinaryIO, entry: Entry, at: int, length: int) -> bool:
    """Return whether the bytes between a content and the next header belong there."""
    form = _DESCRIPTORS.get(length)
    if not entry.flags & _SIZES_FOLLOW or form is None:
        return length == 0
    descriptor = struct.unpack(form, _read_at(stream, at, length))
    signed = descriptor[:-3] in ((), (b"PK\7\x08",))
    return signed and descriptor[-3:] == (entry.crc, entry.packed, entry.size)
