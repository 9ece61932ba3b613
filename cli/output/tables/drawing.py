"""Draws the parts of a table: its lines, the lines above it, colours and links."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.cli.output.tables.columns import DrawnColumn, width_of
from clearml_snapshot.cli.output.tables.fit import GAP
from clearml_snapshot.cli.output.tables.shorten import shortened

_LINES_ABOVE: Final = 6
"""Lines that details with one value may take above a table."""


@dataclass(frozen=True)
class Screen:
    """The terminal that a table is drawn for."""

    width: int
    """Columns; 0 means that nothing is shortened or left out."""
    colours: bool
    links: bool
    lines: int = 0
    """If one row needs more lines than this, they are beside each other; 0 means no limit."""


def paragraph(columns: Sequence[DrawnColumn], screen: Screen) -> str:
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
    return f"{marked(f'{name}:', '2', screen)} {value}" if value else marked(name, "2", screen)


def table_lines(
    columns: Sequence[DrawnColumn],
    widths: Sequence[int],
    links: Sequence[str | None],
    screen: Screen,
) -> list[str]:
    """Draw a table: a line with the heads, and one per row.

    Args:
        columns: those that are shown.
        widths: their widths.
        links: the address of each row's page.
        screen: the terminal.
    """
    cells = [
        _cells(column, width, links, screen) for column, width in zip(columns, widths, strict=True)
    ]
    return [f"{(' ' * GAP).join(line).rstrip()}\n" for line in zip(*cells, strict=True)]


def _cells(
    column: DrawnColumn, width: int, links: Sequence[str | None], screen: Screen
) -> Iterator[str]:
    """Yield the head and the cells of a column, each as wide as the column."""
    head = column.short_head(width)
    yield _padded(head, width, column, marked(head, "1", screen))
    for text, link in zip(column.fitted(width), links, strict=True):
        yield _padded(text, width, column, with_link(text, link, screen) if column.is_link else "")


def _padded(text: str, width: int, column: DrawnColumn, with_marks: str = "") -> str:
    spaces = " " * (width - width_of(text))
    shown = with_marks or text
    return spaces + shown if column.is_number else shown + spaces


def wrapped(texts: Sequence[str], width: int) -> str:
    """Write texts beside each other in lines that fit, each of them on one line."""
    lines: list[str] = []
    for text in texts:
        longer = f"{lines[-1]}{' ' * GAP}{text}" if lines else text
        if lines and width_of(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(text)
    return "".join(f"{line}\n" for line in lines)


def marked(text: str, codes: str, screen: Screen) -> str:
    """Give a text a colour or weight, if the terminal shows them."""
    return f"\x1b[{codes}m{text}\x1b[0m" if screen.colours and text else text


def with_link(text: str, link: str | None, screen: Screen) -> str:
    """Let a text lead to an address, if the terminal shows links."""
    return f"\x1b]8;;{link}\x1b\\{text}\x1b]8;;\x1b\\" if screen.links and link else text
