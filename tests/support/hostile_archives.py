"""Archives whose structure is hostile, made of the files of a snapshot."""

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

Files = dict[str, bytes]
"""The files of a snapshot by path."""

Build = Callable[[Files], bytes]
"""Makes an archive of them, with a trap in it."""


def zipped(files: Files, *more: tuple[zipfile.ZipInfo | str, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(name, content)
        for entry, content in more:
            archive.writestr(entry, content)
    return stream.getvalue()


def with_entry(name: str, content: bytes = b"hostile", mode: int = 0) -> Build:
    """One entry more, perhaps with the mode of a link or a device."""
    info = zipfile.ZipInfo("x")
    info.filename, info.create_system, info.external_attr = name, 3, mode << 16
    return lambda files: zipped(files, (info, content))


def _instead(name: str, mode: int, content: bytes) -> Build:
    """A file of the snapshot as something else."""

    def build(files: Files) -> bytes:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        return zipped({n: c for n, c in files.items() if n != name}, (info, content))

    return build


def _patched(change: Callable[[bytearray, int, int], None]) -> Build:
    """Change the bytes of an archive: it is given the offsets of the directory and its end."""

    def build(files: Files) -> bytes:
        archive = bytearray(zipped(files))
        end = archive.rindex(b"PK\5\6")
        (directory,) = struct.unpack_from("<L", archive, end + 16)
        change(archive, directory, end)
        return bytes(archive)

    return build


def _set(form: str, value: int, *, in_end: int | None = None, in_entry: int | None = None) -> Build:
    """Set a number in the record of the end, or in the directory's first entry."""

    def change(archive: bytearray, directory: int, end: int) -> None:
        at = end + in_end if in_end is not None else directory + (in_entry or 0)
        struct.pack_into(form, archive, at, value)

    return _patched(change)


def _set_local(form: str, value: int, at: int) -> Build:
    return _patched(lambda archive, _, __: struct.pack_into(form, archive, at, value))


def _shifted(archive: bytearray, at: int, junk: bytes) -> bytes:
    """Put bytes somewhere before the directory, and correct every offset behind."""
    end = archive.rindex(b"PK\5\6")
    count, _, directory = struct.unpack_from("<HLL", archive, end + 10)
    where = directory
    for _ in range(count):
        lengths = struct.unpack_from("<3H", archive, where + 28)
        (offset,) = struct.unpack_from("<L", archive, where + 42)
        struct.pack_into("<L", archive, where + 42, offset + len(junk) * (offset >= at))
        where += 46 + sum(lengths)
    struct.pack_into("<L", archive, end + 16, directory + len(junk))
    return bytes(archive[:at]) + junk + bytes(archive[at:])


def _gap(files: Files) -> bytes:
    archive = bytearray(zipped(files))
    return _shifted(archive, archive.index(b"PK\3\4", 4), b"hidden")


def _overlapping(archive: bytearray, directory: int, _: int) -> None:
    """The second entry of the directory is the first file again."""
    second = directory + 46 + sum(struct.unpack_from("<3H", archive, directory + 28))
    (offset,) = struct.unpack_from("<L", archive, directory + 42)
    struct.pack_into("<L", archive, second + 42, offset)


def _swallowing(archive: bytearray, directory: int, _: int) -> None:
    """The content of the first file extends over the second, which is a file too."""
    size = archive.index(b"PK\3\4", 100) + 200
    for at in (directory + 20, directory + 24):
        struct.pack_into("<L", archive, at, size)
    for at in (18, 22):
        struct.pack_into("<L", archive, at, size)


def _unsummed(archive: bytearray, directory: int, _: int) -> None:
    """The checksum of snapshot.json is another one."""
    for at in (archive.index(b"snapshot.json{") - 16, archive.rindex(b"snapshot.json") - 30):
        struct.pack_into("<L", archive, at, 7)


def _end_64(count: int, length: int, offset: int | None = None) -> Build:
    """A record of 64 bits that contradicts the archive."""

    def build(files: Files) -> bytes:
        archive = zipped(files)
        end = archive.rindex(b"PK\5\6")
        (directory,) = struct.unpack_from("<L", archive, end + 16)
        at = directory if offset is None else offset
        return archive[:end] + _ending(count, length, at, end)

    return build


def _ending(count: int, length: int, offset: int, at: int) -> bytes:
    """The end of an archive in 64 bits: where its directory is, and the record itself at ``at``."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    full = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return record + locator + full


def _wide_size(files: Files) -> bytes:
    """A file whose size is stated as an exabyte in 64 bits."""
    archive = bytearray(zipped({n: c for n, c in files.items() if n != "open.sql"}))
    end = archive.rindex(b"PK\5\6")
    (directory,) = struct.unpack_from("<L", archive, end + 16)
    extra = struct.pack("<2H2Q", 1, 16, 2**60, 2**60)
    name_length = struct.unpack_from("<H", archive, directory + 28)[0]
    for at in (directory + 20, directory + 24):
        struct.pack_into("<L", archive, at, 0xFFFFFFFF)
    struct.pack_into("<H", archive, directory + 30, len(extra))
    (length,) = struct.unpack_from("<L", archive, end + 12)
    struct.pack_into("<L", archive, end + 12, length + len(extra))
    at = directory + 46 + name_length
    return bytes(archive[:at]) + extra + bytes(archive[at:])


def deflated(name: str, change: Callable[[bytes], bytes]) -> Build:
    """A file whose compressed bytes are not those of its content."""

    def build(files: Files) -> bytes:
        press = zlib.compressobj(9, zlib.DEFLATED, -15)
        pressed = change(press.compress(files[name]) + press.flush())
        lie = f"{'x' * (len(name) - 1)}y"
        others = {n: c for n, c in files.items() if n != name}
        archive = bytearray(zipped(others, (lie, pressed)))
        crc, size = zlib.crc32(files[name]), len(files[name])
        local, central = archive.index(lie.encode()) - 30, archive.rindex(lie.encode()) - 46
        for at in (local + 8, central + 10):
            struct.pack_into("<H", archive, at, 8)
        for at in (local + 14, central + 16):
            struct.pack_into("<3L", archive, at, crc, len(pressed), size)
        return bytes(archive).replace(lie.encode(), name.encode())

    return build


def _bomb(files: Files) -> bytes:
    content = {**files, "README.md": bytes(100 * 2**20)}
    return zipped(content, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def _longer(files: Files) -> bytes:
    """A list of hashes that inflates to a thousand times its stated size."""
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    pressed = press.compress(bytes(1000 * len(files["SHA256SUMS"]))) + press.flush()
    return deflated("SHA256SUMS", lambda _: pressed)(files)


def _twice(files: Files) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return zipped(files, ("README.md", b"another"))


def _normalised(files: Files) -> bytes:
    forms = [(unicodedata.normalize(form, "tasks/é.parquet"), b"") for form in ("NFC", "NFD")]
    return zipped(files, *forms)


def _many(files: Files) -> bytes:
    """An archive of small files, too many: its directory would take gigabytes of memory."""
    name = b"README.md"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), *[0] * 6)
    directory = (entry + name) * 200_000
    return directory + _ending(200_000, len(directory), 0, len(directory))


def _below(*folders: str) -> Build:
    """The snapshot below a folder, in turns below several."""

    def build(files: Files) -> bytes:
        named = enumerate(sorted(files.items()))
        return zipped({f"{folders[at % len(folders)]}/{n}": c for at, (n, c) in named})

    return build


LINK, PIPE, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o666

ARCHIVES: dict[str, Build] = {
    "an absolute path": with_entry("/tmp/escaped"),
    "a path upwards": with_entry("../escaped"),
    "a path down and upwards": with_entry("tasks/../../escaped.parquet"),
    "a path with backslashes": with_entry("..\\escaped"),
    "a drive": with_entry("C:/escaped"),
    "a name with a NUL": with_entry("README.md\0.exe"),
    "a table's file with a backslash": with_entry("tasks/..\\..\\escaped.parquet"),
    "a link": _instead("README.md", LINK, b"/etc/passwd"),
    "a link more": with_entry("tasks/link.parquet", b"../../escaped", LINK),
    "a pipe": _instead("open.sql", PIPE, b""),
    "a device": _instead("open.sql", DEVICE, b""),
    "a folder of its own": with_entry("queries/", b""),
    "a query": with_entry("queries/x.sql", b"SELECT 1"),
    "an archive in it": with_entry("inner.zip", b"PK\5\6" + bytes(18)),
    "a file that is listed twice": _twice,
    "names equal but for case": lambda files: with_entry(
        next(name for name in files if name.startswith("tasks/")).replace("part", "Part")
    )(files),
    "names equal but for the form of é": _normalised,
    "two folders": _below("one", "two"),
    "below ..": _below(".."),
    "below two folders": _below("one/two"),
    "an absolute folder": _below("/one"),
    "encrypted": _set("<H", 1, in_entry=8),
    "pressed with bzip2": lambda files: zipped(files, compression=zipfile.ZIP_BZIP2),
    "pressed with lzma": lambda files: zipped(files, compression=zipfile.ZIP_LZMA),
    "an unknown method": _set("<H", 99, in_entry=10),
    "a part of several": _set("<H", 1, in_end=4),
    "a file in another part": _set("<H", 3, in_entry=34),
    "something before": lambda files: b"#!/bin/sh\n" + zipped(files),
    "something before, and offsets that fit": lambda files: _shifted(
        bytearray(zipped(files)), 0, b"#!/bin/sh\n"
    ),
    "something behind": lambda files: zipped(files) + b"hidden",
    "something between": _gap,
    "two files in one place": _patched(_overlapping),
    "a file over another": _patched(_swallowing),
    "a size that is none": _set("<L", 5, in_entry=24),
    "another name in its own header": _set_local("<B", ord("X"), 31),
    "another size in its own header": _set_local("<L", 7, 22),
    "another method in its own header": _set_local("<H", 8, 8),
    "a wrong checksum": _set_local("<L", 7, 14),
    "a wrong checksum in both places": _patched(_unsummed),
    "an exabyte": _wide_size,
    "a directory of exabytes": _end_64(2**40, 2**60),
    "a directory that is elsewhere": _end_64(3, 100, 2**62),
    "another number of files here than in all": _set("<H", 60_000, in_end=10),
    "more files than there are": _patched(
        lambda archive, _, end: struct.pack_into("<2H", archive, end + 8, 60_000, 60_000)
    ),
    "fewer files than there are": _patched(
        lambda archive, _, end: struct.pack_into("<2H", archive, end + 8, 3, 3)
    ),
    "millions of files": _many,
    "a directory beyond the end": _set("<L", 2**31, in_end=16),
    "cut in the middle": lambda files: zipped(files)[:5000],
    "cut at the end": lambda files: zipped(files)[:-1],
    "empty": lambda _: b"",
    "no archive": lambda _: b"hello",
    "an archive without files": lambda _: zipped({}),
    "a bomb": _bomb,
    "longer than declared": _longer,
    "pressed bytes cut short": deflated("SHA256SUMS", lambda pressed: pressed[:-20]),
    "pressed bytes and more": deflated("SHA256SUMS", lambda pressed: pressed + b"hidden"),
    "pressed bytes that are none": deflated("SHA256SUMS", lambda _: b"\xff" * 300),
}
