"""Writes an answer as an Excel workbook, in memory that does not grow with the number of rows."""

import io
import math
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.exporter.errors import SnapshotError, UsageError, not_installed
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.queries.result import Column, Kind, Value

MOST_ROWS: Final = 1_048_576
"""Of a sheet, with the head."""
MOST_COLUMNS: Final = 16_384
LONGEST_TEXT: Final = 32_767
"""Units of UTF-16, as Excel counts; most characters are one, an emoji is two."""

_INSTEAD: Final = "write .csv or .parquet instead"
_DIGITS: Final = 15
"""Excel shows a whole number with at most so many digits, and zeros after them."""
_MEASURED: Final = 200
"""Rows, the first ones, whose cells the widths of the columns fit."""
_WIDEST: Final = 60
"""Characters that a column is wide at most."""
_MARGIN: Final = 2
_NAMED: Final = "NaN", "Infinity", "-Infinity"
_CREATED: Final = datetime(2000, 1, 1)
"""Not the present: the same answer is the same file."""


class _InFull(float):
    """A number that XlsxWriter, which asks for 16 digits, writes with all it needs: up to 17."""

    def __format__(self, spec: str) -> str:
        return float.__repr__(self)


_LONG: Final = 0.1 + 0.2
"""It needs 17 digits."""


def write_xlsx(rows: SafeRows, sink: BinaryIO) -> None:
    """Write a workbook with one sheet: a head, and a row for each row of the answer.

    Raises:
        UsageError: XlsxWriter is not installed or would round numbers, or the answer is larger
            than a sheet may be.
        SnapshotError: there is no space for the temporary file.
        OSError: the sink cannot be written.
    """
    xlsxwriter = _library()
    if len(rows.columns) > MOST_COLUMNS:
        raise UsageError(
            f"xlsx: a sheet has at most {MOST_COLUMNS:,} columns, and the answer has "
            f"{len(rows.columns):,}; choose some with --columns, or {_INSTEAD}"
        )
    # XlsxWriter leaves its temporary files behind if a workbook is not finished, and a ZipFile that
    # could not be written writes once more at its end.
    with tempfile.TemporaryDirectory(prefix="clearml-snapshot-") as folder:
        complete = Path(folder) / "answer.xlsx"
        try:
            _write_book(rows, xlsxwriter, complete)
        except (OSError, xlsxwriter.exceptions.FileCreateError) as error:
            cause = error if isinstance(error, OSError) else error.args[0]
            raise SnapshotError(
                f"cannot keep a workbook of this size in {tempfile.gettempdir()}: {reason(cause)}; "
                "free space there, set TMPDIR to another folder, or use --format csv"
            ) from None
        with complete.open("rb") as file:
            shutil.copyfileobj(file, sink)


def _write_book(rows: SafeRows, library: ModuleType, target: Path) -> None:
    options = {"constant_memory": True, "tmpdir": str(target.parent), "use_zip64": True}
    book = library.Workbook(str(target), options)
    book.set_properties({"created": _CREATED})
    sheet = book.add_worksheet("answer")
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for place, column in enumerate(rows.columns):
        sheet.write_string(0, place, _checked(column.name, column, 1), bold)
    for place, width in enumerate(_write_rows(rows, sheet)):
        sheet.set_column(place, place, min(width + _MARGIN, _WIDEST))
    book.close()


def _library() -> ModuleType:
    try:
        import xlsxwriter
        import xlsxwriter.exceptions
    except ImportError:
        raise not_installed("xlsx", "XlsxWriter") from None
    library: ModuleType = xlsxwriter
    if _rounds_numbers(library):
        raise UsageError(
            f"xlsx: XlsxWriter {library.__version__} would round numbers to 16 digits; install "
            "another release with: pip install -U XlsxWriter"
        )
    return library


def _rounds_numbers(library: ModuleType) -> bool:
    """Return whether this release leaves digits out, as 3.2.0 does."""
    sink = io.BytesIO()
    with library.Workbook(sink, {"in_memory": True}) as book:
        book.add_worksheet().write_number(0, 0, _InFull(_LONG))
    with zipfile.ZipFile(sink) as archive:
        return repr(_LONG).encode() not in archive.read("xl/worksheets/sheet1.xml")


def _write_rows(rows: SafeRows, sheet: Any) -> list[int]:
    """Write the rows, and return the width of each column in the head and the first rows."""
    widths = [len(column.name) for column in rows.columns]
    writers = [_WRITERS.get(column.kind, _same) for column in rows.columns]
    for at, row in enumerate(rows, 1):
        if at == MOST_ROWS:
            raise UsageError(
                f"xlsx: a sheet has at most {MOST_ROWS:,} rows, and the answer has more; "
                f"choose fewer with a filter or --top, or {_INSTEAD}"
            )
        for place, (cell, write) in enumerate(zip(row, writers, strict=True)):
            if cell is None:
                continue
            value = write(cell)
            if at <= _MEASURED:
                widths[place] = max(widths[place], len(str(value)))
            if isinstance(value, str):
                sheet.write_string(at, place, _checked(value, rows.columns[place], at + 1))
            elif isinstance(value, bool):
                sheet.write_boolean(at, place, value)
            else:
                sheet.write_number(at, place, value)
    return widths


def _checked(text: str, column: Column, row: int) -> str:
    """Check that a text fits a cell: XlsxWriter would cut it."""
    if len(text) > LONGEST_TEXT // 2:
        length = len(text.encode("utf-16-le", "surrogatepass")) // 2
        if length > LONGEST_TEXT:
            raise UsageError(
                f"xlsx: a cell has at most {LONGEST_TEXT:,} characters, and the one in row "
                f"{row:,}, column {column.name[:60]!r}, has {length:,}; leave the column out with "
                f"--columns, or {_INSTEAD}"
            )
    return text


def _whole(cell: Any) -> Value:
    return cell if abs(cell) < 10**_DIGITS else str(cell)


def _double(cell: Any) -> Value:
    if math.isnan(cell):
        return _NAMED[0]
    if math.isinf(cell):
        return _NAMED[1 if cell > 0 else 2]
    if 0 < abs(cell) < sys.float_info.min:  # Excel would read 0
        return repr(cell)
    return _InFull(cell)


def _digits(cell: Any) -> Value:
    """Write a HUGEINT or DECIMAL, which a cell can only hold if it has few digits."""
    digits = re.sub(r"\D", "", cell).lstrip("0")
    return _InFull(cell) if len(digits) <= _DIGITS else str(cell)


def _same(cell: Any) -> Value:
    value: Value = cell
    return value


_WRITERS: Final[dict[Kind, Callable[[Any], Value]]] = {
    Kind.INTEGER: _whole,
    Kind.DOUBLE: _double,
    Kind.NUMBER: _digits,
}
