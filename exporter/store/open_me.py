"""What lies beside the tables of a snapshot for those who open it without this tool."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from clearml_snapshot.exporter.store.schema import TABLES

_VIEW = "CREATE OR REPLACE VIEW {table} AS\nSELECT *\nFROM read_parquet('{glob}'{options});\n"

_OPEN_SQL = """\
-- Views over this snapshot; start DuckDB inside this folder:  duckdb -init open.sql
SET TimeZone = 'UTC';
"""

_README = """\
# A snapshot of ClearML scalars

Taken from {server} as of {created_at} by clearml-snapshot {tool_version}:
{tasks:,} tasks in {projects:,} projects, {series:,} series, {points:,} points.
Plain Parquet files that never change; copy the whole folder anywhere. `snapshot.json` lists each
file with its rows, bytes and sha256.

## Open it

All paths are relative to this folder.

DuckDB: `duckdb -init open.sql`, or in SQL

    SELECT metric, variant, max(value) FILTER (WHERE isfinite(value))
    FROM read_parquet('scalars/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)
    GROUP BY ALL;

pyarrow

    import pyarrow as pa, pyarrow.dataset as ds
    projects = ds.partitioning(pa.schema([("project_id", pa.string())]), flavor="hive")
    scalars = ds.dataset("scalars", partitioning=projects)

pandas: `scalars.to_table().to_pandas()` of the above, and `pandas.read_parquet("tasks")`

Polars: `polars.scan_parquet("scalars/*/*.parquet", hive_schema={{"project_id": polars.String}})`

## Tables

{tables}
`iteration` NULL is a single-value scalar. ClearML's title is `metric`, its series is `variant`.
Times are UTC. In `scalars`, `project_id` is the name of the folder; tasks in no project are in
`project_id=__HIVE_DEFAULT_PARTITION__`, which readers take for NULL.
"""


def open_sql() -> str:
    """Return SQL with one view a table, for a DuckDB started inside the folder."""
    views = [_view(table) for table in TABLES]
    return "\n".join([_OPEN_SQL, *views])


def _view(table: str) -> str:
    if table == "scalars":
        options = ", hive_partitioning = true, hive_types_autocast = false"
        return _VIEW.format(table=table, glob="scalars/*/*.parquet", options=options)
    return _VIEW.format(table=table, glob=f"{table}/*.parquet", options="")


def readme(header: Mapping[str, Any]) -> str:
    """Return a snapshot's README; ``header`` is its ``snapshot.json`` without the files."""
    server = header["server"]
    return _README.format(
        server=server.get("host") or server.get("id") or "a ClearML server",
        created_at=header["created_at"],
        tool_version=header["tool_version"],
        tables=tables(),
        **header["totals"],
    )


def tables() -> str:
    """Return every table with its columns as Markdown."""
    return "\n".join(f"### {table}\n\n{columns(schema)}" for table, schema in TABLES.items())


def columns(schema: pa.Schema) -> str:
    """Return a Markdown table of a schema's columns."""
    lines = ["| column | type | |", "|---|---|---|"]
    for field in schema:
        doc = (field.metadata or {}).get(b"doc", b"").decode()
        needed = "" if field.nullable else " NOT NULL"
        lines.append(f"| `{field.name}` | {field.type}{needed} | {doc} |")
    return "\n".join(lines) + "\n"
