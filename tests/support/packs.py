"""Packs a dataset and reads what is in the pack."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.pack import Packed, pack

Row = tuple[Any, ...]


def revealing_tasks() -> list[dict[str, Any]]:
    """Tasks in which every column that can be redacted has a value."""
    common: dict[str, Any] = {
        "user_id": "u-ada",
        "user": "Ada",
        "web_url": "https://app.secret-host.example/t/1",
        "repository": "git@git.inside.example:team/repo.git",
        "branch": "feature/x",
        "commit": "abc123def",
        "entry_point": "train_it.py",
        "comment": "my comment",
        "status_reason": "stopped by somebody",
        "status_message": "no gain",
        "state": "partial",
        "reason": "http://server said: 500",
    }
    parameter = {"section": "Args", "name": "warmup", "value": "0.125", "type": "float"}
    return [
        {
            "task_id": digit * 32,
            "project_id": "a" * 32,
            "params": [parameter],
            "points": [("loss", "train", n, 1.0 / (n + 1)) for n in range(3)],
            **common,
        }
        for digit in "12"
    ]


def pack_of(
    data: Path, target: Path, task_filter: TaskFilter | None = None, **options: Any
) -> Packed:
    with open_dataset(data, filter=task_filter) as dataset:
        return pack(dataset, target, PackOptions(**options), task_filter)


def rows_of(folder: Path, table: str) -> list[Row]:
    """Read a table with pyarrow, NaN as text, so that it can be compared."""
    files = sorted((folder / table).rglob("*.parquet"))
    rows = [
        (file.parent.name if table == "scalars" else "", *row.values())
        for file in files
        for row in pq.ParquetFile(file).read().to_pylist()
    ]
    return sorted((tuple(map(comparable, row)) for row in rows), key=repr)


def comparable(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def everything(folder: Path) -> str:
    """Read every text that a pack holds, those of Parquet files included."""
    texts = [path.read_text("utf-8") for path in folder.iterdir() if path.is_file()]
    rows = [repr(row) for table in TABLE_NAMES for row in rows_of(folder, table)]
    return "\n".join(texts + rows)


def dictionaries(folder: Path) -> set[str | None]:
    """Read the texts that the files of the tables hold, whether a row has them or not."""
    values: set[str | None] = set()
    for path in folder.rglob("*.parquet"):
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            for name in texts:
                for chunk in file.read([name]).column(0).chunks:
                    values.update(
                        cast("pa.DictionaryArray[Any, Any]", chunk).dictionary.to_pylist()
                    )
    return values


def unzipped(archive: Path) -> Path:
    folder = archive.with_suffix("")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    (inside,) = folder.iterdir()
    return inside


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def points_of(folder: Path) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for row in rows_of(folder, "scalars"):
        counts[row[1]] = counts.get(row[1], 0) + 1
    return counts
