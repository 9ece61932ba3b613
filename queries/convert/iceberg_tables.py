"""Registers the files of a snapshot as tables of Iceberg, with pyiceberg; no data is copied."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.errors import SnapshotError, UsageError, not_installed
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.places import is_about, refuse_address
from clearml_snapshot.exporter.store.disk.targets import check_new_folder
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.dataset import Dataset

CATALOGUE: Final = "catalog.db"
NAMESPACE: Final = "clearml"
TABLES: Final = ("scalars", "tasks", "series", "hyperparams")
_IN_ADDRESSES: Final = frozenset("?#%")
"""Characters that mean something else in the addresses that Iceberg's clients make of paths."""


def register(dataset: Dataset, target: Path) -> Mapping[str, int]:
    """Make a catalogue whose tables are the Parquet files of a snapshot, where they are.

    The catalogue, a database of SQLite, is written last: without it a folder is not complete.

    Args:
        dataset: a dataset from ``open_dataset`` without a filter; files are registered complete.
        target: a new or empty folder.

    Returns:
        The number of rows of each table.

    Raises:
        UsageError: the folder is used, the files are not in a folder of this machine, or a package
            is not installed.
        SnapshotError: the disk refuses, or pyiceberg cannot register a file.
    """
    refuse_address(target)
    target = target.resolve()
    check_new_folder(target)
    _check(dataset.snapshot, target)
    make = _sql_catalogue()
    was_there = target.exists()
    with disk_errors(target), tempfile.TemporaryDirectory() as scratch:
        target.mkdir(mode=PRIVATE, exist_ok=True)
        database = Path(scratch) / CATALOGUE
        try:
            _make_tables(make, dataset.snapshot, database, target)
            shutil.copyfile(database, target / CATALOGUE)
        except BaseException:
            shutil.rmtree(target)
            if was_there:
                target.mkdir(mode=PRIVATE)
            raise
    files = dataset.snapshot.files
    return {table: sum(file.rows for file in files if file.table == table) for table in TABLES}


def _check(snapshot: Snapshot, target: Path) -> None:
    place = snapshot.location
    if snapshot.elsewhere is not None:
        raise UsageError(
            f"{place} is not on this machine, and only files of this machine can be registered; "
            "copy it to a folder first"
        )
    if snapshot.pack is not None:
        raise UsageError(f"{place} is a pack, and only a folder can be registered; unpack it first")
    if is_about(str(target), snapshot.root):
        raise UsageError(f"{target} is inside the snapshot or contains it; choose another folder")
    if _IN_ADDRESSES & set(str(target)):
        raise UsageError(f"{target}: clients of Iceberg cannot open a path with ?, # or %")


def _sql_catalogue() -> Any:
    try:
        import sqlalchemy  # noqa: F401  # pyiceberg may be installed without it
        from pyiceberg.catalog.sql import SqlCatalog
    except ImportError:
        raise not_installed("a catalogue of Iceberg", "'pyiceberg[sql-sqlite,pyarrow]'") from None
    return SqlCatalog


def _make_tables(make: Any, snapshot: Snapshot, database: Path, target: Path) -> None:
    catalogue = make(NAMESPACE, uri=f"sqlite:///{database}", warehouse=str(target))
    try:
        catalogue.create_namespace(NAMESPACE)
        for table in TABLES:
            _register(catalogue, table, snapshot.paths(table))
    except (ValueError, NotImplementedError) as error:
        text = " ".join(str(error).split())
        raise SnapshotError(f"pyiceberg cannot register {snapshot.location}: {text}") from error
    finally:
        catalogue.engine.dispose()


def _register(catalogue: Any, table: str, paths: list[str]) -> None:
    """Make a table of the schema that all files share, and add them."""
    import pyarrow.parquet as pq

    made = catalogue.create_table(f"{NAMESPACE}.{table}", pq.read_schema(paths[0]))
    made.add_files([str(Path(path).resolve()) for path in paths], check_duplicate_files=False)
