"""Asks a query, in parts if it is about many points."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.statement import by_group, counts_points
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Result, Rows
from clearml_snapshot.queries.shards.divide import MOST_POINTS, parts_of

if TYPE_CHECKING:
    from clearml_snapshot.queries.shards.answer import InParts, OnPart

Keep = Callable[[duckdb.DuckDBPyRelation], Sequence[duckdb.DuckDBPyRelation]]
"""Selects rows of a computed answer, or of a part of it."""
Progress = Callable[[], "AbstractContextManager[OnPart]"]
"""Shows the parts that are finished, of one step."""


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
) -> Iterator[Asked]:
    """Ask a query; its answer can be read until the context ends.

    Args:
        dataset: the dataset.
        query: the query.
        values: what is bound to its parameters.
        keep: selects the rows that are needed after the answer was read.
        progress: is used once per step that has several parts.
        most: the maximum number of points of a part.
    """
    query = by_group(query, values)
    with ExitStack() as stack:
        if counts_points(query, values):
            from clearml_snapshot.queries.shards.steps import counted_first  # few queries do

            first = counted_first(dataset, query, values, progress, most)
            dataset, query = stack.enter_context(first)
        parts = parts_of(dataset, query, values, most)
        shaped = dataset.shaped(query, values)
        if len(parts) < 2:
            yield _at_once(dataset, query, *shaped, keep)
            return
        from clearml_snapshot.queries.shards.answer import InParts  # few questions get here

        on_part = stack.enter_context(progress())
        inner, connection = stack.enter_context(dataset.opened_again())
        answer = InParts(inner, connection, query, values, parts, on_part)
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
