r"""Writes tables for an issue, a README or a paper: Markdown and LaTeX, with few digits.

A double has four significant digits, an id its first eight characters, and a mean and its deviation
are one column. Of a query's answer only the columns that it declares are written, unless others
were chosen; addresses never are, except if they were chosen by name. What all rows share is a
caption instead of columns: a line ``Table: …`` in Markdown, which Pandoc makes a caption, and a
comment with ``\caption`` in LaTeX, to be moved into the environment of the table.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.spread import NULL, with_spread
from clearml_snapshot.cli.output.tables.kept import KeptCells, kept_cells
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.result import Kind, Value

_DIGITS: Final = 4
_WHOLE: Final = 1000
"""From this size on, a double has no decimals."""
_POWERS: Final = 1e15
"""From this size on, a double is written with a power of ten."""
_PLAIN_NUMBER: Final = re.compile(r"(\$?-?)(\d+(?:\.\d+)?)(\$?)")
"""A cell without a power of ten; in LaTeX in math mode."""
_ADDRESS: Final = "web_url"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_ID_WIDTH: Final = 8


@dataclass(frozen=True)
class _PaperColumn:
    name: str
    is_number: bool
    place: int
    spread: int | None = None
    """The place of the standard deviation that belongs to this mean."""
    may_be_shared: bool = False
    """It is not in the table if all rows have the same value, as on a terminal."""
    is_measured: bool = False
    """Its cells are doubles, all of which have four digits if one of them does."""


def write_markdown(rows: SafeRows, sink: BinaryIO) -> None:
    """Write a table for an issue or a README; numbers are aligned right."""
    with _table(rows, _markdown) as table:
        if table.shared:
            sink.write(f"Table: {table.caption}\n\n".encode())
        marks = ["--:" if column.is_number else ":--" for column in table.columns]
        heads = [_markdown(column.name) for column in table.columns]
        for cells in chain([heads, marks], table.rows):
            sink.write(f"| {' | '.join(cells)} |\n".encode())


def write_latex(rows: SafeRows, sink: BinaryIO) -> None:
    r"""Write a table for a paper, with the rules of the package booktabs."""
    with _table(rows, _latex) as table:
        kinds = "".join("r" if column.is_number else "l" for column in table.columns)
        heads = [_latex(column.name) for column in table.columns]
        sink.write(b"% \\usepackage{booktabs}\n")
        if table.shared:
            sink.write(f"% \\caption{{{table.caption}}}\n".encode())
        sink.write(f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n".encode())
        sink.write(f"{' & '.join(heads)} \\\\\n\\midrule\n".encode())
        for cells in table.rows:
            sink.write(f"{' & '.join(cells)} \\\\\n".encode())
        sink.write(b"\\bottomrule\n\\end{tabular}\n")


def comments(lines: Iterable[str], form: str) -> bytes:
    """Write notes on an answer so that they are in the file, but not in what is made of it.

    Args:
        lines: the notes.
        form: ``markdown`` or ``latex``.
    """
    shown = [" ".join(printable(line).split()) for line in lines]
    if not shown:
        return b""
    if form == "latex":
        return "".join(f"% {line}\n" for line in shown).encode()
    text = "\n".join(shown).replace("-->", "-- >").replace("--!>", "--! >")
    return f"\n<!--\n{text}\n-->\n".encode()


def left_out(rows: SafeRows) -> tuple[list[str], str]:
    """List the columns of an answer that these formats do not write, and say how to get them."""
    columns = _columns(rows)
    written = {place for column in columns for place in (column.place, column.spread)}
    names = [column.name for place, column in enumerate(rows.columns) if place not in written]
    others = [name for name in names if name != _ADDRESS]
    return names, "use --columns or --wide" if names == others else "use --columns"


def sensible(value: float) -> str:
    """Write a double with four significant digits; a large one without decimals."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if _WHOLE <= abs(value) < _POWERS:
        return f"{value:.0f}"
    return f"{value:.{_DIGITS}g}"


_Escape = Callable[[str], str]


@dataclass(frozen=True)
class _Table:
    """A table that is ready to be written."""

    columns: Sequence[_PaperColumn]
    rows: Iterable[Sequence[str]]
    shared: Sequence[tuple[str, str]] = ()
    """The names and the values of columns that are not in the table, escaped."""

    @property
    def caption(self) -> str:
        """What all rows share."""
        return "; ".join(f"{name}: {value}" for name, value in self.shared)


@contextmanager
def _table(rows: SafeRows, escape: _Escape) -> Iterator[_Table]:
    """Run the query, which may fail, before anything is written, and find what all rows share."""
    columns = _columns(rows)
    movable = [place for place, column in enumerate(columns) if column.may_be_shared]
    measured = [place for place, column in enumerate(columns) if column.is_measured]
    with kept_cells() as kept:
        first_row: Sequence[Value] | None = None
        shared: Collection[int] = ()
        padded: set[int] = set()
        for row in rows:
            cells = _texts(columns, row, escape)
            kept.add(cells)
            padded |= {at for at in measured if at not in padded and _has_every_digit(cells[at])}
            if first_row is None:
                first_row = row
                continue
            places = [(at, columns[at].place) for at in movable]
            movable = [at for at, place in places if row[place] == first_row[place]]
            shared = movable[1:] if len(movable) == len(columns) else movable
        yield _without(shared, padded, columns, kept, escape)


def _has_every_digit(cell: str) -> bool:
    """Return whether a number has decimals and as many digits as ``sensible`` writes."""
    number = _PLAIN_NUMBER.fullmatch(cell)
    return number is not None and "." in cell and _n_digits(number[2]) >= _DIGITS


def _padded(cell: str) -> str:
    """Write the zeros at the end of a number that ``sensible`` leaves out: 0.9150 and not 0.915."""
    number = _PLAIN_NUMBER.fullmatch(cell)
    missing = 0 if number is None else _DIGITS - _n_digits(number[2])
    if number is None or missing <= 0 or missing == _DIGITS:
        return cell
    point = "" if "." in number[2] else "."
    return f"{number[1]}{number[2]}{point}{'0' * missing}{number[3]}"


def _n_digits(number: str) -> int:
    return len(number.replace(".", "").lstrip("0"))


def _without(
    shared: Collection[int],
    padded: Collection[int],
    columns: Sequence[_PaperColumn],
    kept: KeptCells,
    escape: _Escape,
) -> _Table:
    """Take the columns out of the table that all rows share."""
    first = next(iter(kept), [])
    left = [place for place in range(len(columns)) if place not in shared]
    return _Table(
        [columns[place] for place in left],
        (
            [_padded(cells[place]) if place in padded else cells[place] for place in left]
            for cells in kept
        ),
        [(escape(columns[place].name), first[place] or escape(NULL)) for place in shared],
    )


def _columns(rows: SafeRows) -> list[_PaperColumn]:
    """Choose the columns.

    Those with one value may go above the table unless columns were chosen, or all of them; the
    values that are compared, which are doubles, and tasks never do.
    """
    answer = rows.answer
    stays = {label for label, _ in answer.legend}
    may_be_shared = bool(answer.names) and not answer.are_exact and not rows.is_complete
    names = [column.name for column in rows.columns]
    spreads = {mean: std for mean, std in answer.spreads if {mean, std} <= {*names}}
    columns = []
    for place, column in enumerate(rows.columns):
        is_declared = column.name in answer.names or rows.is_complete or not answer.names
        is_address = column.name == _ADDRESS and bool(answer.names) and not answer.are_exact
        if not is_declared or is_address or column.name in spreads.values():
            continue
        std = spreads.get(column.name)
        columns.append(
            _PaperColumn(
                column.name if std is None else f"{column.name} ± {std}",
                column.kind.is_number,
                place,
                None if std is None else names.index(std),
                may_be_shared and column.kind is not Kind.DOUBLE and column.name not in stays,
                column.kind is Kind.DOUBLE and std is None,
            )
        )
    return columns


def _texts(columns: Sequence[_PaperColumn], row: Sequence[Value], escape: _Escape) -> list[str]:
    cells = []
    for column in columns:
        cell, std = row[column.place], None if column.spread is None else row[column.spread]
        text = _text(cell) if std is None else with_spread(cell, std)
        is_number = column.is_number and escape is _latex and cell is not None
        cells.append(_latex_number(text) if is_number else escape(text))
    return cells


def _text(cell: Value) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return sensible(cell)
    text = str(cell)
    return text[:_ID_WIDTH] if _ID.fullmatch(text) else text


_BREAK: Final = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_LAST_BREAK: Final = re.compile(f"(?:{_BREAK.pattern})\\Z")


def _markdown(text: str) -> str:
    """Escape what would end a cell; line breaks are written as Markdown does, without the last."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return printable(_BREAK.sub("<br>", _LAST_BREAK.sub("", escaped)))


_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    # After \\ these would be an argument or a star of that command.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Two of them in a row would become another character.
    "-": "-{}",
    "'": "'{}",
    "±": r"$\pm$",
    "–": r"\textendash{}",
    "…": r"\dots{}",
}
"""Characters that LaTeX interprets, and what prints them."""
_LATEX_SPECIAL: Final = re.compile(
    f"-(?=-)|'(?=')|[{re.escape(''.join(char for char in _LATEX if char not in '-' + chr(39)))}]"
)
_EXPONENT: Final = re.compile(r"([\d.]+)e([+-]?)0*(\d+)")


def _latex(text: str) -> str:
    r"""Write a text so that LaTeX prints it and executes nothing; an empty cell stays empty."""
    return _LATEX_SPECIAL.sub(lambda match: _LATEX[match[0]], printable(text))


def _latex_number(text: str) -> str:
    r"""Write a number in math mode, for its sign and its power of ten."""
    power = r"\1 \\cdot 10^{\g<2>\g<3>}"
    signed = _EXPONENT.sub(power, text).replace("10^{+", "10^{")
    signed = signed.replace("Infinity", r"\infty").replace("∞", r"\infty").replace("±", r"\pm")
    return f"${signed.replace('NaN', _NAN)}$"


_NAN: Final = r"\mathrm{NaN}"
