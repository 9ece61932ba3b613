"""``datapackage.json``: the tables of a snapshot for programs that never heard of ClearML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clearml_snapshot.exporter.store.files import FileEntry
from clearml_snapshot.exporter.store.schema import TABLES


def descriptor(header: Mapping[str, Any], files: Sequence[FileEntry]) -> str:
    """Return the text of ``datapackage.json``.

    Args:
        header: ``snapshot.json`` without its files.
        files: all Parquet files of the snapshot.
    """
    resources = [
        {
            "name": table,
            "path": [entry.path for entry in files if entry.table == table],
            "format": "parquet",
        }
        for table in TABLES
    ]
    described = {"name": "clearml-snapshot", "created": header["created_at"]}
    return json.dumps({**described, "resources": resources}, indent=1) + "\n"
