"""Computes the series table from the points of one commit, so that the two cannot disagree."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.engine.engine import small_engine
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.parts.parquet import row_groups, write_part

_AT_ONCE: Final = 60_000
"""Series computed at once: 100,000 fit into a small DuckDB; 3 million do not, spilled or not."""

_BATCH: Final = 16_384


def write_series(
    scalars: Sequence[Path],
    server_values: Sequence[Path],
    target: Callable[[], Path],
    *,
    spill: Path,
    at_once: int = _AT_ONCE,
) -> Iterator[FileEntry]:
    """Compute one row per series of the given scalars files.

    Args:
        scalars: part files under their ``project_id=`` folders.
        server_values: Parquet files with the columns of ``staging.SERVER_VALUES``.
        target: names the next part file.
        spill: a folder for what does not fit into memory.
        at_once: about how many series are computed at once, and are in one part file.
    """
    pa.default_memory_pool().release_unused()  # DuckDB has its own
    points = literals(scalars)
    with small_engine(
        spill=spill / "series",
        # Joins as written: DuckDB would keep the points in memory, and pass the few series by them.
        disabled_optimizers="join_order,build_side_probe_side",
    ) as connection:
        buckets = _buckets(connection, points, at_once)
        for bucket in range(buckets):
            parameters = {
                "files": points,
                "server_values": literals(server_values),
                "buckets": buckets,
                "bucket": bucket,
            }
            reader = connection.sql(
                read_sql(__package__, "series.sql"), params=parameters
            ).to_arrow_reader(_BATCH)
            yield write_part(target(), "series", row_groups(reader, "series"))


def _buckets(connection: duckdb.DuckDBPyConnection, points: list[str], at_once: int) -> int:
    ((series,),) = connection.execute(
        read_sql(__package__, "series_count.sql"), {"files": points}
    ).fetchall()
    return 1 + int(series) // at_once
