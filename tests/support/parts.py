"""The bytes of an answer, also of one in parts."""

import io
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from clearml_snapshot.cli.output.formats import WRITERS
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.queries import Dataset
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.result import Result
from clearml_snapshot.queries.shards.asking import asked


def as_csv(result: Result) -> bytes:
    sink = io.BytesIO()
    WRITERS["csv"](SafeRows(result), sink)
    return sink.getvalue()


def in_parts(dataset: Dataset, query: Query, values: Mapping[str, Any], most: int) -> bytes | None:
    """Answer as the command does, in parts of at most so many points; None if one is enough."""
    done: list[int] = []

    def progress() -> nullcontext[Callable[[int, int], None]]:
        return nullcontext(lambda number, _all: done.append(number))

    with asked(dataset, query, values, lambda rows: (rows,), progress, most) as answer:
        written = as_csv(answer.result)
    return written if done else None
