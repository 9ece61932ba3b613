"""Turns errors of DuckDB and Arrow about stored files into one-line messages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.disk.disk_errors import way_to_read
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.engine.file_names import spelt

_ELSEWHERE: Final = re.compile(r"<elsewhere (\d+): (.*?)>(?=\s|$)", re.DOTALL)
"""An error of a file system of ours, which DuckDB passes on as a text with its traceback."""

_REFUSED: Final = re.compile(r'(?:Could not read from|Cannot open) file ".*": ')
"""How DuckDB reports that the system refuses; damage is reported differently."""


def marked(error: SnapshotError) -> OSError:
    """Return an error for DuckDB from which ``of_elsewhere`` makes the same error again."""
    return OSError(f"<elsewhere {int(error.exit_code)}: {error}>")


def of_elsewhere(error: Exception) -> SnapshotError | None:
    """Return the error of a file system of ours behind one of DuckDB; None if it is another."""
    match = _ELSEWHERE.search(str(error))
    if match is None:
        return None
    kinds = {int(kind.exit_code): kind for kind in (SnapshotError, UsageError, DatasetError)}
    return kinds[int(match[1])](match[2])


def is_refused(error: Exception) -> bool:
    """Return whether an error of DuckDB means that the system cannot read a file."""
    return _REFUSED.search(str(error)) is not None


def is_out_of_memory(error: Exception) -> bool:
    """Return whether DuckDB needs more memory than its limit, though the disk is not full.

    Arrow raises it as an error of its own while it reads rows from DuckDB.
    """
    return "Out of Memory Error" in str(error) and not is_out_of_room(error)


def out_of_memory(error: Exception) -> str:
    """Describe such an error in one line."""
    return "out of memory: " + str(error).splitlines()[0].rpartition("Out of Memory Error: ")[2]


def refused(error: Exception) -> DatasetError:
    """Return the error of a file that DuckDB cannot read; its text names the file."""
    text = spelt(str(error).splitlines()[0]).removeprefix("IO Error: ")
    return DatasetError(f"{text}; {way_to_read(text)}")


@contextmanager
def readable(where: Path | str) -> Iterator[None]:
    """Read stored rows inside the block; what cannot be read is reported as damage.

    Args:
        where: the file, or the snapshot.

    Raises:
        DatasetError: DuckDB or Arrow cannot read it, a text in it is not UTF-8, or a time has no
            date (it is outside the years 1 to 9999).
        SnapshotError: DuckDB needs more memory than its limit.
    """
    import duckdb  # readers have loaded both already, others need neither
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, ValueError, OverflowError) as error:
        if is_out_of_room(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        if is_refused(error):
            raise refused(error) from error
        if is_out_of_memory(error):
            raise SnapshotError(f"{where} cannot be read: {out_of_memory(error)}") from error
        raise DatasetError(
            f"{where} is damaged ({reason}); run clearml-snapshot verify, restore a copy of it, or "
            "export to a new folder"
        ) from error
