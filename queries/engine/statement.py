"""Runs a statement of the user as Spark SQL over views of a snapshot."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from clearml_snapshot.queries.engine.job import Place, stored_columns
from clearml_snapshot.queries.engine.shipped import rows_function, streams_function

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


_STREAM: Final = 4 * 2**20
"""Bytes of a piece of an answer: Spark Connect sends a row in one message, of at most 128 MB."""
_AT_ONCE: Final = 64 * 2**20
"""Bytes of an answer, compressed, that are collected by one job of Spark."""
_TASKS: Final = 1000
"""Tasks of Spark that read a table; each may read several files."""


def answered(session: Any, dataset: Dataset, statement: str) -> duckdb.DuckDBPyRelation:
    """Run one SELECT in Spark, and return its rows, which DuckDB moves to disk if necessary.

    Args:
        session: of Spark, or of Spark Connect.
        dataset: the dataset; Spark reads its files at the same path or address.
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
        frame = frame.toDF(*distinct_names(frame.columns))
        schema = frame.limit(0).toArrow().schema
        with _streams(frame) as streams:
            rows = _Rows(schema, streams)
            try:
                return dataset.sql("FROM answer", tables={"answer": rows.reader()})
            except UsageError:
                if rows.error is not None:
                    raise rows.error from None
                raise


class _Rows:
    """The rows of an answer, read while Spark sends them.

    Args:
        schema: of the answer.
        streams: streams of Arrow, each with some of the rows.
    """

    def __init__(self, schema: pa.Schema, streams: Iterator[bytes]) -> None:
        self._schema, self._streams = schema, streams
        self.error: Exception | None = None
        """Why the rows ended early: DuckDB, which reads them, only says that they did."""

    def reader(self) -> pa.RecordBatchReader:
        """Return what can be read once."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for stream in self._streams:
                with pa.ipc.open_stream(stream) as reader:
                    for batch in reader:
                        yield batch.cast(self._schema)
        except Exception as error:
            self.error = error
            raise


@contextmanager
def _streams(frame: Any) -> Iterator[Iterator[bytes]]:
    """Compute an answer on all workers, and yield its rows as streams of Arrow, in order.

    A long answer stays on the disks of the workers, and comes from there one partition after the
    other: Spark would compute it like that as well, and leave all workers but one without work.
    """
    from pyspark import StorageLevel

    pieces = frame.mapInArrow(streams_function(_STREAM), "data binary")
    pieces = pieces.persist(StorageLevel.DISK_ONLY)
    try:
        ((size,),) = pieces.selectExpr("coalesce(sum(length(data)), 0)").collect()
        if size <= _AT_ONCE:
            yield iter(pieces.toArrow().column("data").to_pylist())
        else:
            yield (bytes(data) for (data,) in pieces.toLocalIterator(prefetchPartitions=True))
    finally:
        with suppress(Exception):  # it may be what failed
            pieces.unpersist()


def _make_views(session: Any, snapshot: Snapshot) -> None:
    for table in TABLES:
        stored = _elsewhere if snapshot.elsewhere is not None else _in_folder
        stored(session, snapshot, table).createOrReplaceTempView(f"stored_{table}")
    for view in read("engine/views.sql").split(";\n"):
        if view.strip():
            session.sql(view)


def _in_folder(session: Any, snapshot: Snapshot, table: str) -> Any:
    if _PATTERN.search(str(snapshot.root)):
        raise UsageError(
            f"Spark SQL cannot read files in {snapshot.root}: Spark treats * ? [ ] {{ }} and \\ "
            "in a path as a pattern; rename the folder"
        )
    folder = f"file://{snapshot.root}"
    reader = session.read.schema(_columns(table)).option("basePath", f"{folder}/{table}")
    return reader.parquet(*(f"file://{path}" for path in snapshot.paths(table)))


def _elsewhere(session: Any, snapshot: Snapshot, table: str) -> Any:
    """Let workers read each file with DuckDB: Spark itself needs jars for that, and credentials."""
    files = len(snapshot.paths(table))
    numbers = session.range(0, files, 1, max(1, min(files, _TASKS)))
    return numbers.mapInArrow(rows_function(Place.of(snapshot), table), _columns(table))


def _columns(table: str) -> str:
    types = {field.name: _TYPES[field.type] for field in TABLES[table]}
    return ", ".join(f"`{name}` {types.get(name, 'STRING')}" for name in stored_columns(table))
