"""Generates ``datapackage.json``: describes the tables of a snapshot for other programs.

A Data Package, version 2 of the standard (https://datapackage.org): one resource per table.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.readme import as_of, doc, host, source, unit
from clearml_snapshot.exporter.store.format.schema import ABOUT, KEYS, TABLES

_PROFILE: Final = "https://datapackage.org/profiles/2.0/datapackage.json"

_PARTITION: Final = {
    "name": "project_id",
    "type": "string",
    "description": (
        "the name of each file's folder, percent-encoded, and in no file; "
        "__HIVE_DEFAULT_PARTITION__ is NULL: in no project"
    ),
}
"""Not among the fields, which are those in the files."""


def descriptor(header: Mapping[str, Any], files: Sequence[FileEntry]) -> str:
    """Return the text of ``datapackage.json``; the same arguments give the same text.

    Args:
        header: ``snapshot.json`` without its files.
        files: all Parquet files of the snapshot.
    """
    package = {
        "$schema": _PROFILE,
        "name": "clearml-snapshot",
        "title": f"Scalars of ClearML experiments, as of {as_of(header)}",
        "description": (
            f"What the tasks on {source(header)} reported, as Parquet. README.md describes how to "
            "open it, and what the words mean."
        ),
        "version": f"{header['format_version']}.{header['number']}.0",
        "created": header["created_at"],
        "sources": [_source(header)],
        "totals": header["totals"],
        "resources": [
            _resource(table, [entry for entry in files if entry.table == table]) for table in TABLES
        ],
    }
    return json.dumps(package, indent=1, ensure_ascii=False) + "\n"


def _source(header: Mapping[str, Any]) -> dict[str, str]:
    address = host(header)
    is_url = address.startswith(("http://", "https://"))
    return {"title": source(header), **({"path": address} if is_url else {})}


def _resource(table: str, files: Sequence[FileEntry]) -> dict[str, Any]:
    """Describe one table.

    The standard has size and hash only for a resource that is one file, and the program
    ``frictionless`` then considers a Parquet file's size wrong; so ``files`` has them for each
    file.
    """
    paths = [entry.path for entry in files]
    partition = {"partition": _PARTITION} if table == "scalars" else {}
    return {
        "name": table,
        "type": "table",
        "description": ABOUT[table],
        "path": paths[0] if len(paths) == 1 else paths,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "totals": {
            "rows": sum(entry.rows for entry in files),
            "bytes": sum(entry.bytes for entry in files),
        },
        "schema": _schema(table),
        **partition,
        "files": [
            {"path": e.path, "rows": e.rows, "bytes": e.bytes, "sha256": e.sha256} for e in files
        ],
    }


def _schema(table: str) -> dict[str, Any]:
    schema = TABLES[table]
    keys = list(KEYS[table])
    has_null = any(schema.field(name).nullable for name in keys)
    of_tasks = {"fields": ["task_id"], "reference": {"resource": "tasks", "fields": ["task_id"]}}
    return {
        "fields": [_field(field) for field in schema],
        "missingValues": [],
        **({"uniqueKeys": [keys]} if has_null else {"primaryKey": keys}),
        **({"foreignKeys": [of_tasks]} if "task_id" in keys[:1] and table != "tasks" else {}),
    }


def _field(field: "pa.Field[Any]") -> dict[str, Any]:
    described = {"name": field.name, "type": _type(field.type), "description": doc(field)}
    if unit(field):
        described["unit"] = unit(field)
    return described if field.nullable else {**described, "constraints": {"required": True}}


def _type(kind: pa.DataType) -> str:
    """Name a type as the standard does."""
    names = (
        (pa.types.is_string, "string"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_timestamp, "datetime"),
        (pa.types.is_list, "array"),
    )
    return next(name for fits, name in names if fits(kind))
