"""Writes an answer in one of the formats: one writer per format, the same bytes everywhere.

Hand-written, and not DuckDB's or Arrow's CSV and JSON writers: a query starts faster without
pyarrow, and DuckDB is not allowed to write files.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from io import IOBase
from typing import BinaryIO, Final, cast

from clearml_snapshot.cli.output.rows import Column, Kind, Rows, Value
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.own_keys import scrub_json
from clearml_snapshot.exporter.unseen import as_json, spelled_out

Writer = Callable[[Rows, BinaryIO], None]

DESCRIPTION: Final = """\
No format except the table shortens a value: ids, links and digits are complete. NULL is an empty
field (csv, tsv, markdown) or null. NaN and infinities are `NaN`, `Infinity` and `-Infinity`; in
JSON they are strings, because JSON has no such numbers and null would mean NULL. In JSON and
markdown, control characters, bidi marks and other invisible characters are escaped. Lists, structs
and maps are JSON text in csv. Text that begins with `=` or `@` is written unchanged: import the
column as text if a spreadsheet should not evaluate it.
"""
"""The formats, as the reference describes them."""


def write_csv(rows: Rows, sink: BinaryIO) -> None:
    """Write comma-separated values with a header, quoted as RFC 4180 says, lines end in LF."""
    _write_separated(rows, sink, ",")


def write_tsv(rows: Rows, sink: BinaryIO) -> None:
    """Write tab-separated values; a text with a tab or a line break is quoted as in csv."""
    _write_separated(rows, sink, "\t")


def _write_separated(rows: Rows, sink: BinaryIO, separator: str) -> None:
    unread = iter(rows)  # runs the query before the header is written
    sink.write(_record([column.name for column in rows.columns], separator))
    for row in unread:
        sink.write(_record([None if cell is None else plain(cell) for cell in row], separator))


def _record(cells: list[str | None], separator: str) -> bytes:
    """Make one line; an empty text is ``""`` and NULL is empty, as PostgreSQL writes them."""
    line = separator.join("" if cell is None else _field(cell, separator) for cell in cells)
    return ((line or '""') + "\n").encode()


def _field(text: str, separator: str) -> str:
    needs_quotes = not text or text != text.strip() or any(c in text for c in (separator, '"'))
    if needs_quotes or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def plain(cell: bool | int | float | str) -> str:
    """Write a value in full: a double in the fewest digits that read back as the same."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"
    return cell if isinstance(cell, str) else repr(cell)


def write_json(rows: Rows, sink: BinaryIO) -> None:
    """Write one array of objects, one object per line."""
    mark = b"[\n"
    for line in _objects(rows):
        sink.write(mark + line)
        mark = b",\n"
    sink.write(b"[]\n" if mark == b"[\n" else b"\n]\n")


def write_jsonl(rows: Rows, sink: BinaryIO) -> None:
    """Write one object per line."""
    for line in _objects(rows):
        sink.write(line + b"\n")


def _objects(rows: Rows) -> Iterator[bytes]:
    keys = [json.dumps(column.name, ensure_ascii=False) for column in rows.columns]
    for row in rows:
        cells = zip(keys, rows.columns, row, strict=True)
        pairs = (f"{key}: {_json(column, cell)}" for key, column, cell in cells)
        yield spelled_out("{" + ", ".join(pairs) + "}", as_json).encode()


def json_text(value: object) -> str:
    """Write a value as one line of JSON, with invisible characters escaped."""
    return spelled_out(scrub_json(json.dumps(value, ensure_ascii=False)), as_json) + "\n"


def _json(column: Column, cell: Value) -> str:
    if cell is None:
        return "null"
    if isinstance(cell, float) and not math.isfinite(cell):
        return json.dumps(plain(cell))
    if column.kind in (Kind.JSON, Kind.NUMBER) and isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False)


def write_markdown(rows: Rows, sink: BinaryIO) -> None:
    """Write a table for an issue or a README; numbers are aligned right."""
    unread = iter(rows)  # runs the query before the header is written
    names = [_markdown(column.name) for column in rows.columns]
    marks = ["--:" if column.kind.is_number else ":--" for column in rows.columns]
    for cells in (names, marks):
        sink.write(f"| {' | '.join(cells)} |\n".encode())
    for row in unread:
        cells = ["" if cell is None else _markdown(plain(cell)) for cell in row]
        sink.write(f"| {' | '.join(cells)} |\n".encode())


def _markdown(text: str) -> str:
    lines = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").splitlines()
    return "<br>".join(printable(line) for line in lines)


def write_text(rows: Rows, sink: BinaryIO) -> None:
    """Write the bare value if the result has a single row.

    Raises:
        UsageError: there are several rows; the message names them.
        SnapshotError: there are no rows, or the value is NULL.
    """
    first = rows.first(2)
    if not first:
        raise SnapshotError("the query returned no rows")
    if len(first) > 1:
        raise UsageError(
            f"text output needs a single value, but the query returned {_several(rows)}"
        )
    cell = first[0][_value_position(rows)]
    if cell is None:
        raise SnapshotError("the value is NULL; nothing to write as text")
    sink.write(plain(cell).encode() + b"\n")


def _value_position(rows: Rows) -> int:
    """Find the column with the value: the only one, or the one called value."""
    names = [column.name for column in rows.columns]
    if len(names) == 1:
        return 0
    if "value" not in names:
        columns = ", ".join(names)
        raise UsageError(f"text output needs a single value, but the query returned {columns}")
    return names.index("value")


def _several(rows: Rows) -> str:
    names = [column.name for column in rows.columns]
    if not {"metric", "variant"} <= set(names):
        return f"{rows.count()} rows"
    metric, variant = names.index("metric"), names.index("variant")
    series = list(dict.fromkeys(f"{row[metric]}/{row[variant]}" for row in rows.first(1000)))
    if len(series) == 1:
        return f"several rows for {series[0]}; filter the tasks, or use --top 1"
    more = " …" if len(series) > 8 else ""
    return f"several: {', '.join(series[:8])}{more}; choose one with --variant"


def write_parquet(rows: Rows, sink: BinaryIO) -> None:
    """Write Parquet with DuckDB's types, zstd."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with rows.batches() as reader:
        try:
            writer = pq.ParquetWriter(sink, reader.schema, compression="zstd")
        except pa.ArrowNotImplementedError as error:
            raise UsageError(f"Parquet cannot store this type: {error}; cast it in SQL") from None
        with writer:
            for batch in reader:
                writer.write_batch(batch)


def write_arrow(rows: Rows, sink: BinaryIO) -> None:
    """Write an Arrow IPC file (Feather 2)."""
    import pyarrow as pa

    with (
        rows.batches() as reader,
        pa.ipc.new_file(pa.PythonFile(cast(IOBase, sink), "w"), reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


WRITERS: Final[Mapping[str, Writer]] = {
    "csv": write_csv,
    "tsv": write_tsv,
    "json": write_json,
    "jsonl": write_jsonl,
    "markdown": write_markdown,
    "text": write_text,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
"""Every format except the table, which depends on the terminal."""

BINARY: Final = frozenset({"parquet", "arrow"})
