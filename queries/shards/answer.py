"""Runs a query part by part on a dataset of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import duckdb

from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.horizontal import x_pair
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.result import Result, Rows
from clearml_snapshot.queries.shards.divide import divided
from clearml_snapshot.queries.shards.narrow import Narrowing
from clearml_snapshot.queries.shards.plan import AnyPart

GATHERED: Final = "gathered.main.rows"
"""The table with the rows of all parts."""

OnPart = Callable[[int, int], None]
"""Receives the number of finished parts, and of all parts."""


class InParts:
    """A query that is answered part by part.

    Args:
        dataset: a dataset that only this answer uses, from ``Dataset.opened_again``.
        connection: its connection; its views are limited to a part, and restored afterwards.
        query: a query with ``:shard``.
        values: what is bound to its parameters.
        parts: at least one.
        on_part: is called before the first part and after each.
    """

    def __init__(
        self,
        dataset: Dataset,
        connection: duckdb.DuckDBPyConnection,
        query: Query,
        values: Mapping[str, Any],
        parts: tuple[AnyPart, ...],
        on_part: OnPart = lambda _done, _all: None,
    ) -> None:
        self._dataset, self.connection = dataset, connection
        self._query, self._parts, self._on_part = query, parts, on_part
        self._values, self._whole = divided(query, values)
        self._narrowing = Narrowing(connection, x_pair(self._values))
        with translating_errors():
            dataset.shaped(query, self._values)  # it decides the columns, from all parts together

    def __iter__(self) -> Iterator[duckdb.DuckDBPyRelation]:
        """Create the answer of each part when it is reached; every iteration starts again."""
        for number, part in enumerate(self._parts):
            self._on_part(number, len(self._parts))
            with translating_errors():
                self._narrowing.show(part)
            yield self._dataset.shaped(self._query, self._values).relation
        self._on_part(len(self._parts), len(self._parts))
        with translating_errors():
            self._narrowing.show_everything()

    @property
    def follows(self) -> bool:
        """Whether the answers of the parts, one after the other, are the complete answer."""
        return self._query.shard is not None and self._query.shard.follows

    def streamed(self) -> Result:
        """Return the rows, each part computed when it is reached."""
        return Result(self.connection, self)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._parts)

    def gathered(self) -> duckdb.DuckDBPyRelation:
        """Compute the rows into a compressed table, which DuckDB moves to disk if necessary."""
        with translating_errors():
            self.attach()
            self.connection.execute(f"DROP TABLE IF EXISTS {GATHERED}")
            for number, relation in enumerate(self):
                self._keep(relation, is_first=number == 0)
            if self._whole is not None:
                self._keep(self._dataset.shaped(self._query, self._whole).relation)
            return self.in_last_order(self.connection.table(GATHERED))

    def attach(self) -> None:
        """Attach the database with the rows of all parts."""
        self.connection.execute(_COMPRESSED)

    def in_last_order(self, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Sort the rows of all parts, if the query says that they need it."""
        return rows.order(_last_order(self._query)) if _is_sorted(self._query) else rows

    def _keep(self, relation: duckdb.DuckDBPyRelation, *, is_first: bool = False) -> None:
        relation.create_view(_PART)
        into = f"CREATE TABLE {GATHERED} AS" if is_first else f"INSERT INTO {GATHERED}"
        self.connection.execute(f"{into} FROM {_PART}")
        self.connection.execute(f"DROP VIEW {_PART}")


class Noted:
    """The computed rows of each part, from which the rows that notes are about are kept.

    Args:
        parts: a query in parts, whose answers follow one another.
        keep: receives the computed rows of a part, and returns those that are kept.
    """

    def __init__(self, parts: InParts, keep: Callable[[duckdb.DuckDBPyRelation], Result]) -> None:
        self._parts, self._keep = parts, keep
        self._kept: dict[int, Rows] = {}
        self._first: duckdb.DuckDBPyRelation | None = None

    def __iter__(self) -> Iterator[duckdb.DuckDBPyRelation]:
        """Compute the answer of each part when it is reached; every iteration starts again.

        The first part is computed for the names of the columns, and used once more.
        """
        for number, relation in enumerate(self._parts):
            computed, self._first = self._first if number == 0 else None, None
            if computed is None:
                with translating_errors():
                    computed = relation.materialize()
            if number not in self._kept:
                self._kept[number] = self._keep(computed).in_memory()
                self._first = computed if number == 0 else None
            yield computed

    def result(self) -> Result:
        """Return the rows, each part computed when it is reached."""
        return Result(self._parts.connection, self, are_materialized=True)

    def rows(self) -> Rows:
        """Return the rows that were kept, after computing the parts that nobody has read."""
        if len(self._kept) < len(self._parts):
            for _ in self:
                pass
        kept = [self._kept[number] for number in sorted(self._kept)]
        return replace(kept[0], rows=tuple(row for part in kept for row in part.rows))


_COMPRESSED: Final = "ATTACH IF NOT EXISTS ':memory:' AS gathered (COMPRESS true)"
_PART: Final = "part_of_an_answer"


def _is_sorted(query: Query) -> bool:
    return query.shard is not None and query.shard.is_sorted


def _last_order(query: Query) -> str:
    return query.sql.rpartition("ORDER BY")[2].strip().rstrip(";")
