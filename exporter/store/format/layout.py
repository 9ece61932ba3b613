"""Where everything is in a dataset; pure functions, no I/O and no pyarrow."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

FORMAT: Final = "clearml-snapshot"
FORMAT_VERSION: Final = 4

ADDED: Final[Mapping[int, Mapping[str, Mapping[str, str]]]] = {
    2: {
        "tasks": {"selected": "BOOLEAN"},
        "exports": {"tasks_refreshed": "BIGINT", "tasks_gone": "BIGINT"},
    },
    4: {
        "tasks": {"safe_to_delete_at": "TIMESTAMP WITH TIME ZONE"},
        "series": {"server_min_iteration": "BIGINT", "server_max_iteration": "BIGINT"},
        "exports": {
            "tasks_unread": "BIGINT",
            "tasks_shrunk": "BIGINT",
            "tasks_lost": "BIGINT",
            "warnings": "VARCHAR[]",
            "error": "VARCHAR",
        },
    },
}
"""Which columns a format version added, by table, with their types in SQL; all may be NULL.

Version 3 added ``SHA256SUMS`` and ``datapackage.json``, and no column. Version 4 also added the
states ``unread`` and ``lost``.
"""

TABLE_NAMES: Final = ("tasks", "hyperparams", "series", "scalars", "exports")
"""The tables, each also the name of its folder."""

DOUBLES: Final[Mapping[str, tuple[str, ...]]] = {
    "series": (
        *("min", "max", "mean", "std", "first", "last"),
        *("server_last", "server_min", "server_max"),
    ),
    "scalars": ("value",),
}
"""The columns of doubles, which may hold NaN, of each table that has some."""

SNAPSHOTS: Final = "snapshots"
"""The folder of a dataset that holds its snapshots."""

NO_PROJECT: Final = "__HIVE_DEFAULT_PARTITION__"
"""The partition of tasks in no project; every reader takes it for NULL."""

SNAPSHOT_JSON: Final = "snapshot.json"
README: Final = "README.md"
OPEN_SQL: Final = "open.sql"
DATAPACKAGE: Final = "datapackage.json"
SHA256SUMS: Final = "SHA256SUMS"
INDEX_HTML: Final = "index.html"
SUMMARY_CSV: Final = "summary.csv"
REPORT_HTML: Final = "report.html"

TEXTS: Final = (
    SNAPSHOT_JSON,
    README,
    OPEN_SQL,
    DATAPACKAGE,
    INDEX_HTML,
    SUMMARY_CSV,
    REPORT_HTML,
)
"""Files allowed beside the tables, with their hashes in ``SHA256SUMS``; the last three in packs."""

SUMS_SINCE: Final = 3
"""The format version from which on a snapshot has ``SHA256SUMS`` and ``datapackage.json``."""

STATES_SINCE: Final = 4
"""The format version from which on ``snapshot.json`` counts the tasks by state."""


def missing_columns(table: str, version: int) -> dict[str, str]:
    """Return the columns that a table of an older format does not have, each with its type in SQL.

    Its readers see them as NULL, and the next commit writes them.
    """
    newer = [tables for since, tables in ADDED.items() if since > version]
    return {name: kind for tables in newer for name, kind in tables.get(table, {}).items()}


_FILE_OF_A_TABLE: Final = re.compile(
    r"(?:(?P<table>tasks|hyperparams|series|exports)|(?P<points>scalars)/project_id=[\w.~%-]{1,240})"
    r"/[\w-]{1,200}\.parquet",
    re.ASCII,
)


def table_at(path: str) -> str | None:
    """Return the table that a path inside a snapshot belongs to, judged by its name.

    None if no table has such a path. A match is harmless on every system: no ``..``, no drive.
    """
    match = _FILE_OF_A_TABLE.fullmatch(path)
    return None if match is None else match["table"] or match["points"]


def snapshots(data: Path) -> Path:
    """Return the folder that holds the snapshots of a dataset."""
    return data / SNAPSHOTS


def snapshot(data: Path, number: int) -> Path:
    """Return the folder of one snapshot."""
    return snapshots(data) / f"{number:06d}"


def snapshot_number(name: str) -> int | None:
    """Read a snapshot folder's number from its name; None when it is not one."""
    return int(name) if len(name) >= 6 and name.isascii() and name.isdecimal() else None


def current_link(data: Path) -> Path:
    """Return the symlink to the snapshot that is current."""
    return data / "current"


def current_text(data: Path) -> Path:
    """Return the text file that replaces the symlink on systems without symlinks."""
    return data / "CURRENT"


def staging(data: Path) -> Path:
    """Return the folder of unfinished work."""
    return data / ".staging"


def lock(data: Path) -> Path:
    """Return the lock file of the one writer."""
    return data / ".lock"


def owner(data: Path) -> Path:
    """Return the file in which the writer identifies itself."""
    return staging(data) / "owner.json"


def partition(project_id: str | None) -> str:
    """Return the folder of a project inside ``scalars``; None is for tasks in no project."""
    return f"project_id={NO_PROJECT if project_id is None else quote(project_id, safe='')}"


def part(table: str, project_id: str | None, name: str) -> str:
    """Return a part file's path inside a snapshot; only ``scalars`` is partitioned."""
    if table == "scalars":
        return f"{table}/{partition(project_id)}/{name}"
    return f"{table}/{name}"


def part_name(number: int, sequence: int) -> str:
    """Name a part file after the snapshot that it was made for, so that names never collide."""
    return f"part-{number:06d}-{sequence:05d}.parquet"
