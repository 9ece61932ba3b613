"""Draws rows for a terminal: as a table that fits, or one row upright; names are escaped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from clearml_snapshot.cli.output.formats import plain
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables.columns import (
    LINK_COLUMN,
    DrawnColumn,
    drawn_columns,
    is_tight,
    width_of,
    widths_of,
    with_letters,
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
from clearml_snapshot.cli.output.tables.narrow import draw_narrow
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.ask.answer_columns import EVERY_COLUMN, AnswerColumns
from clearml_snapshot.queries.result import Kind, Value

_LINKED: Final = ("task_id", "task")
"""The columns whose cell carries the row's link; the first that is present."""


@dataclass(frozen=True)
class Drawing:
    """The rendered result."""

    text: str
    left_out: tuple[str, ...] = ()
    """Columns that did not fit."""


def draw_lines(
    rows: SafeRows, row: Sequence[Value], screen: Screen, answer: AnswerColumns = EVERY_COLUMN
) -> Drawing:
    """Draw one row as ``name  value`` lines, each value as in a table; texts are not shortened.

    Without declared columns, as of ``sql``, a double has all its digits.
    """
    link = _link(rows, row)
    columns = drawn_columns(rows, [row], answer)
    widest = max(len(column.name) for column in columns)
    room = screen.width - widest - GAP if screen.width else _UNLIMITED
    texts = [(column.fitted(room) if column.is_spark else column.texts)[0] for column in columns]
    if not answer.names:
        exact = zip(row, texts, strict=True)
        texts = [plain(cell) if isinstance(cell, float) else text for cell, text in exact]
    lines = []
    for column, text in zip(columns, texts, strict=True):
        name = column.name.ljust(widest)
        width = width_of(f"{name}  {text}")
        name = marked(name, "2", screen)
        text = marked(text, "1", screen) if column.name == "value" else text
        if column.name in (*_LINKED, LINK_COLUMN):
            text = with_link(text, link, screen)
        lines.append((width, f"{name}  {text}"))
    return Drawing("".join(f"{line}\n" for line in _beside_each_other(lines, screen)))


_UNLIMITED: Final = 1000
"""Columns for a curve if the width of the terminal does not matter."""
_NOTES: Final = 4
"""Lines of the screen that notes and the prompt need."""


def _beside_each_other(lines: Sequence[tuple[int, str]], screen: Screen) -> list[str]:
    """Arrange lines in columns if they are more than the screen has; long lines follow below.

    Args:
        lines: each with its width.
        screen: the terminal.
    """
    room = screen.lines - _NOTES
    every = [text for _, text in lines]
    if not screen.lines or len(lines) <= room:
        return every
    for n_columns in (2, 3, 4):
        most = (screen.width - GAP * 2 * (n_columns - 1)) // n_columns
        short = [line for line in lines if line[0] <= most]
        height = -(-len(short) // n_columns)
        if height + len(lines) - len(short) <= room:
            break
    else:
        return every
    columns = [short[at : at + height] for at in range(0, len(short), height)]
    widths = [max(width for width, _ in column) for column in columns]
    arranged = []
    for number in range(height):
        cells = [
            column[number][1] + " " * (width - column[number][0])
            for column, width in zip(columns, widths, strict=True)
            if number < len(column)
        ]
        arranged.append((" " * GAP * 2).join(cells).rstrip())
    return arranged + [text for width, text in lines if width > most]


def draw_table(
    rows: SafeRows,
    shown: Sequence[Sequence[Value]],
    screen: Screen,
    answer: AnswerColumns = EVERY_COLUMN,
) -> Drawing:
    """Draw the rows as a table that fits the screen.

    A column with one value in all rows becomes a line above the table. Long texts and heads are
    shortened in the middle, then the columns that are not the answer are left out, and named. If
    the answer's columns still do not fit, ``draw_narrow`` draws them.
    """
    columns = drawn_columns(rows, shown, answer, hide_link=screen.links and _has_linked(rows))
    links = [_link(rows, row) if screen.links else None for row in shown]
    if not screen.width:
        return Drawing(_table(columns, [column.natural for column in columns], links, screen))
    columns, above, left_out = _lift(columns, screen, answer)
    heading = paragraph(above, screen)
    widths = widths_of(columns, screen.width, answer)
    if answer.legend and is_tight(columns, widths):
        columns, legend = with_letters(columns, answer.legend)
        widths = widths_of(columns, screen.width, answer)
        heading += wrapped(legend, screen.width)
    if widths is None:
        text, more = draw_narrow(columns, links, screen, answer)
        return Drawing(f"{heading}\n{text}" if heading else text, (*left_out, *more))
    left_out += [column.name for place, column in enumerate(columns) if place not in widths]
    places = sorted(widths)
    text = _table([columns[p] for p in places], [widths[p] for p in places], links, screen)
    return Drawing(f"{heading}\n{text}" if heading else text, tuple(left_out))


def _table(
    columns: Sequence[DrawnColumn],
    widths: Sequence[int],
    links: Sequence[str | None],
    screen: Screen,
) -> str:
    return "".join(table_lines(columns, widths, links, screen))


def _lift(
    columns: list[DrawnColumn], screen: Screen, answer: AnswerColumns
) -> tuple[list[DrawnColumn], list[DrawnColumn], list[str]]:
    """Take the columns with one value out of the table.

    Numbers of the answer and tasks stay, because they are compared. Without declared columns, as of
    ``sql``, all stay where they are if there is room.

    Returns:
        The other columns, the ones for the lines above, and the names of those that are left out.
    """
    fits = sum(column.natural + GAP for column in columns) - GAP <= screen.width
    if answer.are_exact or (fits and not answer.names):
        return columns, [], []
    tasks = {printable(name) for name, _ in answer.legend}
    movable = [column for column in columns if column.name not in tasks and not _stays(column)]
    constant = [column for column in movable if column.is_constant]
    if len(constant) == len(columns):
        constant = constant[1:]
    above = [column for column in constant if _is_told(column, answer)]
    left_out: list[str] = []
    for column in constant:
        if column in above or column.is_empty:
            continue
        most = max(1, paragraph(above, replace(screen, colours=False)).count("\n"))
        longer = paragraph([*above, column], replace(screen, colours=False))
        if longer.count("\n") <= most and not left_out:
            above.append(column)
        else:
            left_out.append(column.name)
    return [column for column in columns if column not in constant], above, left_out


def _is_told(column: DrawnColumn, answer: AnswerColumns) -> bool:
    """Return whether a column with one value must be above; one without any value need not be."""
    return not answer.names or (column.is_answer and not column.is_empty)


def _stays(column: DrawnColumn) -> bool:
    is_number = column.is_answer and column.kind is Kind.DOUBLE
    return column.is_spark or (is_number and not column.is_empty)


def _has_linked(rows: SafeRows) -> bool:
    return any(column.name in _LINKED for column in rows.columns)


def _link(rows: SafeRows, row: Sequence[Value]) -> str | None:
    """Find the row's web page; an address with control characters is ignored."""
    for column, cell in zip(rows.columns, row, strict=True):
        if column.name == LINK_COLUMN and isinstance(cell, str):
            safe = cell.startswith(("https://", "http://")) and printable(cell) == cell
            return cell if safe else None
    return None
