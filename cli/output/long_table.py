"""A table for a pipe or a file: every row and column, in memory that does not grow with them."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, Final

from clearml_snapshot.cli.output.rows import Rows
from clearml_snapshot.cli.output.table import GAP, for_eyes
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.errors import SnapshotError

_BETWEEN: Final = "\x1f"
"""Between the cells of a row that waits in a file; a cell holds no control character."""

_IN_MEMORY: Final = 16 * 2**20
"""Bytes; what is longer waits on disk."""


def write_table(rows: Rows, sink: BinaryIO) -> None:
    """Write what ``tables.draw_table`` draws where there is room for all, without colours or links.

    How wide a column is depends on all of its cells, so they wait in a temporary file: the query
    runs once.

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


def _kept(rows: Rows, waiting: IO[str]) -> Iterator[list[str]]:
    """Draw each row, and keep it in a file."""
    for row in rows:
        cells = [for_eyes(*pair) for pair in zip(rows.columns, row, strict=True)]
        try:
            waiting.write(_BETWEEN.join(cells) + "\n")
        except OSError as error:
            raise SnapshotError(
                f"no room for a table of this size at {tempfile.gettempdir()}: {error.strerror}; "
                "make room there, set TMPDIR to another folder, or choose --format csv"
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
