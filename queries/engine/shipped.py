"""Makes the functions that Spark sends to its workers.

Spark pickles a function of a module as the name of its module, which a worker without this package
cannot import. A function inside another one is sent with its code, so it can report that itself.
"""

from typing import Any, Final

from clearml_snapshot.queries.engine.job import Job, Place, versions

REPORTED: Final = "clearml-snapshot worker"
"""How the text of an error begins that a worker raises; a code and what happened follow."""


def function_for(job: Job) -> Any:
    """Return a function that answers the parts whose numbers it receives, for ``mapInArrow``."""
    packed, versions = job.packed(), job.versions

    def answer(batches: Any) -> Any:  # its types would be sent as well, so they are plain
        import socket

        import pyarrow

        def row(part: int, number: int, problem: Any, data: Any) -> Any:
            columns: Any = {
                "part": pyarrow.array([part], pyarrow.int64()),
                "number": pyarrow.array([number], pyarrow.int64()),
                "problem": pyarrow.array([problem], pyarrow.string()),
                "data": pyarrow.array([data], pyarrow.binary()),
            }
            return pyarrow.RecordBatch.from_pydict(columns)

        def rows(part: int) -> Any:
            try:
                from clearml_snapshot.exporter.errors import SnapshotError
                from clearml_snapshot.queries.engine.worker import pieces
            except ImportError as error:
                yield row(part, -1, f"{socket.gethostname()}: {error}", None)
                return
            try:
                for number, piece in enumerate(pieces(packed, versions, part)):
                    yield row(part, number, None, piece)
            except SnapshotError as error:
                yield row(part, int(error.exit_code), str(error), None)

        for batch in batches:
            for part in batch.column(0).to_pylist():
                yield from rows(part)

    return answer


def rows_function(place: Place, table: str) -> Any:
    """Return a function that reads the files of a table whose numbers it receives."""
    packed, packed_for, reported = place.packed(), versions(), REPORTED

    def read(batches: Any) -> Any:
        import socket

        try:
            from clearml_snapshot.exporter.errors import SnapshotError
            from clearml_snapshot.queries.engine.worker import stored_rows
        except ImportError as error:
            raise RuntimeError(f"{reported} -1: {socket.gethostname()}: {error}") from None
        try:
            for batch in batches:
                for number in batch.column(0).to_pylist():
                    yield from stored_rows(packed, packed_for, table, number)
        except SnapshotError as error:
            raise RuntimeError(f"{reported} {int(error.exit_code)}: {error}") from None

    return read


def streams_function(size: int) -> Any:
    """Return a function that writes its rows as compressed streams of Arrow, in order.

    It needs nothing of this package.

    Args:
        size: the usual maximum of bytes in a stream, before compression.
    """

    def write(batches: Any) -> Any:
        import pyarrow

        options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
        for batch in batches:
            rows = max(1, batch.num_rows * size // max(size, batch.nbytes))
            for start in range(0, batch.num_rows, rows):
                sink = pyarrow.BufferOutputStream()
                with pyarrow.ipc.new_stream(sink, batch.schema, options=options) as writer:
                    writer.write_batch(batch.slice(start, rows))
                data = pyarrow.array([sink.getvalue().to_pybytes()], pyarrow.binary())
                yield pyarrow.RecordBatch.from_arrays([data], ["data"])

    return write
