"""Answers a query about points of series in two steps, so that only the first one is in parts.

The first step computes the value of each series that counts, and the second one compares them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.statement import in_two_steps
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.shards.answer import GATHERED, InParts, OnPart
from clearml_snapshot.queries.shards.divide import MOST_POINTS, parts_of

if TYPE_CHECKING:
    from clearml_snapshot.queries.shards.asking import Engine


@contextmanager
def counted_first(
    dataset: Dataset,
    query: Query,
    values: Mapping[str, Any],
    progress: Callable[[], AbstractContextManager[OnPart]],
    most: int = MOST_POINTS,
    engine: "Engine | None" = None,
) -> Iterator[tuple[Dataset, Query, "Engine | None"]]:
    """Compute the values that count, unless there are so few points that one step is enough.

    Args:
        dataset: the dataset.
        query: a query that counts points.
        values: what is bound to its parameters.
        progress: shows the parts that are finished.
        most: the maximum number of points of a part.
        engine: answers the parts elsewhere.

    Yields:
        The query to ask, and the dataset and engine to ask it of: those given, if one step is
        enough. The second step compares one row per series, which is here.
    """
    first, second = in_two_steps(query, GATHERED)
    parts = parts_of(dataset, first, values, most)
    if len(parts) < 2:
        yield dataset, query, engine
        return
    with dataset.opened_again() as (inner, connection):
        with progress() as on_part:
            make = InParts if engine is None else engine.answer
            make(inner, connection, first, values, parts, on_part).gathered()
        yield inner, second, None
