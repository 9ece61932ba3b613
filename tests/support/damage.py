"""Changes of a snapshot that only verification detects."""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.store.parts.parquet import writer_options
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.fitting import write_fitting

Call = Callable[..., Any]
Change = Callable[[pa.Table], pa.Table]

VALUES = [1.0, math.nan, -3.5, None, 0.1, 1e300, -1e300]


def rows_of(task_id: str) -> list[tuple[Any, ...]]:
    at = None
    rows: list[tuple[Any, ...]] = [
        (task_id, "loss", "train", i, at, value, "w") for i, value in enumerate(VALUES)
    ]
    rows += [(task_id, "accuracy", "val", None, at, 0.5, "w")]
    return [*rows, (task_id, "loss", "val\n\x1b[2J", -(2**63), at, 2.0, "w")]


def header_of(snapshot: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((snapshot / "snapshot.json").read_text())
    return header


def write_header(snapshot: Path, header: dict[str, Any]) -> None:
    """Change it as a faulty writer would: its texts and SHA256SUMS fit."""
    (snapshot / "snapshot.json").write_text(json.dumps(header, indent=1))
    with suppress(TypeError, KeyError, AttributeError, ValueError):  # it makes no sense on purpose
        write_fitting(snapshot)


def rewritten(snapshot: Path, table: str, change: Change, at: int = 0) -> None:
    """Change the rows of one file as a faulty writer would: its entry in snapshot.json fits."""
    header = header_of(snapshot)
    entry = [row for row in header["files"] if row["table"] == table and row["rows"]][at]
    path = snapshot / entry["path"]
    before = pq.ParquetFile(path).read()
    rows = change(before)
    pq.write_table(rows, path, **writer_options(rows.schema))
    totals = header["totals"]
    total = {"scalars": "points"}.get(table, table)
    totals[total] = totals.get(total, 0) + rows.num_rows - before.num_rows
    totals["bytes"] += path.stat().st_size - entry["bytes"]
    entry |= {
        "rows": rows.num_rows,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    write_header(snapshot, header)


def with_column(name: str, change: Callable[[list[Any]], list[Any]]) -> Change:
    def changed(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index(name)
        field = rows.schema.field(at)
        return rows.set_column(at, field, pa.array(change(rows[name].to_pylist()), field.type))

    return changed


def first_value(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda old: [value, *old[1:]]


def problems_of(snapshot: Path) -> list[str]:
    return list(verify(snapshot).problems)
