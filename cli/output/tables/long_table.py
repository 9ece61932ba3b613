"""Writes a table to a pipe or a file: every row and column, in constant memory."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables.cells import display_text
from clearml_snapshot.cli.output.tables.fit import GAP
from clearml_snapshot.cli.output.tables.kept import KeptCells, kept_cells
from clearml_snapshot.cli.output.terminal import printable


def write_table(rows: SafeRows, sink: BinaryIO) -> None:
    """Write the table that ``draw_table`` draws with unlimited width, without colours or links.

    The width of a column depends on all its cells, so the rows are kept in a temporary file, and
    the query runs only once.

    Raises:
        SnapshotError: the disk is full.
    """
    is_number = [column.kind.is_number for column in rows.columns]
    names = [printable(column.name) for column in rows.columns]
    with kept_cells() as waiting:
        widths = _widths(names, _drawn(rows, waiting))
        sink.write(_line(names, widths, is_number))
        for cells in waiting:
            sink.write(_line(cells, widths, is_number))


def _drawn(rows: SafeRows, waiting: KeptCells) -> Iterator[list[str]]:
    """Draw each row, and keep it."""
    for row in rows:
        cells = [display_text(*pair) for pair in zip(rows.columns, row, strict=True)]
        waiting.add(cells)
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
