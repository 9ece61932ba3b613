"""Asks a query, in parts if it is about many points."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.statement import by_group, counts_points
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Result, Rows
from clearml_snapshot.queries.shards.divide import MOST_POINTS, parts_of

if TYPE_CHECKING:
    from clearml_snapshot.queries.shards.answer import InParts, OnPart
    from clearml_snapshot.queries.shards.plan import AnyPart

Keep = Callable[[duckdb.DuckDBPyRelation], Sequence[duckdb.DuckDBPyRelation]]
"""Selects rows of a computed answer, or of a part of it."""
Progress = Callable[[], "AbstractContextManager[OnPart]"]
"""Shows the parts that are finished, of one step."""


class Engine(Protocol):
    """Answers a query in parts elsewhere."""

    @property
    def most(self) -> int:
        """The maximum number of points of a part."""

    def answer(
        self,
        dataset: Dataset,
        connection: duckdb.DuckDBPyConnection,
        query: Query,
        values: Mapping[str, Any],
        parts: "tuple[AnyPart, ...]",
        on_part: "OnPart",
    ) -> "InParts":
        """Return the answer; if there is at most one part, of the complete query."""


@dataclass(frozen=True)
class Asked:
    """An answer, computed while it is read."""

    result: Result
    columns: AnswerColumns
    """Those of its columns that are the answer."""
    kept: Callable[[], Rows]
    """Returns the selected rows, when the answer was read; of a long answer whether it has any."""


def _no_progress() -> "AbstractContextManager[OnPart]":
    return nullcontext(lambda _done, _all: None)


@contextmanager
def asked(
    dataset: Dataset,
    query: Query,
    values: Mapping[str, Any],
    keep: Keep,
    progress: Progress = _no_progress,
    most: int = MOST_POINTS,
    engine: Engine | None = None,
) -> Iterator[Asked]:
    """Ask a query; its answer can be read until the context ends.

    Args:
        dataset: the dataset.
        query: the query.
        values: what is bound to its parameters.
        keep: selects the rows that are needed after the answer was read.
        progress: is used once per step that has several parts.
        most: the maximum number of points of a part.
        engine: answers the parts elsewhere, with a maximum of its own.
    """
    query, most = by_group(query, values), most if engine is None else engine.most
    with ExitStack() as stack:
        if counts_points(query, values):
            from clearml_snapshot.queries.shards.steps import counted_first  # few queries do

            first = counted_first(dataset, query, values, progress, most, engine)
            dataset, query, engine = stack.enter_context(first)
        parts = parts_of(dataset, query, values, most)
        shaped = dataset.shaped(query, values)
        if len(parts) < 2 and engine is None:
            yield _at_once(dataset, query, *shaped, keep)
            return
        from clearml_snapshot.queries.shards.answer import InParts  # few questions get here

        on_part = stack.enter_context(progress())
        inner, connection = stack.enter_context(dataset.opened_again())
        make = InParts if engine is None else engine.answer
        answer = make(inner, connection, query, values, parts, on_part)
        yield _in_parts(inner, query, answer, shaped.answer, keep)


def _at_once(
    dataset: Dataset,
    query: Query,
    relation: duckdb.DuckDBPyRelation,
    columns: AnswerColumns,
    keep: Keep,
) -> Asked:
    if query.has_long_answer:
        return _long(dataset.result(relation), columns)
    computed = relation.materialize()
    result = dataset.result(computed, is_materialized=True)
    return Asked(result, columns, lambda: dataset.result(*keep(computed)).in_memory())


def _in_parts(
    dataset: Dataset, query: Query, answer: "InParts", columns: AnswerColumns, keep: Keep
) -> Asked:
    from clearml_snapshot.queries.shards.answer import Noted

    if query.has_long_answer:
        return _long(answer.streamed(), columns)
    if answer.follows:
        noted = Noted(answer, lambda rows: dataset.result(*keep(rows)))
        return Asked(noted.result(), columns, noted.rows)
    gathered = answer.gathered()
    result = dataset.result(gathered)
    return Asked(result, columns, lambda: dataset.result(*keep(gathered)).in_memory())


def _long(result: Result, columns: AnswerColumns) -> Asked:
    return Asked(result, columns, lambda: Rows((), (), ((),) * min(result.n_read, 1)))
