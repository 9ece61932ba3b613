"""A sparkline beside each task of a leaderboard: ``query leaderboard --spark``."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearml_snapshot.cli.output.destination import SCREENFUL, OutputOptions
from clearml_snapshot.cli.output.spread import number
from clearml_snapshot.cli.output.stdout import STDOUT, form_of, is_for_reading
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.engine.sql_text import distinct_names

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
    from clearml_snapshot.queries.figures.outputs.sparklines import Scale
    from clearml_snapshot.queries.result import Result

_COLUMN: Final = "curve"
_AFTER: Final = "value"


def with_column(output: OutputOptions, *, show: bool) -> OutputOptions:
    """Check that a table is written, and choose the column of curves if others are chosen.

    Raises:
        UsageError: something else is written.
    """
    if show:
        raise UsageError("--spark draws in a table and --show prints SQL; leave out one of them")
    form = form_of(output)
    if form != "table":
        raise UsageError(
            f"--spark draws in a table, and this writes {form}; add --format table, or leave out "
            "--spark (query curve has the points)"
        )
    if not output.columns or _COLUMN in output.columns:
        return output
    return replace(output, columns=(*output.columns, _COLUMN))


class Curves(NamedTuple):
    """An answer with a column of curves."""

    result: "Result"
    answer: "AnswerColumns"
    notes: tuple[str, ...]
    """How the curves are drawn."""


def with_curves(
    opened: "OpenDataset",
    values: Mapping[str, Any],
    result: "Result",
    answer: "AnswerColumns",
    output: OutputOptions,
) -> Curves:
    """Add a column with the curves of the rows that are shown."""
    import pyarrow as pa

    from clearml_snapshot.queries.figures.outputs.sparklines import Series, in_ascii, sparklines

    table = result.arrow(SCREENFUL).read_all()
    shown = table.slice(0, SCREENFUL) if is_for_reading(output) else table
    columns = (shown.column(name).to_pylist() for name in Series._fields)
    series = [Series(*row) for row in zip(*columns, strict=True)]
    lines, scales = sparklines(opened, values, series)
    change = str if _shows_blocks(output) else in_ascii
    texts = [change(lines[each]) if each in lines else None for each in series]
    texts += [None] * (table.num_rows - shown.num_rows)
    name = distinct_names([_COLUMN], table.column_names)[0]
    place = table.column_names.index(_AFTER) + 1
    table = table.add_column(place, name, pa.array(texts, pa.string()))
    relation = opened.sql("FROM rows_with_curves", tables={"rows_with_curves": table})
    at = answer.names.index(_AFTER) + 1
    names = (*answer.names[:at], name, *answer.names[at:])
    notes = tuple(_notes(scales, values, change))
    return Curves(opened.result(relation), answer._replace(names=names, sparks=(name,)), notes)


def _shows_blocks(output: OutputOptions) -> bool:
    """Return whether block characters can be shown: in a file always, else in UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    return output.path not in (None, STDOUT) or encoding.startswith("utf")


def _notes(
    scales: "Mapping[tuple[str, str], Scale]",
    values: Mapping[str, Any],
    change: Callable[[str], str],
) -> Iterator[str]:
    """Describe the axes that the curves share, and the marks."""
    for pair, scale in scales.items():
        of_metric = "" if len(scales) == 1 else f" of {'/'.join(pair)}"
        low, high = number(scale.low), number(scale.high)
        how = ", logarithmic" if scale.is_log else ""
        yield (
            f"curves{of_metric}: from {low} ({change('▁')}) to {high} ({change('█')}){how}, "
            f"iterations {scale.first:,} to {scale.last:,}, the same in all rows"
        )
    if any(scale.has_not_finite for scale in scales.values()):
        yield f"in curves, {change('×')} is where a value is NaN, infinite or missing"
    if values["smooth"] is not None or values["last"] is not None:
        yield "curves have all stored points, not smoothed"
