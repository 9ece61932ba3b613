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
-- after these, of which the last one is needed unless everyone may read there:
--   INSTALL {extension}; LOAD {extension};
--   {secret}
SET TimeZone = 'UTC';
CREATE SCHEMA IF NOT EXISTS {schema};
"""
_SECRETS: Final = {
    "s3": (
        "httpfs",
        "INSTALL aws; LOAD aws; CREATE SECRET (TYPE s3, PROVIDER credential_chain);",
    ),
    "gs": (
        "httpfs",
        "CREATE SECRET (TYPE gcs, KEY_ID '...', SECRET '...');  (an HMAC key of Google Cloud)",
    ),
    "az": (
        "azure",
        "CREATE SECRET (TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME '...');",
    ),
}
"""What DuckDB needs, by the scheme of the address.

From https://duckdb.org/docs/current: core_extensions/aws, guides/network_cloud_storage/gcs_import,
core_extensions/azure.
"""


def open_sql_at(address: Address, snapshot: Snapshot, name: str) -> str:
    """Return SQL for a DuckDB anywhere.

    Args:
        address: of the dataset.
        snapshot: which.
        name: of the file that the text is for.
    """
    extension, secret = _SECRETS[address.scheme]
    begin = _BEGIN.format(
        number=snapshot.number,
        address=address,
        name=name,
        extension=extension,
        secret=secret,
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
