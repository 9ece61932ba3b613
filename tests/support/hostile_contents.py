"""Well-formed archives with hostile contents: their lists, their metadata, their files."""

import hashlib
import io
import json
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.hostile_archives import Build, Files, with_entry, zipped


def listed(files: Files) -> Files:
    """Make SHA256SUMS fit, as the forger of a pack would."""
    others = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    lines = (f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in sorted(others.items()))
    return {**others, "SHA256SUMS": "".join(lines).encode()}


def with_header(change: Callable[[dict[str, Any]], Any]) -> Build:
    """A snapshot.json that was changed, with hashes that fit."""

    def build(files: Files) -> bytes:
        header = json.loads(files["snapshot.json"])
        changed = change(header)
        text = json.dumps(header if changed is None else changed).encode()
        return zipped(listed({**files, "snapshot.json": text}))

    return build


def _raw_header(text: bytes) -> Build:
    return lambda files: zipped(listed({**files, "snapshot.json": text}))


def _first(**values: Any) -> Build:
    return with_header(lambda header: header["files"][0].update(values))


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
    return zipped(listed({**files, name: content, "snapshot.json": text}))


def _no_parquet(content: Callable[[bytes], bytes]) -> Build:
    def build(files: Files) -> bytes:
        (name,) = (name for name in files if name.startswith("tasks/"))
        return _replaced(files, name, content(files[name]))

    return build


def _sums(change: Callable[[str], str]) -> Build:
    return lambda files: zipped(
        {**files, "SHA256SUMS": change(files["SHA256SUMS"].decode()).encode()}
    )


def _flipped(files: Files) -> bytes:
    """A changed file whose checksum of 32 bits was corrected."""
    (name,) = (name for name in files if name.startswith("tasks/"))
    return zipped({**files, name: b"X" + files[name][1:]})


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
    """A page of 65 MB that the footer states to have a hundred bytes."""
    (name,) = (name for name in files if name.startswith("tasks/"))
    stream = io.BytesIO()
    rows = _long_comment(pq.ParquetFile(io.BytesIO(files[name])).read())
    pq.write_table(rows, stream, store_schema=False, compression="zstd", use_dictionary=False)
    content = stream.getvalue()
    group = pq.ParquetFile(stream).metadata.row_group(0)
    sizes = [group.column(at).total_uncompressed_size for at in range(group.num_columns)]
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer_bytes = content[footer:]
    for size in (max(sizes), group.total_byte_size):
        assert _varint(size, 4) in footer_bytes
        footer_bytes = footer_bytes.replace(_varint(size, 4), _varint(100, 4))
    return _replaced(files, name, content[:footer] + footer_bytes)


def _varint(value: int, length: int) -> bytes:
    """Write a number as Thrift does, in more bytes than it needs if they are to be filled."""
    digits = [value * 2 >> 7 * at & 127 for at in range(length)]
    return bytes(digit | 128 for digit in digits[:-1]) + bytes(digits[-1:])


CONTENTS: dict[str, Build] = {
    "no list of hashes": lambda files: zipped(
        {n: c for n, c in files.items() if n != "SHA256SUMS"}
    ),
    "a list of hashes that is none": _sums(lambda _: "hello\n"),
    "a listed file that is not there": _sums(
        lambda text: text + f"{'0' * 64}  tasks/zzz.parquet\n"
    ),
    "a listed file outside": _sums(lambda text: f"{'0' * 64}  ../escaped\n" + text),
    "a file that is not listed": with_entry("index.html"),
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
    "a file that is listed twice": with_header(
        lambda header: header["files"].append(header["files"][0])
    ),
    "a time without a zone": with_header(lambda header: header.update(created_at="2026-01-01")),
    "totals that are none": with_header(lambda header: header.update(totals={"tasks": "many"})),
    "a newer format": with_header(lambda header: header.update(format_version=99)),
    "a format that is true": with_header(lambda header: header.update(format_version=True)),
    "another format": with_header(lambda header: header.update(format="other")),
    "other columns": _parquet("tasks", lambda rows: rows.drop_columns(["name"])),
    "a column of lists of lists": _parquet("tasks", _nested),
    "a text of 65 MB from nothing": _parquet("tasks", _long_comment, use_dictionary=False),
    "pages larger than their footer declares": _lying_footer,
    "a row group larger than any": _parquet("hyperparams", _repeated, row_group_size=300_000),
    "rows that are not there": lambda files: with_header(
        lambda header: header["files"][0].update(rows=10**9)
    )(files),
    "no Parquet": _no_parquet(lambda _: b"PAR1 hello PAR1"),
    "a footer larger than the file": _no_parquet(
        lambda content: content[:-8] + struct.pack("<L", 2**32 - 1) + b"PAR1"
    ),
}
