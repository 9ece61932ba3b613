"""Draws rows that do not fit as a table: below lines with what they share, or upright."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, takewhile
from typing import Final

from clearml_snapshot.cli.output.tables.columns import (
    NARROWEST,
    DrawnColumn,
    is_tight,
    width_of,
    widths_of,
)
from clearml_snapshot.cli.output.tables.drawing import (
    Screen,
    marked,
    paragraph,
    table_lines,
    with_link,
    wrapped,
)
from clearml_snapshot.cli.output.tables.fit import GAP
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
from clearml_snapshot.queries.result import Kind

_INDENTS: Final = (GAP, 0)
"""How far rows are moved to the right below the line with what they share."""


def draw_narrow(
    columns: Sequence[DrawnColumn],
    links: Sequence[str | None],
    screen: Screen,
    answer: AnswerColumns,
) -> tuple[str, list[str]]:
    """Draw rows whose answer is wider than the terminal, upright.

    If columns are tasks, they stay beside each other: the first texts of the rows, such as metric
    and variant, become lines above the rows that share them, as few of the texts as possible. If
    the rest does not fit either, each row takes several lines.

    Returns:
        The drawing, and the names of the columns that are left out.
    """
    keys = list(takewhile(_is_key, columns))
    if any(column.is_task for column in columns):
        for may_shorten in (False, True):
            for n_keys in range(1, len(keys) + 1):
                drawn = _below_shared(columns, n_keys, links, screen, answer, may_shorten)
                if drawn is not None:
                    return drawn
    shown = [column for column in columns if column.is_answer]
    left_out = [column.name for column in columns if not column.is_answer]
    if any(column.is_task for column in columns):
        rows = _with_names(shown[len(keys) :], len(links), screen)
        return _below(keys, rows, screen), left_out
    return _upright(shown, links, screen), left_out


def _below_shared(
    columns: Sequence[DrawnColumn],
    n_keys: int,
    links: Sequence[str | None],
    screen: Screen,
    answer: AnswerColumns,
    may_shorten: bool,
) -> tuple[str, list[str]] | None:
    """Draw a table without its first columns, which are above the rows; None if it is too wide."""
    keys, rest = columns[:n_keys], columns[n_keys:]
    for indent in _INDENTS:
        widths = widths_of(rest, screen.width - indent, answer)
        if widths is not None and (may_shorten or not is_tight(rest, widths)):
            places = sorted(widths)
            shown = [rest[place] for place in places]
            lines = table_lines(shown, [widths[place] for place in places], links, screen)
            head, *rows = (" " * indent + line for line in lines)
            left_out = [column.name for place, column in enumerate(rest) if place not in widths]
            return head + _below(keys, rows, screen), left_out
    return None


def _is_key(column: DrawnColumn) -> bool:
    return column.is_answer and column.kind is Kind.TEXT and not column.is_task


def _below(keys: Sequence[DrawnColumn], rows: Sequence[str], screen: Screen) -> str:
    """Write what rows share above them."""
    drawn = []
    for shared, places in groupby(range(len(rows)), lambda row: [key.texts[row] for key in keys]):
        values = [replace(key, texts=(text,)) for key, text in zip(keys, shared, strict=True)]
        drawn += [paragraph(values, screen), *(rows[place] for place in places)]
    return "".join(drawn)


def _with_names(columns: Sequence[DrawnColumn], n_rows: int, screen: Screen) -> list[str]:
    """Write each row as ``A: value  B: value``, as many beside each other as fit."""
    room = screen.width - GAP
    texts_of = [
        column.fitted(max(room - width_of(column.name) - 2, NARROWEST)) for column in columns
    ]
    drawn = []
    for row in range(n_rows):
        pairs = [
            (f"{column.name}: {texts[row]}", column.is_task)
            for column, texts in zip(columns, texts_of, strict=True)
        ]
        widest = max(width_of(pair) for pair, is_task in pairs if is_task)
        padded = [
            pair + " " * (widest - width_of(pair)) if is_task else pair for pair, is_task in pairs
        ]
        lines = wrapped(padded, room).splitlines()
        drawn.append("".join(f"{' ' * GAP}{line.rstrip()}\n" for line in lines))
    return drawn


def _upright(columns: Sequence[DrawnColumn], links: Sequence[str | None], screen: Screen) -> str:
    """Draw each row as ``name  value`` lines, with an empty line between two rows."""
    widest = max((width_of(column.name) for column in columns), default=0)
    room = max(screen.width - widest - GAP, NARROWEST)
    texts_of = [column.texts if column.is_whole else column.fitted(room) for column in columns]
    records = []
    for number, link in enumerate(links):
        lines = []
        for column, texts in zip(columns, texts_of, strict=True):
            name = column.name + " " * (widest - width_of(column.name))
            text = texts[number]
            text = with_link(text, link, screen) if column.is_link else text
            lines.append(f"{marked(name, '2', screen)}  {text}\n")
        records.append("".join(lines))
    return "\n".join(records)
