"""Prepares an answer for output: without this process's credentials, and printable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.own_keys import are_in, are_known, scrub, scrub_json
from clearml_snapshot.exporter.store.engine.sql_text import distinct_names
from clearml_snapshot.queries.ask.answer_columns import EVERY_COLUMN, AnswerColumns
from clearml_snapshot.queries.result import Column, Kind, Result, Value

if TYPE_CHECKING:
    import pyarrow as pa

_ARROW_BATCH: Final = 100_000

Change = Callable[[str], str]


class SafeRows:
    """A result whose names and texts may be written; reading it again runs the query again.

    The credentials of this process are removed from its texts, see `exporter.own_keys`.

    Args:
        result: the result.
        for_screen: escape control characters in names and texts.
        answer: the columns that are the answer; only formats for reading use it.
        is_complete: formats for reading write the other columns too.

    Attributes:
        columns: the columns, named uniquely.
    """

    def __init__(
        self,
        result: Result,
        *,
        for_screen: bool = False,
        answer: AnswerColumns = EVERY_COLUMN,
        is_complete: bool = False,
    ) -> None:
        shown = printable if for_screen else str
        names = distinct_names(shown(scrub(column.name)) for column in result.columns)
        self.columns: Final = tuple(
            Column(name, column.kind, column.type)
            for name, column in zip(names, result.columns, strict=True)
        )
        self.for_screen: Final = for_screen
        self.answer: Final = answer
        self.is_complete: Final = is_complete
        self._result = result

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        return self._safe(self._result.plain_rows())

    def first(self, limit: int) -> list[tuple[Value, ...]]:
        """Read the first rows."""
        return list(self._safe(self._result.plain_rows(limit)))

    def lines(self, expression: str) -> Iterator[list[str]]:
        """Compute one text per row, and yield the texts in batches.

        Credentials in them are still there if ``own_keys.are_in`` finds any.

        Args:
            expression: SQL over the columns ``c0``, ``c1``, ….
        """
        for batch in self._result.batches([expression]):
            yield [line for (line,) in batch]

    def batches(self) -> "pa.RecordBatchReader":
        """Read the result with DuckDB's own types, as Arrow."""
        reader = self._result.arrow(_ARROW_BATCH)
        if not are_known():
            return reader
        from clearml_snapshot.cli.output.arrow import scrubbed

        return scrubbed(reader)

    def count(self) -> int | None:
        """Count the rows; None if that would take as long as computing all parts of the answer."""
        return None if self._result.is_in_parts else self._result.count()

    def _safe(self, rows: Iterator[tuple[Value, ...]]) -> Iterator[tuple[Value, ...]]:
        changes = {
            place: partial(_changed, steps)
            for place, column in enumerate(self.columns)
            if (steps := list(self._changes(column.kind)))
        }
        return (_with_changes(row, changes) for row in rows) if changes else rows

    def _changes(self, kind: Kind) -> Iterator[Change]:
        if are_known() and kind is Kind.TEXT:
            yield scrub
        if are_known() and kind is Kind.JSON:
            yield scrub_json
        if self.for_screen and kind is not Kind.NUMBER:
            yield printable


def without_keys(lines: list[str], scrub_line: Change) -> list[str]:
    """Remove this process's credentials from the lines of a batch; almost no batch has any."""
    if are_known() and are_in("\n".join(lines)):
        return list(map(scrub_line, lines))
    return lines


def _changed(steps: Sequence[Change], text: str) -> str:
    for step in steps:
        text = step(text)
    return text


def _with_changes(row: tuple[Value, ...], changes: Mapping[int, Change]) -> tuple[Value, ...]:
    cells = list(row)
    for place, change in changes.items():
        if isinstance(cell := cells[place], str):
            cells[place] = change(cell)
    return tuple(cells)
