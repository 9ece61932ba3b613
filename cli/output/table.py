"""Renders a result as a table that fits the terminal; names are escaped."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.formats import plain
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.result import Column, Kind, Value

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

LINK_COLUMN: Final = "web_url"
_LINKED: Final = ("task_id", "task")
"""The columns whose cell carries the row's link; the first that is present."""
_TASK_ID: Final = re.compile(r"[0-9a-f]{32}")
_NARROWEST: Final = 14
"""A text column is never narrower than this, unless its texts are shorter."""
_WIDEST: Final = 48
_NONFINITE: Final = {"nan": "NaN", "inf": "∞", "-inf": "-∞"}
GAP: Final = 2


@dataclass(frozen=True)
class Screen:
    """The terminal that the table is drawn for."""

    width: int
    """Columns."""
    colours: bool
    links: bool


@dataclass(frozen=True)
class Drawing:
    """The rendered result."""

    text: str
    left_out: tuple[str, ...] = ()
    """Columns that did not fit."""


def display_text(column: Column, cell: Value) -> str:
    """Shorten one value for reading: 6 digits of a double, 8 of an id, minutes of a time."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.6g}" if math.isfinite(cell) else _NONFINITE[str(cell)]
    text = str(cell)
    if column.kind is Kind.TIME:
        return re.sub(r"T(\d\d:\d\d):[\d.]+", r" \1", text)
    if column.kind is Kind.JSON:
        text = _listed(text)
    return text[:8] if _TASK_ID.fullmatch(text) else printable(text)


def _listed(text: str) -> str:
    """Write a list of texts without JSON syntax."""
    value = json.loads(text)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return text


def draw_lines(rows: SafeRows, row: Sequence[Value], screen: Screen) -> Drawing:
    """Draw one row as ``name  value`` lines; texts and doubles are not shortened."""
    link = _link(rows, row)
    widest = max(len(printable(column.name)) for column in rows.columns)
    lines = []
    for column, cell in zip(rows.columns, row, strict=True):
        name = printable(column.name).ljust(widest)
        text = plain(cell) if isinstance(cell, float) else display_text(column, cell)
        if screen.colours:
            name = f"\x1b[2m{name}\x1b[0m"
            text = f"\x1b[1m{text}\x1b[0m" if column.name == "value" else text
        if screen.links and link and column.name in (*_LINKED, LINK_COLUMN):
            text = f"\x1b]8;;{link}\x1b\\{text}\x1b]8;;\x1b\\"
        lines.append(f"{name}  {text}\n")
    return Drawing("".join(lines))


def draw_table(rows: SafeRows, shown: Sequence[Sequence[Value]], screen: Screen) -> Drawing:
    """Draw the rows as a table; columns that do not fit are omitted from the right, and named."""
    from rich.cells import cell_len

    places = _places(rows, screen)
    cells = {
        place: [display_text(rows.columns[place], row[place]) for row in shown] for place in places
    }
    naturals = {
        place: max(map(cell_len, [printable(rows.columns[place].name), *cells[place]]))
        for place in places
    }
    empty = {place for place in places if all(row[place] is None for row in shown)}
    widths = _fit(rows, naturals, empty, screen.width)
    left_out = tuple(rows.columns[place].name for place in places if place not in widths)
    return Drawing(_render(rows, shown, cells, widths, screen), left_out)


def _places(rows: SafeRows, screen: Screen) -> list[int]:
    """Choose the columns: if the terminal supports links, the link is attached to another cell."""
    names = [column.name for column in rows.columns]
    behind = screen.links and any(name in names for name in _LINKED)
    return [place for place, name in enumerate(names) if not (behind and name == LINK_COLUMN)]


def _fit(rows: SafeRows, naturals: dict[int, int], empty: set[int], width: int) -> dict[int, int]:
    """Compute the width of each column: numbers and times in full, texts shortened.

    If that does not fit, columns of NULLs are omitted, then times, then the last columns.
    """
    kinds = {place: rows.columns[place].kind for place in naturals}
    widths = {
        place: min(natural, _NARROWEST if kinds[place] in (Kind.TEXT, Kind.JSON) else width)
        for place, natural in naturals.items()
    }

    def worth(place: int) -> tuple[bool, bool, int]:
        return (place not in empty, kinds[place] is not Kind.TIME, -place)

    for place in sorted(naturals, key=worth):
        if len(widths) > 1 and _total(widths) > width:
            del widths[place]
    spare = width - _total(widths)
    for place in sorted(widths, key=lambda place: naturals[place]):
        more = min(spare, min(naturals[place], max(_WIDEST, widths[place])) - widths[place])
        widths[place] += more
        spare -= more
    return widths


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _render(
    rows: SafeRows,
    shown: Sequence[Sequence[Value]],
    cells: dict[int, list[str]],
    widths: dict[int, int],
    screen: Screen,
) -> str:
    from rich.table import Table

    table = Table(
        box=None,
        padding=(0, GAP, 0, 0),
        pad_edge=False,
        header_style="bold" if screen.colours else "",
    )
    for place, width in widths.items():
        column = rows.columns[place]
        table.add_column(
            printable(column.name),
            width=width,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.kind.is_number else "left",
        )
    for number, row in enumerate(shown):
        link = _link(rows, row) if screen.links else None
        table.add_row(*(_cell(rows, place, cells[place][number], link) for place in widths))
    return _printed(table, max(_total(widths) + GAP, 1), screen)


def _printed(table: "Table", width: int, screen: Screen) -> str:
    """Let rich print the table, without the spaces at the ends of lines."""
    import io

    from rich.console import Console

    has_marks = screen.colours or screen.links
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=has_marks,
        color_system="standard" if has_marks else None,
        no_color=not screen.colours,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _cell(rows: SafeRows, place: int, text: str, link: str | None) -> "Text":
    from rich.style import Style
    from rich.text import Text

    names = [column.name for column in rows.columns]
    linked = next((name for name in _LINKED if name in names), None)
    if link and names[place] == linked:
        return Text(text, style=Style(link=link))
    return Text(text)


def _link(rows: SafeRows, row: Sequence[Value]) -> str | None:
    """Find the row's web page; an address with control characters is ignored."""
    for column, cell in zip(rows.columns, row, strict=True):
        if column.name == LINK_COLUMN and isinstance(cell, str):
            safe = cell.startswith(("https://", "http://")) and printable(cell) == cell
            return cell if safe else None
    return None
