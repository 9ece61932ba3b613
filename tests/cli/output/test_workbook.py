"""Workbooks hold what was answered, read by another library than the one that writes them."""

import errno
import io
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.spreadsheet import workbook
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.queries.result import Column, Kind, Value

Piped = Callable[..., "subprocess.CompletedProcess[str]"]

ODD = (Path(__file__).with_name("golden") / "odd.sql").read_text(encoding="utf-8")


class Given(SafeRows):
    """Rows that no query has computed."""

    def __init__(self, columns: list[Column], rows: list[tuple[Value, ...]]) -> None:
        self.columns = tuple(columns)  # type: ignore[misc]
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(self.rows)


def cells(file: Path | io.BytesIO) -> list[list[tuple[str, Any]]]:
    """Read the type and the value of each cell."""
    [sheet] = openpyxl.load_workbook(file).worksheets
    return [[(cell.data_type, cell.value) for cell in row] for row in sheet.iter_rows()]


def one_cell(kind: Kind, value: Value) -> tuple[str, Any]:
    sink = io.BytesIO()
    workbook.write_xlsx(Given([Column("a", kind, "")], [(value,)]), sink)
    sink.seek(0)
    read = cells(sink)
    return read[1][0] if len(read) > 1 else ("n", None)


def test_what_is_odd_is_what_it_is(piped: Piped, tmp_path: Path) -> None:
    file = tmp_path / "odd.xlsx"
    done = piped("sql", ODD, "-o", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == [file]
    names, first, second, third = cells(file)
    head = ["i", "f", "t", "n", "when", "tags", "b", 'the "huge"']
    assert names == [("s", name) for name in head]
    assert first == [
        ("n", 1),
        ("n", 0.1 + 0.2),
        ("s", 'a,"b"\nc'),
        ("s", "NaN"),
        ("s", "2026-01-02T03:04:05.678Z"),
        ("s", '["gpu","v\\"2"]'),
        ("b", True),
        ("s", "170141183460469231731687303715884105727"),
    ]
    assert second[1] == ("n", -1e-300)
    assert second[3] == ("s", "-Infinity")
    assert second[4] == ("n", None)
    assert third[1:4] == [("n", None), ("s", "=1+1|\\é😀"), ("s", "Infinity")]
    assert third[7] == ("n", 0)


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "{=1+1}", "@SUM(A1)", "+1", "-1", "1", "1e5", "=HYPERLINK(0)", "TRUE"),
        *("https://x.example", "mailto:a@example", "internal:A1"),
        *(" both ", "a\tb\nc", "_x0041_", "\x01\x1b[2J"),
    ],
)
def test_text_stays_text(text: str) -> None:
    kind, value = one_cell(Kind.TEXT, text)
    assert (kind, unescape(value)) == ("s", text)


@given(st.floats())
@settings(max_examples=150, deadline=None)
def test_every_double_is_read_back(number: float) -> None:
    kind, value = one_cell(Kind.DOUBLE, number)
    if not math.isfinite(number) or 0 < abs(number) < sys.float_info.min:
        assert (kind, type(value)) == ("s", str)
        assert math.isnan(number) or float(value) == number
    else:
        assert (kind, float(value)) == ("n", number)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.INTEGER, 10**15 - 1, ("n", 10**15 - 1)),
        (Kind.INTEGER, 10**15, ("s", "1000000000000000")),
        (Kind.INTEGER, -(2**63), ("s", "-9223372036854775808")),
        (Kind.NUMBER, "123456789.123456", ("n", 123456789.123456)),
        (Kind.NUMBER, "0.12", ("n", 0.12)),
        (Kind.NUMBER, "1234567890.123456", ("s", "1234567890.123456")),
        (Kind.NUMBER, "-42", ("n", -42)),
    ],
)
def test_a_number_that_a_cell_cannot_show_is_text(kind: Kind, value: Value, expected: Any) -> None:
    assert one_cell(kind, value) == expected


def test_null_and_an_empty_text_differ() -> None:
    sink = io.BytesIO()
    columns = [Column(name, Kind.TEXT, "VARCHAR") for name in "ab"]
    workbook.write_xlsx(Given(columns, [("", None)]), sink)
    sheet = zipfile.ZipFile(sink).read("xl/worksheets/sheet1.xml").decode()
    assert ('r="A2"' in sheet, 'r="B2"' in sheet) == (True, False)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 'x' AS a, repeat('é', 32768) AS b", "the one in row 2, column 'b', has 32,768;"),
        ("SELECT repeat('😀', 16384) AS a", "has 32,768;"),
    ],
)
def test_a_text_that_does_not_fit_is_an_error(
    piped: Piped, tmp_path: Path, sql: str, message: str
) -> None:
    done = piped("sql", sql, "-o", str(tmp_path / "a.xlsx"))
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_longest_text_is_whole() -> None:
    assert one_cell(Kind.TEXT, "é" * 32_767) == ("s", "é" * 32_767)


def test_more_columns_or_rows_than_a_sheet_has(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [Column(f"c{at}", Kind.INTEGER, "BIGINT") for at in range(16_385)]
    with pytest.raises(UsageError, match="at most 16,384 columns, and the answer has 16,385"):
        workbook.write_xlsx(Given(wide, []), io.BytesIO())
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    column, sink = [Column("a", Kind.INTEGER, "BIGINT")], io.BytesIO()
    workbook.write_xlsx(Given(column, [(1,), (2,)]), sink)
    assert len(cells(sink)) == 3
    empty = io.BytesIO()
    with pytest.raises(UsageError, match="at most 3 rows, and the answer has more"):
        workbook.write_xlsx(Given(column, [(1,), (2,), (3,)]), empty)
    assert empty.getvalue() == b""


def test_the_file_repeats_and_is_the_same_in_a_pipe(
    program: list[str], history: Path, tmp_path: Path
) -> None:
    command = [*program, "query", "max", "-q"]
    file, again = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    for target in (file, again):
        subprocess.run([*command, "-o", str(target)], cwd=history.parent, check=True)
    assert file.read_bytes() == again.read_bytes()
    sent = subprocess.run(
        [*command, "--format", "xlsx"], cwd=history.parent, check=True, stdout=subprocess.PIPE
    ).stdout
    assert sent == file.read_bytes()
    assert cells(io.BytesIO(sent))[0][0] == ("s", "metric")


def test_without_the_library_one_line_says_how_to_get_it(
    piped: Piped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    done = piped("sql", "SELECT 1", "-o", str(tmp_path / "a.xlsx"))
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.count("\n") == 1
    assert "pip install XlsxWriter\n" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_release_of_the_library_that_rounds_numbers_is_refused(
    piped: Piped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as 3.2.0, which formats numbers in another way."""
    monkeypatch.setattr(workbook, "_InFull", float)
    done = piped("sql", "SELECT 1", "-o", str(tmp_path / "a.xlsx"))
    assert done.returncode == ExitCode.USAGE
    assert "would round numbers to 16 digits; install another release" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_and_a_full_disk(
    piped: Piped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is that of the system, and no temporary file is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Gone(io.BytesIO):
        def write(self, _: Any) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        workbook.write_xlsx(Given([Column("a", Kind.INTEGER, "BIGINT")], [(1,)]), Gone())
    assert list(tmp_path.iterdir()) == []
    done = piped("sql", "SELECT 1", "-o", "/dev/full", "--format", "xlsx")
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("error: cannot write /dev/full: ")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_is_full(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(workbook, "_write_book", full)
    done = piped("sql", "SELECT 1", "--format", "xlsx")
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert done.stderr.startswith("error: cannot keep a workbook of this size in ")
    assert done.stderr.count("\n") == 1


def test_columns_are_as_wide_as_their_first_rows(tmp_path: Path) -> None:
    columns = [Column(name, Kind.TEXT, "") for name in ("a", "a long name", "long", "late")]
    first = [("x" * 20, "y", "z" * 500, "w")] * workbook._MEASURED
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        workbook.write_xlsx(Given(columns, [*first, ("x", "y", "z", "w" * 40)]), file)
    assert files[0].getvalue() == files[1].getvalue()
    sizes = openpyxl.load_workbook(files[0]).worksheets[0].column_dimensions
    assert [int(sizes[letter].width) for letter in "ABCD"] == [22, 13, 60, 6]
