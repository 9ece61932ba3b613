"""Keeps the cells of a table of any length: what is above them depends on all of them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import reason

_BETWEEN: Final = "\x1f"
"""Separates cells in the temporary file; a cell contains no control characters."""
_IN_MEMORY: Final = 16 * 2**20
"""Bytes; a larger table is kept on disk."""


class KeptCells:
    """Rows of texts without control characters, as they were added."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def add(self, cells: Sequence[str]) -> None:
        """Keep one row.

        Raises:
            SnapshotError: the disk is full.
        """
        try:
            self._file.write(_BETWEEN.join(cells) + "\n")
        except OSError as error:
            raise SnapshotError(
                f"cannot keep a table of this size in {tempfile.gettempdir()}: {reason(error)}; "
                "free space there, set TMPDIR to another folder, or use --format csv"
            ) from error

    def __iter__(self) -> Iterator[list[str]]:
        self._file.seek(0)
        for line in self._file:
            yield line[:-1].split(_BETWEEN)


@contextmanager
def kept_cells() -> Iterator[KeptCells]:
    """Open a temporary file for rows; it is deleted afterwards."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="\n") as file:
        yield KeptCells(file)
