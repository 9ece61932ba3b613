"""Writes the views of a snapshot in a bucket, with the address of every file."""

from typing import Final

from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.shared_views import SCHEMA, outside_views
from clearml_snapshot.exporter.store.objects.address import Address
from clearml_snapshot.exporter.store.objects.keys import file_key
from clearml_snapshot.exporter.store.snapshots import Snapshot

_BEGIN: Final = """\
-- Views over snapshot {number} of {address}; DuckDB reads it where it is:
--   duckdb -init {name}
-- Its extension httpfs must be installed, and for a bucket that is not public, a secret:
--   INSTALL httpfs; LOAD httpfs; CREATE SECRET (TYPE {kind}, PROVIDER credential_chain);
SET TimeZone = 'UTC';
CREATE SCHEMA IF NOT EXISTS {schema};
"""
_KINDS: Final = {"s3": "s3", "gs": "gcs", "az": "azure"}


def open_sql_at(address: Address, snapshot: Snapshot, name: str) -> str:
    """Return SQL for a DuckDB anywhere.

    Args:
        address: of the dataset.
        snapshot: which.
        name: of the file that the text is for.
    """
    begin = _BEGIN.format(
        number=snapshot.number,
        address=address,
        name=name,
        kind=_KINDS[address.scheme],
        schema=SCHEMA,
    )
    views = [_view(address, snapshot, table) for table in layout.TABLE_NAMES]
    return "\n".join([begin, *views, outside_views()])


def _view(address: Address, snapshot: Snapshot, table: str) -> str:
    entries = [entry for entry in snapshot.files if entry.table == table]
    files = sql_value([address.of(file_key(entry)) for entry in entries])
    missing = layout.missing_columns(table, snapshot.format_version).items()
    newer = "".join(f", NULL::{kind} AS {name}" for name, kind in missing)
    partitions = "true" if table == "scalars" else "false"
    return (
        f"CREATE OR REPLACE VIEW {SCHEMA}.{table} AS SELECT *{newer}\n"
        f"FROM read_parquet({files}, hive_partitioning = {partitions}, "
        "hive_types_autocast = false);"
    )
