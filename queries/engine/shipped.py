"""Makes the function that Spark sends to its workers.

Spark pickles a function of a module as the name of its module, which a worker without this package
cannot import. A function inside another one is sent with its code, so it can report that itself.
"""

from typing import Any

from clearml_snapshot.queries.engine.job import Job


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
