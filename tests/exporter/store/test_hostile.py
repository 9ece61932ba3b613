"""Hostile archives: none gets out, none crashes us, none leaves anything behind."""

import hashlib
import io
import json
import os
import stat
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.dataset import writing
from clearml_snapshot.exporter.store.sums import read_sums
from clearml_snapshot.exporter.store.unpack import unpack
from clearml_snapshot.exporter.store.verify import verify
from clearml_snapshot.queries import open_dataset

Call = Callable[..., Any]
Files = dict[str, bytes]
Build = Callable[[Files], bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Files:
    """The files of a snapshot, by path."""
    data = tmp_path_factory.mktemp("files") / "data"
    with writing(data) as dataset:
        root = commit(dataset, {("t1", "p"): line("t1", [1.0, 2.0])}).root
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def _zipped(files: Files, *more: tuple[zipfile.ZipInfo | str, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(name, content)
        for entry, content in more:
            archive.writestr(entry, content)
    return stream.getvalue()


def _with(name: str, content: bytes = b"hostile", mode: int = 0) -> Build:
    """One entry more, perhaps with the mode of a link or a device."""
    info = zipfile.ZipInfo("x")
    info.filename, info.create_system, info.external_attr = name, 3, mode << 16
    return lambda files: _zipped(files, (info, content))


def _instead(name: str, mode: int, content: bytes) -> Build:
    """A file of the snapshot as something else."""

    def build(files: Files) -> bytes:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        return _zipped({n: c for n, c in files.items() if n != name}, (info, content))

    return build


def _listed(files: Files) -> Files:
    """Make SHA256SUMS fit, as somebody does who builds a pack to deceive."""
    others = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    lines = (f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in sorted(others.items()))
    return {**others, "SHA256SUMS": "".join(lines).encode()}


def _header(change: Callable[[dict[str, Any]], Any]) -> Build:
    """A snapshot.json that was changed, with hashes that fit."""

    def build(files: Files) -> bytes:
        header = json.loads(files["snapshot.json"])
        changed = change(header)
        text = json.dumps(header if changed is None else changed).encode()
        return _zipped(_listed({**files, "snapshot.json": text}))

    return build


def _raw_header(text: bytes) -> Build:
    return lambda files: _zipped(_listed({**files, "snapshot.json": text}))


def _first(**values: Any) -> Build:
    return _header(lambda header: header["files"][0].update(values))


def _parquet(table: str, change: Callable[[pa.Table], pa.Table], **options: Any) -> Build:
    """Another Parquet file in the place of a table's, with hashes and sizes that fit."""

    def build(files: Files) -> bytes:
        (name,) = (name for name in files if name.startswith(f"{table}/"))
        rows = change(pq.ParquetFile(io.BytesIO(files[name])).read())
        stream = io.BytesIO()
        written: dict[str, Any] = {"store_schema": False, "compression": "zstd", **options}
        pq.write_table(rows, stream, **written)
        return _replaced(files, name, stream.getvalue(), rows.num_rows)

    return build


def _replaced(files: Files, name: str, content: bytes, rows: int | None = None) -> bytes:
    header = json.loads(files["snapshot.json"])
    (entry,) = (entry for entry in header["files"] if entry["path"] == name)
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if rows is not None:
        entry["rows"] = rows
    text = json.dumps(header).encode()
    return _zipped(_listed({**files, name: content, "snapshot.json": text}))


def _no_parquet(content: Callable[[bytes], bytes]) -> Build:
    def build(files: Files) -> bytes:
        (name,) = (name for name in files if name.startswith("tasks/"))
        return _replaced(files, name, content(files[name]))

    return build


def _patched(change: Callable[[bytearray, int, int], None]) -> Build:
    """Change the bytes of an archive: it is told where the directory and its end begin."""

    def build(files: Files) -> bytes:
        archive = bytearray(_zipped(files))
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
    archive = bytearray(_zipped(files))
    return _shifted(archive, archive.index(b"PK\3\4", 4), b"hidden")


def _overlapping(archive: bytearray, directory: int, _: int) -> None:
    """The second entry of the directory is the first file again."""
    second = directory + 46 + sum(struct.unpack_from("<3H", archive, directory + 28))
    (offset,) = struct.unpack_from("<L", archive, directory + 42)
    struct.pack_into("<L", archive, second + 42, offset)


def _swallowing(archive: bytearray, directory: int, _: int) -> None:
    """The content of the first file goes on over the second, which is a file too."""
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
    """A record of 64 bits that says something else than the archive."""

    def build(files: Files) -> bytes:
        archive = _zipped(files)
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
    """A file that says in 64 bits that it has an exabyte."""
    archive = bytearray(_zipped({n: c for n, c in files.items() if n != "open.sql"}))
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


def _deflated(name: str, change: Callable[[bytes], bytes]) -> Build:
    """A file whose pressed bytes are not those of its content."""

    def build(files: Files) -> bytes:
        press = zlib.compressobj(9, zlib.DEFLATED, -15)
        pressed = change(press.compress(files[name]) + press.flush())
        lie = f"{'x' * (len(name) - 1)}y"
        others = {n: c for n, c in files.items() if n != name}
        archive = bytearray(_zipped(others, (lie, pressed)))
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
    return _zipped(content, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def _longer(files: Files) -> bytes:
    """A list of hashes that inflates to a thousand times of what it says."""
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    pressed = press.compress(bytes(1000 * len(files["SHA256SUMS"]))) + press.flush()
    return _deflated("SHA256SUMS", lambda _: pressed)(files)


def _twice(files: Files) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return _zipped(files, ("README.md", b"another"))


def _normalised(files: Files) -> bytes:
    forms = [(unicodedata.normalize(form, "tasks/é.parquet"), b"") for form in ("NFC", "NFD")]
    return _zipped(files, *forms)


def _many(files: Files) -> bytes:
    """An archive of so many small files that its directory would take gigabytes of memory."""
    name = b"README.md"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), *[0] * 6)
    directory = (entry + name) * 200_000
    return directory + _ending(200_000, len(directory), 0, len(directory))


def _below(*folders: str) -> Build:
    """The snapshot below a folder, in turns below several."""

    def build(files: Files) -> bytes:
        named = enumerate(sorted(files.items()))
        return _zipped({f"{folders[at % len(folders)]}/{n}": c for at, (n, c) in named})

    return build


def _sums(change: Callable[[str], str]) -> Build:
    return lambda files: _zipped(
        {**files, "SHA256SUMS": change(files["SHA256SUMS"].decode()).encode()}
    )


def _flipped(files: Files) -> bytes:
    """A changed file whose checksum of 32 bits was corrected."""
    (name,) = (name for name in files if name.startswith("tasks/"))
    return _zipped({**files, name: b"X" + files[name][1:]})


def _long_comment(rows: pa.Table) -> pa.Table:
    at = rows.schema.get_field_index("comment")
    return rows.set_column(at, rows.schema.field(at), pa.array(["\0" * (65 * 2**20)]))


def _repeated(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows] * 300_000).combine_chunks()


def _nested(rows: pa.Table) -> pa.Table:
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    return rows.set_column(0, "task_id", pa.array([deep]))


def _lying_footer(files: Files) -> bytes:
    """A page of 65 MB of which the footer says that it has a hundred bytes."""
    (name,) = (name for name in files if name.startswith("tasks/"))
    stream = io.BytesIO()
    rows = _long_comment(pq.ParquetFile(io.BytesIO(files[name])).read())
    pq.write_table(rows, stream, store_schema=False, compression="zstd", use_dictionary=False)
    content = stream.getvalue()
    group = pq.ParquetFile(stream).metadata.row_group(0)
    sizes = [group.column(at).total_uncompressed_size for at in range(group.num_columns)]
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    said = content[footer:]
    for size in (max(sizes), group.total_byte_size):
        assert _varint(size, 4) in said
        said = said.replace(_varint(size, 4), _varint(100, 4))
    return _replaced(files, name, content[:footer] + said)


def _varint(value: int, length: int) -> bytes:
    """Write a number as Thrift does, in more bytes than it needs if they are to be filled."""
    digits = [value * 2 >> 7 * at & 127 for at in range(length)]
    return bytes(digit | 128 for digit in digits[:-1]) + bytes(digits[-1:])


LINK, PIPE, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o666

HOSTILE: dict[str, Build] = {
    "an absolute path": _with("/tmp/escaped"),
    "a path upwards": _with("../escaped"),
    "a path down and upwards": _with("tasks/../../escaped.parquet"),
    "a path with backslashes": _with("..\\escaped"),
    "a drive": _with("C:/escaped"),
    "a name with a NUL": _with("README.md\0.exe"),
    "a table's file with a backslash": _with("tasks/..\\..\\escaped.parquet"),
    "a link": _instead("README.md", LINK, b"/etc/passwd"),
    "a link more": _with("tasks/link.parquet", b"../../escaped", LINK),
    "a pipe": _instead("open.sql", PIPE, b""),
    "a device": _instead("open.sql", DEVICE, b""),
    "a folder of its own": _with("queries/", b""),
    "a query": _with("queries/x.sql", b"SELECT 1"),
    "an archive in it": _with("inner.zip", b"PK\5\6" + bytes(18)),
    "a file that stands twice": _twice,
    "names equal but for case": lambda files: _with(
        next(name for name in files if name.startswith("tasks/")).replace("part", "Part")
    )(files),
    "names equal but for the form of é": _normalised,
    "two folders": _below("one", "two"),
    "below ..": _below(".."),
    "below two folders": _below("one/two"),
    "an absolute folder": _below("/one"),
    "encrypted": _set("<H", 1, in_entry=8),
    "pressed with bzip2": lambda files: _zipped(files, compression=zipfile.ZIP_BZIP2),
    "pressed with lzma": lambda files: _zipped(files, compression=zipfile.ZIP_LZMA),
    "a method that nobody knows": _set("<H", 99, in_entry=10),
    "a part of several": _set("<H", 1, in_end=4),
    "a file in another part": _set("<H", 3, in_entry=34),
    "something before": lambda files: b"#!/bin/sh\n" + _zipped(files),
    "something before, and offsets that fit": lambda files: _shifted(
        bytearray(_zipped(files)), 0, b"#!/bin/sh\n"
    ),
    "something behind": lambda files: _zipped(files) + b"hidden",
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
    "cut in the middle": lambda files: _zipped(files)[:5000],
    "cut at the end": lambda files: _zipped(files)[:-1],
    "empty": lambda _: b"",
    "no archive": lambda _: b"hello",
    "an archive without files": lambda _: _zipped({}),
    "a bomb": _bomb,
    "longer than it says": _longer,
    "pressed bytes cut short": _deflated("SHA256SUMS", lambda pressed: pressed[:-20]),
    "pressed bytes and more": _deflated("SHA256SUMS", lambda pressed: pressed + b"hidden"),
    "pressed bytes that are none": _deflated("SHA256SUMS", lambda _: b"\xff" * 300),
    "no list of hashes": lambda files: _zipped(
        {n: c for n, c in files.items() if n != "SHA256SUMS"}
    ),
    "a list of hashes that is none": _sums(lambda _: "hello\n"),
    "a listed file that is not there": _sums(
        lambda text: text + f"{'0' * 64}  tasks/zzz.parquet\n"
    ),
    "a listed file outside": _sums(lambda text: f"{'0' * 64}  ../escaped\n" + text),
    "a file that is not listed": _with("index.html"),
    "a file that was changed": _flipped,
    "snapshot.json nested deeply": _raw_header(b'{"format":' + b"[" * 200_000),
    "snapshot.json with values by the million": _raw_header(b"[" + b"[]," * 2_000_000),
    "snapshot.json that is no object": _raw_header(b"[]"),
    "snapshot.json that is no text": _raw_header(b"\xff\xfe"),
    "snapshot.json with NaN": _first(rows=float("nan")),
    "infinitely many rows": _first(rows=float("inf")),
    "more rows than there are numbers": _first(rows=10**100),
    "fewer rows than none": _first(rows=-1),
    "true rows": _first(rows=True),
    "a hash that is none": _first(sha256="../escaped"),
    "a path that is none": _first(path=["tasks"]),
    "a path that leads outside": _first(path="../../escaped.parquet"),
    "a path of another table": _first(table="scalars"),
    "a file that is listed twice": _header(
        lambda header: header["files"].append(header["files"][0])
    ),
    "a time without a zone": _header(lambda header: header.update(created_at="2026-01-01")),
    "totals that are none": _header(lambda header: header.update(totals={"tasks": "many"})),
    "a newer format": _header(lambda header: header.update(format_version=99)),
    "a format that is true": _header(lambda header: header.update(format_version=True)),
    "another format": _header(lambda header: header.update(format="other")),
    "other columns": _parquet("tasks", lambda rows: rows.drop_columns(["name"])),
    "a column of lists of lists": _parquet("tasks", _nested),
    "a text of 65 MB from nothing": _parquet("tasks", _long_comment, use_dictionary=False),
    "pages larger than their footer says": _lying_footer,
    "a row group larger than any": _parquet("hyperparams", _repeated, row_group_size=300_000),
    "rows that are not there": lambda files: _header(
        lambda header: header["files"][0].update(rows=10**9)
    )(files),
    "no Parquet": _no_parquet(lambda _: b"PAR1 hello PAR1"),
    "a footer larger than the file": _no_parquet(
        lambda content: content[:-8] + struct.pack("<L", 2**32 - 1) + b"PAR1"
    ),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that could be reached: the cache, and where things are unpacked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    (tmp_path / "home" / "cache" / "clearml-snapshot" / "packs").mkdir(parents=True)
    return tmp_path / "home"


def _everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def _unpacked(path: Path, home: Path) -> Iterator[str]:
    unpack(path, home / "q3")
    yield from ()


def _verified(path: Path, _: Path) -> Iterator[str]:
    yield from verify(path).problems


def _asked(path: Path, _: Path) -> Iterator[str]:
    with open_dataset(path) as dataset:
        dataset.sql("SELECT count(*) FROM scalars").fetchall()
    yield from ()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, files: Files, home: Path) -> None:
    path = home / "x.zip"
    path.write_bytes(HOSTILE[name](files))
    before = _everything(home.parent)
    for use in (_unpacked, _verified, _asked):
        try:
            problems = list(use(path, home))
        except SnapshotError as error:
            problems = [str(error)]
            assert str(path) in problems[0]
        assert problems, use
        assert not any("\n" in problem for problem in problems)
        assert _everything(home.parent) == before, use


def test_the_archive_that_they_are_made_of_is_whole(files: Files, home: Path) -> None:
    path = home / "x.zip"
    path.write_bytes(_zipped(files))
    assert read_sums(files["SHA256SUMS"]) == read_sums(_listed(files)["SHA256SUMS"])
    assert list(_verified(path, home)) == []
    for use in (_unpacked, _asked):
        list(use(path, home))
    path.write_bytes(_deflated("README.md", lambda pressed: pressed)(files))
    assert list(_verified(path, home)) == []
    path.write_bytes(_header(lambda header: header.update(server={}))(files))
    assert list(_verified(path, home)) == []


@pytest.mark.parametrize(
    "selections",
    [
        [None],
        ["--all"],
        [{"filter": 1}],
        [{"metrics": None}],
        [{"matched": "many"}],
        [{"matched": 10**30}],
        [{"matched": [1]}],
    ],
)
def test_selections_of_any_shape(
    selections: Any, files: Files, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "x.zip"
    path.write_bytes(_header(lambda header: header.update(selections=selections))(files))
    for command in ("status", "selections"):
        assert main([command, "--data", str(path)]) == 5
        assert "snapshot.json is damaged" in capsys.readouterr().err


_PEAK = """
import resource, sys
from pathlib import Path
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.footers import footer_problem
from clearml_snapshot.exporter.store.unpack import unpack
from clearml_snapshot.exporter.store.verify import verify
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        unpack(path, path.with_suffix(""))
        print("unpacked", path)
    except SnapshotError:
        pass
    if not verify(path).problems:
        print("whole", path)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_bombs_take_no_memory(files: Files, home: Path) -> None:
    names = [
        "a bomb",
        "longer than it says",
        "pages larger than their footer says",
        "an exabyte",
        "a directory of exabytes",
        "millions of files",
        "snapshot.json with values by the million",
    ]
    paths = [home / f"{at}.zip" for at in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(HOSTILE[name](files))
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    (megabytes,) = run.stdout.split()
    assert int(megabytes) < 100
