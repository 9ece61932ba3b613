"""Series rows out of points: computed from the files of a commit, so they cannot disagree."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import duckdb

from clearml_snapshot.exporter.store.encode import row_groups, write_part
from clearml_snapshot.exporter.store.files import FileEntry

_MEMORY: Final = "96MB"
"""DuckDB spills to disk beyond this; the whole export has 400 MB."""

_BATCH: Final = 16_384


def write_series(scalars: Sequence[Path], claims: Path, target: Path, *, spill: Path) -> FileEntry:
    """Compute one row a series of the given scalars files into one part file.

    Args:
        scalars: part files under their ``project_id=`` folders.
        claims: a Parquet file with the columns of ``writer.CLAIMS``.
        target: the part file to write.
        spill: a folder for what does not fit into memory.
    """
    sql = files(__package__).joinpath("series.sql").read_text(encoding="utf-8")
    with duckdb.connect(config={"threads": 2, "memory_limit": _MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = $spill", {"spill": str(spill)})
        parameters = {"files": [str(path) for path in scalars], "claims": str(claims)}
        reader = connection.sql(sql, params=parameters).to_arrow_reader(_BATCH)
        return write_part(target, "series", row_groups(reader, "series"))
