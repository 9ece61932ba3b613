"""Answers a query part by part on Spark, as ``shards.InParts`` does here."""

import io
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.statement import by_group, counts_points
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.engine.errors import raise_problem, translating_spark_errors
from clearml_snapshot.queries.engine.job import COLUMNS, MEMORY, Job, Place, versions
from clearml_snapshot.queries.engine.shipped import function_for
from clearml_snapshot.queries.shards.answer import GATHERED, InParts, OnPart
from clearml_snapshot.queries.shards.divide import MOST_POINTS, divided
from clearml_snapshot.queries.shards.plan import AnyPart

POINTS: Final = MOST_POINTS // 5
"""The maximum number of points of a part: more parts than here, as there are more workers."""
_LONG: Final = 8
"""Parts of a long answer that Spark computes at a time, so that memory here stays limited."""
_AHEAD: Final = 2
"""Jobs for a long answer at a time: the next one begins while the last tasks of one still run."""
_JOBS: Final = 16
"""Jobs for a short answer, all at once: after each of them, more parts are finished."""
_ANSWER: Final = "gathered.main.answer_of_a_part"
_ARRIVED: Final = "clearml_snapshot_arrived"


class Spark:
    """Answers queries in parts on a session of Spark.

    Args:
        session: of Spark, or of Spark Connect.
        memory_limit: what DuckDB may use for each part, in its format; None means 1 GB.
        most: the maximum number of points of a part.
    """

    def __init__(self, session: Any, memory_limit: str | None = None, most: int = POINTS) -> None:
        self._session, self._memory = session, memory_limit or MEMORY
        self.most: Final = most
        self.n_parts = 0
        """The number of parts of the last answer."""

    def answer(
        self,
        dataset: Dataset,
        connection: duckdb.DuckDBPyConnection,
        query: Query,
        values: Mapping[str, Any],
        parts: tuple[AnyPart, ...],
        on_part: OnPart,
    ) -> "OnSpark":
        """Return the answer to a query; its arguments are those of ``InParts``.

        If there is no part, or only one, one worker answers the complete query.
        """
        is_divided = len(parts) > 1
        in_parts, whole = divided(query, values) if is_divided else (dict(values), None)
        job = Job(
            versions=versions(),
            place=Place.of(dataset.snapshot),
            query=query,
            values=in_parts,
            whole=whole,
            parts=parts if is_divided else (),
            filter=dataset.filter,
            aliases=dataset.aliases,
            memory_limit=self._memory,
        )
        self.n_parts = len(job)
        return OnSpark(self._session, job, dataset, connection, values, on_part)

    def described(self, query: Query, values: Mapping[str, Any]) -> str:
        """Describe in how many parts the last question was answered, and why if in one."""
        if self.n_parts > 1:
            return f"answered by Spark in {self.n_parts} parts"
        one = "answered by Spark in one part"
        shard = by_group(query, values).shard
        if counts_points(query, values) or (shard is not None and shard.divides(values)):
            return f"{one}: the question is about {self.most:,} points or fewer"
        return f"{one}: query {query.name} cannot be divided with these settings"


class OnSpark(InParts):
    """A query that Spark answers part by part.

    The first relation is empty and has the columns, so that nothing runs before rows are read.

    Args:
        session: of Spark, or of Spark Connect.
        job: the query in parts.
        dataset: a dataset that only this answer uses.
        connection: its connection, which receives the rows.
        values: what is bound to the query's parameters.
        on_part: is called before the first part and after each.
    """

    def __init__(
        self,
        session: Any,
        job: Job,
        dataset: Dataset,
        connection: duckdb.DuckDBPyConnection,
        values: Mapping[str, Any],
        on_part: OnPart,
    ) -> None:
        super().__init__(dataset, connection, job.query, values, job.parts, on_part)
        self._session, self._job = session, job
        self._received: list[bytes] = []
        with translating_errors():
            self._make_tables(dataset.shaped(job.query, values).relation)

    def _make_tables(self, relation: duckdb.DuckDBPyRelation) -> None:
        """Make a table with the types of the answer, for the rows of a part."""
        self.attach()
        names = distinct_names(relation.columns)
        columns = (f"#{at} AS {sql_name(name)}" for at, name in enumerate(names, 1))
        self._empty = relation.project(", ".join(columns)).limit(0)
        for table in (_ANSWER, GATHERED):
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")
            self._empty.create(table)

    def __iter__(self) -> Iterator[duckdb.DuckDBPyRelation]:
        """Read the answer of each part when it is reached; a short answer is computed once."""
        yield self._empty
        for stream in self._streams():
            with translating_errors():
                self.connection.execute(f"DELETE FROM {_ANSWER}")
                self._insert(stream, _ANSWER)
            yield self.connection.table(_ANSWER)

    def __len__(self) -> int:
        """Return the number of relations."""
        return len(self._job) + 1

    @property
    def follows(self) -> bool:
        """Whether the answers of the parts, one after the other, are the complete answer."""
        return not self._job.parts or super().follows

    def gathered(self) -> duckdb.DuckDBPyRelation:
        """Read the rows into a compressed table, which DuckDB moves to disk if necessary."""
        with translating_errors():
            self.connection.execute(f"DELETE FROM {GATHERED}")
            for stream in self._streams():
                self._insert(stream, GATHERED)
            return self.in_last_order(self.connection.table(GATHERED))

    def _insert(self, stream: bytes, table: str) -> None:
        with pa.ipc.open_stream(io.BytesIO(stream)) as reader:
            self.connection.register(_ARRIVED, reader)
            try:
                self.connection.execute(f"INSERT INTO {table} BY POSITION FROM {_ARRIVED}")
            finally:
                self.connection.unregister(_ARRIVED)

    def _streams(self) -> Iterator[bytes]:
        """Compute the answer of each part, in order; those of a short answer are kept."""
        total = len(self._job)
        if self._job.query.has_long_answer:
            yield from self._counted(self._computed(jobs(total, _LONG), _AHEAD))
            return
        if not self._received:
            size = max(_LONG, -(-total // _JOBS))
            self._received = [*self._counted(self._computed(jobs(total, size), _JOBS))]
        yield from self._received

    def _counted(self, streams: Iterator[bytes]) -> Iterator[bytes]:
        """Report how many parts are finished."""
        self._on_part(0, len(self._job))
        for number, stream in enumerate(streams, 1):
            self._on_part(number, len(self._job))
            yield stream

    def _computed(self, ranges: list[range], at_a_time: int) -> Iterator[bytes]:
        with ThreadPoolExecutor(at_a_time) as pool:
            waiting = deque(ranges)
            running: deque[Future[list[bytes]]] = deque()
            try:
                while waiting or running:
                    while waiting and len(running) < at_a_time:
                        running.append(pool.submit(self._collect, waiting.popleft()))
                    yield from running.popleft().result()
            except BaseException:
                if running:
                    self._session.interruptAll()
                raise

    def _collect(self, numbers: range) -> list[bytes]:
        """Let Spark compute some parts, one per task."""
        with translating_spark_errors():
            frame = self._session.range(numbers.start, numbers.stop, 1, len(numbers))
            rows = frame.mapInArrow(function_for(self._job), COLUMNS).toArrow()
        return joined(rows, numbers)


def jobs(total: int, size: int) -> list[range]:
    """Divide the numbers of parts among jobs of Spark."""
    return [range(at, min(at + size, total)) for at in range(0, total, size)]


def joined(rows: pa.Table, numbers: range) -> list[bytes]:
    """Join the pieces of each part, which may come in any order.

    Raises:
        SnapshotError: a worker reported a problem.
    """
    pieces: dict[int, list[bytes]] = {number: [] for number in numbers}
    for row in rows.sort_by([("part", "ascending"), ("number", "ascending")]).to_pylist():
        if row["problem"] is not None:
            raise_problem(row["number"], row["problem"])
        pieces[row["part"]].append(row["data"])
    return [b"".join(each) for each in pieces.values()]
