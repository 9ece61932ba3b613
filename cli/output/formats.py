"""Writes an answer in one of the formats: one writer per format, the same bytes everywhere."""

import json
import math
from collections.abc import Callable, Mapping
from io import IOBase
from typing import BinaryIO, Final, cast

from clearml_snapshot.cli.output.lines import (
    write_csv,
    write_json,
    write_jsonl,
    write_tsv,
)
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.own_keys import scrub_json
from clearml_snapshot.exporter.unseen import as_json, spelled_out

Writer = Callable[[SafeRows, BinaryIO], None]

DESCRIPTION: Final = """\
Markdown and LaTeX are for reading, as the table is: they have four digits of a double, eight of an
id, and only the columns of the answer, without addresses (`--wide` adds the other columns,
`--columns` chooses). Columns with one value in all rows become a caption: a line `Table: …` in
Markdown, a comment with `\\caption` in LaTeX. No other format shortens a value: ids, links and
digits are complete. NULL is an empty field (csv, tsv, markdown, latex) or null. NaN and infinities
are `NaN`, `Infinity` and `-Infinity`; in JSON they are strings, because JSON has no such numbers
and null would mean NULL.
In JSON, markdown and latex, control characters, bidi marks and other invisible characters are
escaped. Lists, structs and maps are JSON text in csv. Text that begins with `=` or `@` is written
unchanged in csv: import the column as text if a spreadsheet should not evaluate it, or write xlsx.

xlsx needs an optional package: `pip install XlsxWriter`. Numbers are numbers, in all
their digits; text is text, also if it looks like a formula or a number. NULL is an empty cell. What
Excel cannot hold as a number is text: NaN, infinities, numbers nearer to 0 than 2.3e-308, and whole
numbers or decimals of more than 15 digits. Times are text, in UTC. A sheet has at most 1,048,576
rows and 16,384 columns, and a cell 32,767 characters: a larger answer is an error, and no file is
written.
"""
"""The formats, as the reference describes them."""


def plain(cell: bool | int | float | str) -> str:
    """Write a value in full: a double in the fewest digits that read back as the same."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"
    return cell if isinstance(cell, str) else repr(cell)


def json_text(value: object) -> str:
    """Write a value as one line of JSON, with invisible characters escaped."""
    return spelled_out(scrub_json(json.dumps(value, ensure_ascii=False)), as_json) + "\n"


def write_text(rows: SafeRows, sink: BinaryIO) -> None:
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


def _value_position(rows: SafeRows) -> int:
    """Find the column with the value: the only one, or the one called value."""
    names = [column.name for column in rows.columns]
    if len(names) == 1:
        return 0
    if "value" not in names:
        columns = ", ".join(names)
        raise UsageError(f"text output needs a single value, but the query returned {columns}")
    return names.index("value")


def _several(rows: SafeRows) -> str:
    names = [column.name for column in rows.columns]
    if not {"metric", "variant"} <= set(names):
        return f"{rows.count()} rows"
    metric, variant = names.index("metric"), names.index("variant")
    series = list(dict.fromkeys(f"{row[metric]}/{row[variant]}" for row in rows.first(1000)))
    if len(series) == 1:
        return f"several rows for {series[0]}; filter the tasks, or use --top 1"
    more = " …" if len(series) > 8 else ""
    return f"several: {', '.join(series[:8])}{more}; choose one with --variant"


def write_parquet(rows: SafeRows, sink: BinaryIO) -> None:
    """Write Parquet with DuckDB's types, zstd.

    Doubles get no bounds: these leave NaN out, and DuckDB (2.0.1) would skip rows by them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with rows.batches() as reader:
        try:
            types = {field.name: field.type for field in reader.schema}
            repeated = [name for name, kind in types.items() if pa.types.is_string(kind)]
            bounded = [name for name, kind in types.items() if not pa.types.is_floating(kind)]
            writer = pq.ParquetWriter(
                sink,
                reader.schema,
                compression="zstd",
                # Dictionaries of numbers take time and space. The stubs know no lists.
                use_dictionary=repeated,  # type: ignore[arg-type]
                write_statistics=bounded,
            )
        except pa.ArrowNotImplementedError as error:
            raise UsageError(f"Parquet cannot store this type: {error}; cast it in SQL") from None
        with writer:
            for batch in reader:
                writer.write_batch(batch)


def write_arrow(rows: SafeRows, sink: BinaryIO) -> None:
    """Write an Arrow IPC file (Feather 2)."""
    import pyarrow as pa

    with (
        rows.batches() as reader,
        pa.ipc.new_file(pa.PythonFile(cast(IOBase, sink), "w"), reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def write_markdown(rows: SafeRows, sink: BinaryIO) -> None:
    """Write a table for reading, as GitHub's Markdown."""
    from clearml_snapshot.cli.output import paper  # few answers need it

    paper.write_markdown(rows, sink)


def write_latex(rows: SafeRows, sink: BinaryIO) -> None:
    """Write a table for a paper, in the style of booktabs."""
    from clearml_snapshot.cli.output import paper

    paper.write_latex(rows, sink)


def write_xlsx(rows: SafeRows, sink: BinaryIO) -> None:
    """Write an Excel workbook."""
    from clearml_snapshot.cli.output.spreadsheet import workbook

    workbook.write_xlsx(rows, sink)


WRITERS: Final[Mapping[str, Writer]] = {
    "csv": write_csv,
    "tsv": write_tsv,
    "json": write_json,
    "jsonl": write_jsonl,
    "markdown": write_markdown,
    "latex": write_latex,
    "text": write_text,
    "parquet": write_parquet,
    "arrow": write_arrow,
    "xlsx": write_xlsx,
}
"""Every format except the table, which depends on the terminal."""

BINARY: Final = frozenset({"parquet", "arrow", "xlsx"})
