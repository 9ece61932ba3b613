"""Writes tables for an issue, a README or a paper: Markdown and LaTeX, with few digits.

A double has four significant digits, an id its first eight characters, and a mean and its deviation
are one column. Of a query's answer only the columns that it declares are written, unless others
were chosen; addresses never are, except if they were chosen by name.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.spread import with_spread
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.result import Value

_DIGITS: Final = 4
_WHOLE: Final = 1000
"""From this size on, a double has no decimals."""
_POWERS: Final = 1e15
"""From this size on, a double is written with a power of ten."""
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


def write_markdown(rows: SafeRows, sink: BinaryIO) -> None:
    """Write a table for an issue or a README; numbers are aligned right."""
    columns = _columns(rows)
    marks = ["--:" if column.is_number else ":--" for column in columns]
    heads = [_markdown(column.name) for column in columns]
    body = (_texts(columns, row, _markdown) for row in rows)
    for cells in _with_head([heads, marks], body):
        sink.write(f"| {' | '.join(cells)} |\n".encode())


def write_latex(rows: SafeRows, sink: BinaryIO) -> None:
    r"""Write a table for a paper, with the rules of the package booktabs."""
    columns = _columns(rows)
    kinds = "".join("r" if column.is_number else "l" for column in columns)
    body = _with_head(
        [[_latex(column.name) for column in columns]],
        (_texts(columns, row, _latex) for row in rows),
    )
    sink.write(f"% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{kinds}}}\n\\toprule\n".encode())
    for number, cells in enumerate(body):
        sink.write(f"{' & '.join(cells)} \\\\\n".encode())
        if number == 0:
            sink.write(b"\\midrule\n")
    sink.write(b"\\bottomrule\n\\end{tabular}\n")


def left_out(rows: SafeRows) -> list[str]:
    """Name the columns of an answer that these formats do not write."""
    columns = _columns(rows)
    written = {place for column in columns for place in (column.place, column.spread)}
    return [column.name for place, column in enumerate(rows.columns) if place not in written]


def sensible(value: float) -> str:
    """Write a double with four significant digits; a large one without decimals."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if _WHOLE <= abs(value) < _POWERS:
        return f"{value:.0f}"
    return f"{value:.{_DIGITS}g}"


def _with_head(head: Sequence[Sequence[str]], body: Iterator[list[str]]) -> Iterator[Sequence[str]]:
    """Run the query, which may fail, before anything is written."""
    first = next(body, None)
    yield from head
    if first is not None:
        yield first
        yield from body


def _columns(rows: SafeRows) -> list[_PaperColumn]:
    answer = rows.answer
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
            )
        )
    return columns


def _texts(
    columns: Sequence[_PaperColumn], row: Sequence[Value], escape: Callable[[str], str]
) -> list[str]:
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
