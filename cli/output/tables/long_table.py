"""Writes a table to a pipe or a file: every row and column, in constant memory."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, Final

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables.cells import display_text
from clearml_snapshot.cli.output.tables.fit import GAP
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import reason

_BETWEEN: Final = "\x1f"
"""Separates cells in the temporary file; a cell contains no control characters."""

_IN_MEMORY: Final = 16 * 2**20
"""Bytes; a larger table is kept on disk."""


def write_table(rows: SafeRows, sink: BinaryIO) -> None:
    """Write the table that ``draw_table`` draws with unlimited width, without colours or links.

    The width of a column depends on all its cells, so the rows are kept in a temporary file, and
    the query runs only once.

    Raises:
        SnapshotError: the disk is full.
    """
    is_number = [column.kind.is_number for column in rows.columns]
    names = [printable(column.name) for column in rows.columns]
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="\n") as waiting:
        widths = _widths(names, _kept(rows, waiting))
        sink.write(_line(names, widths, is_number))
        waiting.seek(0)
        for line in waiting:
            sink.write(_line(line[:-1].split(_BETWEEN), widths, is_number))


def _kept(rows: SafeRows, waiting: IO[str]) -> Iterator[list[str]]:
    """Draw each row, and keep it in the temporary file."""
    for row in rows:
        cells = [display_text(*pair) for pair in zip(rows.columns, row, strict=True)]
        try:
            waiting.write(_BETWEEN.join(cells) + "\n")
        except OSError as error:
            raise SnapshotError(
                f"cannot keep a table of this size in {tempfile.gettempdir()}: {reason(error)}; "
                "free space there, set TMPDIR to another folder, or use --format csv"
            ) from error
        yield cells


def _widths(names: Sequence[str], drawn: Iterator[list[str]]) -> list[int]:
    from rich.cells import cell_len

    widths = [cell_len(name) for name in names]
    for cells in drawn:
        widths = [max(width, cell_len(cell)) for width, cell in zip(widths, cells, strict=True)]
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> bytes:
    from rich.cells import cell_len

    padded = (
        " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
        for cell, width, right in zip(cells, widths, is_number, strict=True)
    )
    return f"{(' ' * GAP).join(padded).rstrip()}\n".encode()
