"""Draws rows for a terminal: as a table that fits, or upright; names are escaped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from clearml_snapshot.cli.output.formats import plain
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables.cells import display_text
from clearml_snapshot.cli.output.tables.columns import (
    LINK_COLUMN,
    NARROWEST,
    DrawnColumn,
    drawn_columns,
    needs_of,
    width_of,
    with_letters,
)
from clearml_snapshot.cli.output.tables.fit import GAP, fit, fit_alike
from clearml_snapshot.cli.output.tables.shorten import shortened
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.ask.answer_columns import EVERY_COLUMN, AnswerColumns
from clearml_snapshot.queries.result import Kind, Value

_LINKED: Final = ("task_id", "task")
"""The columns whose cell carries the row's link; the first that is present."""
_LINES_ABOVE: Final = 6
"""Lines that details with one value may take above a table."""


@dataclass(frozen=True)
class Screen:
    """The terminal that the table is drawn for."""

    width: int
    """Columns; 0 means that nothing is shortened or left out."""
    colours: bool
    links: bool
    lines: int = 0
    """If one row needs more lines than this, they are beside each other; 0 means no limit."""


@dataclass(frozen=True)
class Drawing:
    """The rendered result."""

    text: str
    left_out: tuple[str, ...] = ()
    """Columns that did not fit."""


def draw_lines(rows: SafeRows, row: Sequence[Value], screen: Screen) -> Drawing:
    """Draw one row as ``name  value`` lines; texts and doubles are not shortened."""
    link = _link(rows, row)
    widest = max(len(printable(column.name)) for column in rows.columns)
    lines = []
    for column, cell in zip(rows.columns, row, strict=True):
        name = printable(column.name).ljust(widest)
        text = plain(cell) if isinstance(cell, float) else display_text(column, cell)
        width = width_of(f"{name}  {text}")
        name = _marked(name, "2", screen)
        text = _marked(text, "1", screen) if column.name == "value" else text
        if column.name in (*_LINKED, LINK_COLUMN):
            text = _with_link(text, link, screen)
        lines.append((width, f"{name}  {text}"))
    return Drawing("".join(f"{line}\n" for line in _beside_each_other(lines, screen)))


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
    the answer's columns still do not fit, each row is drawn upright.
    """
    columns = drawn_columns(rows, shown, answer, hide_link=screen.links and _has_linked(rows))
    links = [_link(rows, row) if screen.links else None for row in shown]
    if not screen.width:
        return Drawing(_table(columns, [column.natural for column in columns], links, screen))
    columns, above, left_out = _lift(columns, screen, answer)
    heading = _paragraph(above, screen)
    widths = _widths(columns, screen, answer)
    if answer.legend and _is_tight(columns, widths):
        lettered, legend = with_letters(columns, answer.legend)
        narrower = _widths(lettered, screen, answer)
        if narrower is not None:
            columns, widths = lettered, narrower
            heading += "".join(f"{line}\n" for line in legend)
    if widths is None:
        left_out += [column.name for column in columns if not column.is_answer]
        upright = [column for column in columns if column.is_answer]
        return Drawing(heading + _upright(upright, links, screen, bool(heading)), tuple(left_out))
    left_out += [column.name for place, column in enumerate(columns) if place not in widths]
    places = sorted(widths)
    text = _table([columns[p] for p in places], [widths[p] for p in places], links, screen)
    return Drawing(f"{heading}\n{text}" if heading else text, tuple(left_out))


def _lift(
    columns: list[DrawnColumn], screen: Screen, answer: AnswerColumns
) -> tuple[list[DrawnColumn], list[DrawnColumn], list[str]]:
    """Take the columns with one value out of the table.

    Numbers of the answer stay, because they are compared. Without declared columns, as of ``sql``,
    all stay where they are if there is room.

    Returns:
        The other columns, the ones for the lines above, and the names of those that are left out.
    """
    fits = sum(column.natural + GAP for column in columns) - GAP <= screen.width
    if answer.are_exact or (fits and not answer.names):
        return columns, [], []
    constant = [column for column in columns if column.is_constant and not _stays(column)]
    if len(constant) == len(columns):
        constant = constant[1:]
    above = [column for column in constant if _is_told(column, answer)]
    left_out: list[str] = []
    for column in constant:
        if column in above or column.is_empty:
            continue
        most = max(1, _paragraph(above, replace(screen, colours=False)).count("\n"))
        longer = _paragraph([*above, column], replace(screen, colours=False))
        if longer.count("\n") <= most and not left_out:
            above.append(column)
        else:
            left_out.append(column.name)
    return [column for column in columns if column not in constant], above, left_out


def _is_told(column: DrawnColumn, answer: AnswerColumns) -> bool:
    """Return whether a column with one value must be above; one without any value need not be."""
    return not answer.names or (column.is_answer and not column.is_empty)


def _stays(column: DrawnColumn) -> bool:
    return column.is_answer and column.kind is Kind.DOUBLE and not column.is_empty


def _widths(
    columns: Sequence[DrawnColumn], screen: Screen, answer: AnswerColumns
) -> dict[int, int] | None:
    """Compute the width of each column that is shown, by its place."""
    needs = needs_of(columns, answer)
    if not answer.names:
        return fit_alike(needs, screen.width)
    last = [(each.name == LINK_COLUMN, each.kind is Kind.TIME) for each in columns]
    order = sorted(range(len(columns)), key=lambda at: (last[at], at))
    widths = fit([needs[place] for place in order], screen.width)
    return None if widths is None else {order[at]: width for at, width in widths.items()}


def _is_tight(columns: Sequence[DrawnColumn], widths: dict[int, int] | None) -> bool:
    """Return whether a text of the answer would be shortened."""
    return widths is None or any(
        column.is_answer and widths[place] < column.cells_width
        for place, column in enumerate(columns)
    )


def _paragraph(columns: Sequence[DrawnColumn], screen: Screen) -> str:
    """Write columns with one value as ``name: value`` in lines that fit."""
    lines: list[list[tuple[str, str]]] = []
    room = 0
    for number, column in enumerate(columns):
        name = column.name
        value = shortened([column.texts[0]], max(screen.width - width_of(name) - 2, 12))[0]
        needed = width_of(name) + 2 + width_of(value)
        if not lines or needed + GAP > room:
            if len(lines) == _LINES_ABOVE:
                lines.append([(f"and {len(columns) - number} more with one value each", "")])
                break
            lines.append([])
            room = screen.width + GAP
        lines[-1].append((name, value))
        room -= needed + GAP
    return "".join(f"{'  '.join(_pair(*pair, screen) for pair in line)}\n" for line in lines)


def _pair(name: str, value: str, screen: Screen) -> str:
    return f"{_marked(f'{name}:', '2', screen)} {value}" if value else _marked(name, "2", screen)


def _table(
    columns: Sequence[DrawnColumn],
    widths: Sequence[int],
    links: Sequence[str | None],
    screen: Screen,
) -> str:
    cells = [
        _cells(column, width, links, screen) for column, width in zip(columns, widths, strict=True)
    ]
    lines = (" " * GAP).join, zip(*cells, strict=True)
    return "".join(f"{lines[0](line).rstrip()}\n" for line in lines[1])


def _cells(
    column: DrawnColumn, width: int, links: Sequence[str | None], screen: Screen
) -> Iterator[str]:
    """Yield the head and the cells of a column, each as wide as the column."""
    head = column.short_head(width)
    yield _padded(head, width, column, _marked(head, "1", screen))
    texts = shortened(column.texts, width)
    for text, link in zip(texts, links, strict=True):
        yield _padded(text, width, column, _with_link(text, link, screen) if column.is_link else "")


def _padded(text: str, width: int, column: DrawnColumn, marked: str = "") -> str:
    spaces = " " * (width - width_of(text))
    shown = marked or text
    return spaces + shown if column.is_number else shown + spaces


def _upright(
    columns: Sequence[DrawnColumn], links: Sequence[str | None], screen: Screen, below: bool
) -> str:
    """Draw each row as ``name  value`` lines, with an empty line between two rows."""
    widest = max((width_of(column.name) for column in columns), default=0)
    room = max(screen.width - widest - GAP, NARROWEST)
    texts_of = [
        column.texts if column.is_whole else shortened(column.texts, room) for column in columns
    ]
    records = []
    for number, link in enumerate(links):
        lines = []
        for column, texts in zip(columns, texts_of, strict=True):
            name = column.name + " " * (widest - width_of(column.name))
            text = texts[number]
            text = _with_link(text, link, screen) if column.is_link else text
            lines.append(f"{_marked(name, '2', screen)}  {text}\n")
        records.append("".join(lines))
    return ("\n" if below else "") + "\n".join(records)


def _marked(text: str, codes: str, screen: Screen) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if screen.colours and text else text


def _with_link(text: str, link: str | None, screen: Screen) -> str:
    return f"\x1b]8;;{link}\x1b\\{text}\x1b]8;;\x1b\\" if screen.links and link else text


def _has_linked(rows: SafeRows) -> bool:
    return any(column.name in _LINKED for column in rows.columns)


def _link(rows: SafeRows, row: Sequence[Value]) -> str | None:
    """Find the row's web page; an address with control characters is ignored."""
    for column, cell in zip(rows.columns, row, strict=True):
        if column.name == LINK_COLUMN and isinstance(cell, str):
            safe = cell.startswith(("https://", "http://")) and printable(cell) == cell
            return cell if safe else None
    return None
