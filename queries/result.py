"""Reads an answer of DuckDB: columns of a few kinds, rows in batches, in bounded memory.

DuckDB itself converts the values, so that no row needs pyarrow, pytz or one of DuckDB's own types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name
from clearml_snapshot.queries.duckdb_errors import of_a_stream, translating_errors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from clearml_snapshot.queries.ask.header import Query

Value = bool | int | float | str | None
"""A cell's value; None is NULL."""

FIRST_BATCH: Final = 8
"""Rows of the first batch, whose texts may be megabytes each."""
_LARGEST_BATCH: Final = 2048
"""Rows; DuckDB computes as many at a time."""
_BATCH_SIZE: Final = 4 * 2**20
"""The approximate number of characters of a batch, from the second on."""


class Kind(Enum):
    """The kind of a column's values."""

    BOOLEAN = "bool"
    INTEGER = "int"
    DOUBLE = "float, including NaN and infinities"
    NUMBER = "str: the digits of any other number (HUGEINT, DECIMAL)"
    TIME = "str: ISO-8601; a time with a zone is UTC and ends in Z"
    TEXT = "str"
    JSON = "str: a list, struct or map as JSON, in which NaN and infinities are strings"

    @property
    def is_number(self) -> bool:
        """Whether a table aligns it right."""
        return self in (Kind.INTEGER, Kind.DOUBLE, Kind.NUMBER)


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str
    """Unique in its answer: the second ``a`` is ``a_1``."""
    kind: Kind
    type: str
    """DuckDB's."""


@dataclass(frozen=True)
class Rows:
    """An answer in memory."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    """DuckDB's types, one per column."""
    rows: tuple[tuple[Any, ...], ...]
    """Times are aware datetimes in UTC."""

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return one dict per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Answer:
    """The result of a query, not read yet.

    Anything that reads the Arrow PyCapsule interface reads it: ``pyarrow.table(answer)``,
    ``polars.DataFrame(answer)``, ``pandas.DataFrame.from_arrow(answer)``.
    """

    query: Query
    values: Mapping[str, Any]
    """The values of the query's parameters, by name."""
    relation: duckdb.DuckDBPyRelation
    """Its rows, computed when they are read, which must be before the dataset is closed."""
    _write_notes: Callable[[duckdb.DuckDBPyRelation], tuple[str, ...]] = field(repr=False)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the command line prints below the answer, each as one line of text.

        They name zeros that are probably NaN, with the value that is best without them, and say how
        many tasks the answer covers and what is missing. They are computed when they are first
        read, which runs the query once more.
        """
        with translating_errors():
            return self._write_notes(self.relation)

    def _repr_html_(self) -> str:
        """Show the first rows and the notes in Jupyter and marimo."""
        from clearml_snapshot.queries.pages.answer_table import ROWS, answer_table

        with translating_errors():
            texts = self.relation.limit(ROWS + 1).project("CAST(COLUMNS(*) AS VARCHAR)")
            rows = texts.fetchall()
            return answer_table(self.relation.columns, rows, self.notes)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Run the query and give its rows as a stream of Arrow; each call runs it again."""
        with translating_errors():
            return self.relation.__arrow_c_stream__(requested_schema)


class Result:
    """An answer that has not been read yet; reading it again runs the query again.

    Args:
        connection: the connection of the relations; nothing else uses it while rows are read.
        relations: the answer, or its parts in their order, each with the same columns. It is
            iterated once per reading, and each relation is read before the next one is made.
        are_materialized: whether DuckDB has computed the rows already.

    Attributes:
        columns: its columns, named uniquely.
        n_read: how many rows `batches` and `arrow` have given so far.
        error: why the batches of `arrow` ended early; None if they did not.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relations: Iterable[duckdb.DuckDBPyRelation],
        *,
        are_materialized: bool = False,
    ) -> None:
        self._connection, self._relations = connection, relations
        self._are_materialized = are_materialized
        self.n_read = 0
        self.error: SnapshotError | None = None
        with translating_errors():
            first = self._first()
            names, types = first.columns, [str(type_) for type_ in first.types]
        triples = zip(distinct_names(names), map(_kind, types), types, strict=True)
        self.columns = tuple(Column(*triple) for triple in triples)
        self._places = tuple(range(len(self.columns)))

    def keep(self, names: Sequence[str]) -> None:
        """Leave only these columns, in this order.

        Raises:
            NoSuchNameError: there is no column of a name.
        """
        places = {column.name: place for place, column in enumerate(self.columns)}
        for name in names:
            if name not in places:
                raise no_such("column", name, places)
        chosen = [places[name] for name in dict.fromkeys(names)]
        self._places = tuple(self._places[place] for place in chosen)
        self.columns = tuple(self.columns[place] for place in chosen)

    def batches(
        self, expressions: Sequence[str], *, limit: int | None = None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Compute an expression per column of the batches, and yield the rows in batches.

        The memory does not grow with the number of rows.

        Args:
            expressions: SQL over the columns ``c0``, ``c1``, …: the columns of the answer.
            limit: the maximum number of rows.

        Raises:
            SnapshotError: the query fails, possibly after some of its rows.
        """
        selected = ", ".join(expressions)
        left, size = limit, FIRST_BATCH
        for relation in self._relations:
            first = "" if left is None else f" LIMIT {left}"
            with self._named(relation) as view, translating_errors(located=False):
                self._connection.execute(f"SELECT {selected} FROM {view}{first}")
                while rows := self._connection.fetchmany(size):
                    self.n_read += len(rows)
                    yield rows
                    size = _next_size(rows)
                    left = None if left is None else left - len(rows)
            if left == 0:
                return

    def plain_rows(self, limit: int | None = None) -> Iterator[tuple[Value, ...]]:
        """Yield the rows as values of Python, see ``Kind``."""
        for batch in self.batches(list(map(plain, *self._numbered())), limit=limit):
            yield from batch

    def arrow(self, batch_rows: int) -> pa.RecordBatchReader:
        """Read the rows with DuckDB's own types, in batches of at most this many rows."""
        import pyarrow as pa

        readers = (self._typed(each).to_arrow_reader(batch_rows) for each in self._relations)
        with translating_errors():
            first = next(readers)
        batches = self._arrow_batches(chain((first,), readers))
        return pa.RecordBatchReader.from_batches(first.schema, batches)

    @property
    def is_in_parts(self) -> bool:
        """Whether it has several relations, which are slow to count."""
        return not isinstance(self._relations, tuple)

    def count(self) -> int:
        """Count the rows."""
        return sum(int(rows) for ((rows,),) in self.batches(["count(*)"]))

    def in_memory(self) -> Rows:
        """Read everything, times as aware datetimes; DuckDB itself needs pytz for that."""
        types = tuple(column.type for column in self.columns)
        moments = [at for at, kind in enumerate(types) if kind == _ZONED]
        with translating_errors():
            every = self._first().columns
            names = tuple(every[place] for place in self._places)
            rows = [row for each in self._relations for row in _without_zones(each).fetchall()]
        if len(names) < len(every):
            rows = [tuple(row[place] for place in self._places) for row in rows]
        return Rows(names, types, tuple(_in_utc(row, moments) for row in rows))

    def _arrow_batches(self, readers: Iterable[pa.RecordBatchReader]) -> Iterator[pa.RecordBatch]:
        for reader in readers:
            batches = iter(reader)
            while (batch := self._next_batch(batches)) is not None:
                self.n_read += batch.num_rows
                yield batch

    def _next_batch(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        """Read a batch; a reader of the batches may lose the kind of an error, so it is kept."""
        try:
            with translating_errors(located=False), of_a_stream():
                return next(batches, None)
        except SnapshotError as error:
            self.error = error
            raise

    def _first(self) -> duckdb.DuckDBPyRelation:
        return next(iter(self._relations))

    def _typed(self, relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Name the columns uniquely."""
        columns = zip(self._places, self.columns, strict=True)
        named = ", ".join(f"#{place + 1} AS {sql_name(column.name)}" for place, column in columns)
        with translating_errors():
            return relation.project(named)

    def _numbered(self) -> tuple[list[Kind], list[str], list[str]]:
        kinds, types = zip(*((each.kind, each.type) for each in self.columns), strict=True)
        return [*kinds], [*types], [f"c{place}" for place in range(len(kinds))]

    @contextmanager
    def _named(self, relation: duckdb.DuckDBPyRelation) -> Iterator[str]:
        """Name the answer temporarily: only a connection reads rows in bounded memory."""
        import duckdb  # the output of other commands does not need it

        name = f"clearml_snapshot_answer_{next(_NUMBERS)}"
        with translating_errors():
            if self._are_materialized:
                self._connection.register(name, relation)
            else:
                relation.create_view(name)
        names = {place: f"c{at}" for at, place in enumerate(self._places)}
        columns = (names.get(place, f"other{place}") for place in range(len(relation.columns)))
        try:
            yield f"{name} AS answer({', '.join(columns)})"
        finally:
            with suppress(duckdb.Error):  # the connection is closed, or busy after an interrupt
                if self._are_materialized:
                    self._connection.unregister(name)
                else:
                    self._connection.execute(f"DROP VIEW IF EXISTS {name}")


_NUMBERS: Final = count(1)

_ISO: Final = "%Y-%m-%dT%H:%M:%S.%f"
_MOMENT: Final = (
    "CASE WHEN isfinite({0}) "
    f"THEN regexp_replace(strftime({{0}}::TIMESTAMP, '{_ISO}'), '000$', '') || '{{1}}' "
    "ELSE {0}::VARCHAR END"
)
_DOUBLE: Final = (
    "CASE WHEN isfinite({0}::DOUBLE) THEN {0}::DOUBLE::VARCHAR WHEN isnan({0}::DOUBLE) THEN 'NaN' "
    "WHEN {0}::DOUBLE > 0 THEN 'Infinity' WHEN {0}::DOUBLE < 0 THEN '-Infinity' END"
)
_JSON: Final = "to_json({0})::VARCHAR"
_NONFINITE_JSON: Final = (
    # Each text or non-finite number gets two marks around its second half, which is empty for a
    # text; DuckDB escapes control characters, so that the mark is not in a text.
    "replace(replace(regexp_replace("
    f"{_JSON}, '(\"(?:[^\"\\\\]|\\\\.)*\")|(-?(?:Infinity|NaN))', E'\\\\1\\x01\\\\2\\x01', 'g'), "
    "E'\\x01\\x01', ''), E'\\x01', '\"')"
)
"""DuckDB writes non-finite numbers unquoted into JSON, which is not JSON."""

_INTEGER: Final = re.compile(r"U?(TINY|SMALL|BIG)INT|U?INTEGER")
_NUMBER: Final = re.compile(r"U?HUGEINT|DECIMAL\(.*|BIGNUM")
_NESTED: Final = re.compile(r".*\]|(STRUCT|MAP|UNION)\(.*|JSON|VARIANT", re.DOTALL)
_MAYBE_NONFINITE: Final = re.compile("FLOAT|DOUBLE|VARIANT|JSON")
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"


def plain(kind: Kind, type_: str, cell: str) -> str:
    """Write the SQL that converts a cell to a value of Python."""
    if kind in (Kind.INTEGER, Kind.BOOLEAN):
        return cell
    return f"{cell}::DOUBLE" if kind is Kind.DOUBLE else text(kind, type_, cell)


def text(kind: Kind, type_: str, cell: str) -> str:
    """Write the SQL that converts a cell to text: a double in the fewest digits that read back."""
    if kind is Kind.DOUBLE:
        return _DOUBLE.replace("{0}", cell)
    if kind is Kind.TIME:
        zone = "Z" if type_ in (_ZONED, "TIMESTAMPTZ") else ""
        return _MOMENT.replace("{0}", cell).replace("{1}", zone)
    if kind is Kind.JSON:
        form = _NONFINITE_JSON if _MAYBE_NONFINITE.search(type_) else _JSON
        return form.replace("{0}", cell)
    return f"{cell}::VARCHAR"


def _kind(type_: str) -> Kind:
    if _NESTED.fullmatch(type_):
        return Kind.JSON
    if _INTEGER.fullmatch(type_):
        return Kind.INTEGER
    if _NUMBER.fullmatch(type_):
        return Kind.NUMBER
    if type_.startswith("TIMESTAMP"):
        return Kind.TIME
    return {"DOUBLE": Kind.DOUBLE, "FLOAT": Kind.DOUBLE, "BOOLEAN": Kind.BOOLEAN}.get(
        type_, Kind.TEXT
    )


def _next_size(rows: Sequence[tuple[Any, ...]]) -> int:
    """Choose the number of rows of the next batch by the length of the texts in this one."""
    length = sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
    return max(1, min(_LARGEST_BATCH, _BATCH_SIZE * len(rows) // (length + 1)))


def _without_zones(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Read times as UTC without a zone: DuckDB needs pytz for one."""
    types = [str(type_) for type_ in relation.types]
    if not any(_ZONED in type_ for type_ in types):
        return relation
    return relation.project(
        ", ".join(
            f"#{at}::{type_.replace(_ZONED, 'TIMESTAMP')}" if _ZONED in type_ else f"#{at}"
            for at, type_ in enumerate(types, 1)
        )
    )


def _in_utc(row: tuple[Any, ...], moments: Sequence[int]) -> tuple[Any, ...]:
    if not moments:
        return row
    values = list(row)
    for at in moments:
        if isinstance(values[at], datetime):
            values[at] = values[at].replace(tzinfo=UTC)
    return tuple(values)
