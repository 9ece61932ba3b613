"""Runs a statement of the user as Spark SQL over views of a snapshot."""

import re
from typing import Any, Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.engine.sql_text import distinct_names
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.engine.errors import translating_spark_errors

_TYPES: Final = {
    pa.string(): "STRING",
    pa.list_(pa.string()): "ARRAY<STRING>",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("ms", tz="UTC"): "TIMESTAMP",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
}
"""Spark's types: it would guess those of folder names, and read an id of digits as a number."""

_PATTERN: Final = re.compile(r"[*?\[\]{}\\]")
"""Spark does not find files with these in their path, or reads them twice."""


def answered(session: Any, dataset: Dataset, statement: str) -> duckdb.DuckDBPyRelation:
    """Run one SELECT in Spark, and return its rows, which are in memory.

    Args:
        session: of Spark, or of Spark Connect.
        dataset: the dataset; Spark reads its files at the same path.
        statement: the SELECT, over ``scalars``, ``tasks``, ``series``, ``hyperparams``, ``params``
            and ``exports``.

    Raises:
        UsageError: it is not a single SELECT, or Spark refuses it.
        SparkError: Spark failed, or does not see the files.
    """
    text = statement.strip().rstrip(";").rstrip()
    if not text:
        raise UsageError("the statement is empty; give one SELECT")
    snapshot = dataset.unpacked()
    with translating_spark_errors(path=snapshot.root):
        _make_views(session, snapshot)
    with translating_spark_errors(statement=True, path=snapshot.root):
        _ = session.sql(f"SELECT * FROM (\n{text}\n)").schema  # only a SELECT can stand there
        frame = session.sql(text)
        rows = frame.toDF(*distinct_names(frame.columns)).toArrow()
    return dataset.sql("FROM answer", tables={"answer": rows})


def _make_views(session: Any, snapshot: Snapshot) -> None:
    if snapshot.elsewhere is not None:
        raise UsageError(
            f"{snapshot.location} is not in a folder, and Spark SQL does not read it elsewhere "
            "yet; copy it to a folder that Spark sees with clearml-snapshot copy"
        )
    if _PATTERN.search(str(snapshot.root)):
        raise UsageError(
            f"Spark SQL cannot read files in {snapshot.root}: Spark treats * ? [ ] {{ }} and \\ "
            "in a path as a pattern; rename the folder"
        )
    for table in TABLES:
        folder = f"file://{snapshot.root}"
        reader = session.read.schema(_columns(table)).option("basePath", f"{folder}/{table}")
        frame = reader.parquet(*(f"file://{path}" for path in snapshot.paths(table)))
        frame.createOrReplaceTempView(f"stored_{table}")
    for view in read("engine/views.sql").split(";\n"):
        if view.strip():
            session.sql(view)


def _columns(table: str) -> str:
    columns = [f"`{field.name}` {_TYPES[field.type]}" for field in TABLES[table]]
    if table == "scalars":
        columns.append("`project_id` STRING")
    return ", ".join(columns)
