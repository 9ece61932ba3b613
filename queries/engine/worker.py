"""Answers one part of a query, or reads one stored file, in a worker of Spark."""

import io
import pickle
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.engine.sql_text import sql_name
from clearml_snapshot.exporter.store.objects.opening import RemoteFiles
from clearml_snapshot.exporter.store.opening import open_and_hold, open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries import session
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.engine.job import (
    MEMORY,
    Job,
    Place,
    cut,
    digest_of,
    stored_columns,
    versions,
)
from clearml_snapshot.queries.shards.narrow import Narrowing

PIECE: Final = 2**20
"""Bytes of a piece of an answer: Spark Connect sends a row in one message, of at most 128 MB."""
_ROWS: Final = 10_000
"""Rows of a batch of Arrow."""


class WorkerError(SnapshotError):
    """A worker cannot answer, and no other one would."""


def pieces(packed: bytes, packed_for: str, number: int) -> Iterator[bytes]:
    """Answer one part of a job.

    Args:
        packed: the job, from ``Job.packed``.
        packed_for: the versions of the program that packed it.
        number: the number of the part, from 0.

    Yields:
        The answer as a stream of Arrow, in pieces.

    Raises:
        WorkerError: this machine has other versions, or does not see the snapshot.
        SnapshotError: the query failed.
    """
    _check_versions(packed_for)
    job: Job = pickle.loads(packed)  # from the program that also sent this function
    yield from cut(_stream(job, number), PIECE)


def stored_rows(
    packed: bytes, packed_for: str, table: str, number: int
) -> Iterator[pa.RecordBatch]:
    """Read one file of a table, which may be in a bucket.

    Args:
        packed: where the snapshot is, from ``Place.packed``.
        packed_for: the versions of the program that packed it.
        table: the table.
        number: the number of the file among those of the table, from 0.

    Yields:
        All rows with the columns of the table, and ``project_id`` after those of ``scalars``.

    Raises:
        WorkerError: this machine has other versions, or does not see the snapshot.
        SnapshotError: the file cannot be read.
    """
    _check_versions(packed_for)
    place: Place = pickle.loads(packed)  # from the program that also sent this function
    with _naming_place(place), translating_errors():
        one = _with_one_file(_found(place), table, number)
        with closing(session.connect(one, threads=1, memory_limit=MEMORY)) as connection:
            view = connection.table(f"{session.FILES}.{table}")
            columns = ", ".join(map(sql_name, stored_columns(table)))
            yield from view.project(columns).to_arrow_reader(_ROWS)


def _with_one_file(snapshot: Snapshot, table: str, number: int) -> Snapshot:
    """Return a snapshot that has only one file of a table."""
    entry = [entry for entry in snapshot.files if entry.table == table][number]
    one = replace(snapshot, files=(entry,))
    if isinstance(snapshot.elsewhere, RemoteFiles):
        return replace(one, elsewhere=replace(snapshot.elsewhere, snapshot=one))
    return one


def _check_versions(packed_for: str) -> None:
    if packed_for != versions():
        raise WorkerError(
            f"the Spark worker {socket.gethostname()} has {versions()}, and this machine has "
            f"{packed_for}; install the same versions on every worker"
        )


def _stream(job: Job, number: int) -> Iterator[bytes]:
    with _opened(job) as dataset, translating_errors():
        is_whole = job.whole is not None and number == len(job) - 1
        if job.parts and not is_whole:
            dataset.shaped(job.query, job.values)  # it decides the columns, from all parts together
            Narrowing(_connection(dataset)).show(job.parts[number])
        values = job.whole if is_whole and job.whole is not None else job.values
        result = dataset.result(dataset.shaped(job.query, values).relation)
        with result.arrow(_ROWS) as reader:
            yield from _written(reader)


def _connection(dataset: Dataset) -> duckdb.DuckDBPyConnection:
    """Return the connection of a dataset that nothing else uses, to change what it sees."""
    return dataset._connection


def _opened(job: Job) -> Dataset:
    """Open the snapshot of a job, and check that it is that one."""
    with _naming_place(job.place):
        return open_and_hold(
            lambda: (_found(job.place),),
            lambda snapshot: Dataset(
                snapshot, job.filter, aliases=job.aliases, threads=1, memory_limit=job.memory_limit
            ),
        )


@contextmanager
def _naming_place(place: Place) -> Iterator[None]:
    """Name the worker and the path in errors of a place that it cannot read."""
    try:
        yield
    except (DatasetError, OSError) as error:
        raise WorkerError(
            f"the Spark worker {socket.gethostname()} cannot read {place.path} ({error}); "
            "put the dataset where every worker sees it at this path"
        ) from error


def _found(place: Place) -> Snapshot:
    snapshot = open_snapshot(Path(place.path), place.number, points=False)
    if digest_of(snapshot) != place.digest:
        raise DatasetError("another snapshot is there")
    return snapshot


def _written(reader: pa.RecordBatchReader) -> Iterator[bytes]:
    """Write batches as a compressed stream, which is emptied after each batch."""
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, reader.schema, options=options) as writer:
        for batch in reader:
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()
