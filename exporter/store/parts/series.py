"""Computes the series table from the points of one commit, so that the two cannot disagree."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.engine.engine import small_engine
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.reading_errors import is_out_of_memory
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.parts.parquet import row_groups, write_part

_AT_ONCE: Final = 30_000
"""Series computed at once. DuckDB needs about 35 MB, and 1 MB per 1,000 series with short names."""

_DIVISIONS: Final = 256
"""A share is divided into at most this many: if one of those does not fit, it is not the series."""

_BATCH: Final = 16_384


def write_series(
    scalars: Sequence[Path],
    server_values: Sequence[Path],
    target: Callable[[], Path],
    *,
    spill: Path,
    at_once: int = _AT_ONCE,
    **limits: str | int,
) -> Iterator[FileEntry]:
    """Compute one row per series of the given scalars files.

    Args:
        scalars: part files under their ``project_id=`` folders.
        server_values: Parquet files with the columns of ``staging.SERVER_VALUES``.
        target: names the next part file.
        spill: a folder for what does not fit into memory.
        at_once: about how many series are computed at once, and are in one part file; fewer, if
            they do not fit into memory.
        limits: settings of DuckDB, instead of those of ``small_engine``.
    """
    pa.default_memory_pool().release_unused()  # DuckDB has its own
    sources = {"files": literals(scalars), "server_values": literals(server_values)}
    with small_engine(
        spill=spill / "series",
        # Joins as written: DuckDB would keep the points in memory, and pass the few series by them.
        disabled_optimizers="join_order,build_side_probe_side",
        **limits,
    ) as connection:
        shares = _shares(connection, sources["files"], at_once)
        most = len(shares) * _DIVISIONS
        while shares:
            try:
                entry = _write_share(connection, sources | shares[0], target())
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                if not is_out_of_memory(error) or shares[0]["buckets"] >= most:
                    raise
                shares = [half for share in shares for half in _halves(share)]
            else:
                yield entry
                del shares[0]


def _shares(
    connection: duckdb.DuckDBPyConnection, points: list[str], at_once: int
) -> list[dict[str, int]]:
    ((series,),) = connection.execute(
        read_sql(__package__, "series_count.sql"), {"files": points}
    ).fetchall()
    buckets = 1 + int(series) // at_once
    return [{"buckets": buckets, "bucket": bucket} for bucket in range(buckets)]


def _halves(share: dict[str, int]) -> Iterator[dict[str, int]]:
    """Divide the series whose hash is ``bucket`` modulo ``buckets``."""
    for bucket in (share["bucket"], share["bucket"] + share["buckets"]):
        yield {"buckets": 2 * share["buckets"], "bucket": bucket}


def _write_share(
    connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any], path: Path
) -> FileEntry:
    rows = connection.sql(read_sql(__package__, "series.sql"), params=parameters)
    return write_part(path, "series", row_groups(rows.to_arrow_reader(_BATCH), "series"))
