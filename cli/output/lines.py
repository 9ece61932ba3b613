"""The formats with one line per row: CSV, TSV, JSON and JSON lines.

DuckDB writes the lines, nearly as fast as its own COPY. COPY itself is not used, because DuckDB is
not allowed to write files here; Arrow's writers are not, because a query starts faster without
pyarrow.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from typing import BinaryIO, Final

from clearml_snapshot.cli.output.rows import SafeRows, without_keys
from clearml_snapshot.exporter.own_keys import scrub, scrub_json
from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.exporter.unseen import as_escape, as_json, has_unseen, spelled_out
from clearml_snapshot.queries.result import Column, Kind
from clearml_snapshot.queries.result import text as text_of

Change = Callable[[str], str]

_IN_TEXTS: Final = frozenset({Kind.TEXT, Kind.JSON})
"""The kinds that can contain any character; the others contain digits, signs and a few letters."""


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """What DuckDB writes for a row, and how its lines are changed afterwards."""

    header: str = ""
    """Before the first line; ``empty`` replaces it in an answer without rows."""
    between: str = "\n"
    footer: str = "\n"
    empty: str
    """The complete output for an answer without rows."""
    around: tuple[str, str, str]
    """The texts before, between and after the cells of a line."""
    keys: Sequence[str] | None = None
    """The text before each cell."""
    cell: Callable[[Kind, str], str]
    """Turns the SQL of a cell's text into the SQL of the cell."""
    null: str
    """A cell that is NULL."""
    mend: Change | None = None
    """Changes a line with control characters or invisible ones; None leaves it as it is."""
    scrub: Change = scrub
    """Removes this process's credentials from a line."""


def write_csv(rows: SafeRows, sink: BinaryIO) -> None:
    """Write comma-separated values with a header, quoted as RFC 4180 says, lines end in LF."""
    _write(_separated(rows, ","), rows, sink)


def write_tsv(rows: SafeRows, sink: BinaryIO) -> None:
    """Write tab-separated values; a text with a tab or a line break is quoted as in csv."""
    _write(_separated(rows, "\t"), rows, sink)


def write_json(rows: SafeRows, sink: BinaryIO) -> None:
    """Write one array of objects, one object per line."""
    _write(_objects(rows, header="[\n", between=",\n", footer="\n]\n", empty="[]\n"), rows, sink)


def write_jsonl(rows: SafeRows, sink: BinaryIO) -> None:
    """Write one object per line."""
    _write(_objects(rows, empty=""), rows, sink)


def _write(form: _Lines, rows: SafeRows, sink: BinaryIO) -> None:
    batches = rows.lines(_expression(form, rows))
    first = list(islice(batches, 1))  # runs the query, which may fail, before anything is written
    if not first:
        sink.write(form.empty.encode())
        return
    before = form.header
    for lines in chain(first, batches):
        safe = list(_mended(form, without_keys(lines, form.scrub)))
        sink.write((before + form.between.join(safe)).encode())
        before = form.between
    sink.write(form.footer.encode())


def _mended(form: _Lines, lines: Sequence[str]) -> Iterator[str]:
    if form.mend is None or not has_unseen("".join(lines)):
        return iter(lines)
    return map(form.mend, lines)


_FEW: Final = 50
"""The largest number of columns of one type that each have an SQL expression of their own.

For 100,000 rows of 10 texts that takes 0.13 s as CSV and a list 0.19 s; with 100 columns both take
the same time.
"""


def _expression(form: _Lines, rows: SafeRows) -> str:
    """Write the SQL of a line; concat is one step, a chain of || is one step per cell.

    DuckDB compares the expressions of a statement with each other, so its time would grow with the
    square of their number. Many columns of one type are therefore a list, whose elements share one
    expression.
    """
    before, separator, after = form.around
    keys = form.keys or [""] * len(rows.columns)
    columns = [
        (column, sql_value((separator if at else before) + key), f"c{at}")
        for at, (column, key) in enumerate(zip(rows.columns, keys, strict=True))
    ]
    parts: list[str] = []
    for _, group in groupby(columns, key=lambda each: each[0].type):
        alike = list(group)
        parts += _together(form, alike) if len(alike) > _FEW else _one_by_one(form, alike)
    return f"concat({', '.join([*parts, sql_value(after)])})"


_Numbered = Sequence[tuple[Column, str, str]]
"""Columns, each with the SQL of the text before it and of its value."""


def _one_by_one(form: _Lines, columns: _Numbered) -> Iterator[str]:
    for column, opening, value in columns:
        yield opening
        yield _cell(form, column, value)


def _together(form: _Lines, columns: _Numbered) -> Iterator[str]:
    openings, values = (", ".join(texts) for texts in list(zip(*columns, strict=True))[1:])
    one = f"concat([{openings}][place], {_cell(form, columns[0][0], 'one')})"
    yield f"array_to_string(list_transform([{values}], lambda one, place: {one}), '')"


def _cell(form: _Lines, column: Column, value: str) -> str:
    text = form.cell(column.kind, text_of(column.kind, column.type, value))
    return f"coalesce({text}, {sql_value(form.null)})"


def _separated(rows: SafeRows, separator: str) -> _Lines:
    """Describe lines in which NULL is empty and an empty text is ``""``, as PostgreSQL writes."""
    names = separator.join(_field(column.name, separator) for column in rows.columns) + "\n"
    needs_quotes = sql_value(_EDGES_OR.replace("SEPARATOR", separator))

    def cell(kind: Kind, text: str) -> str:
        if kind not in _IN_TEXTS:
            return text
        quoted = _quoted(f"""replace({text}, '"', '""')""")
        return f"CASE WHEN regexp_matches({text}, {needs_quotes}) THEN {quoted} ELSE {text} END"

    def mend(line: str) -> str:
        return spelled_out(line, lambda char: char if char == separator else as_escape(char))

    return _Lines(
        header=names,
        empty=names,
        around=("", separator, ""),
        cell=cell,
        null="" if len(rows.columns) > 1 else '""',
        mend=mend if rows.for_screen else None,
    )


_SPACE: Final = r"[\s\v\x1c-\x1f\x{85}\pZ]"
_EDGES_OR: Final = rf'^$|^{_SPACE}|{_SPACE}$|[SEPARATOR"\n\r]'
"""Finds a text that needs quotes, in the syntax of RE2."""


def _field(text: str, separator: str) -> str:
    needs_quotes = not text or text != text.strip() or any(c in text for c in (separator, '"'))
    if needs_quotes or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _quoted(text: str) -> str:
    """Write the SQL of a text in quotes; NULL stays NULL, which concat alone would omit."""
    return f"""CASE WHEN {text} IS NOT NULL THEN concat('"', {text}, '"') END"""


def _objects(
    rows: SafeRows, *, empty: str, header: str = "", between: str = "\n", footer: str = "\n"
) -> _Lines:
    names = (json.dumps(column.name, ensure_ascii=False) for column in rows.columns)
    return _Lines(
        header=header,
        between=between,
        footer=footer,
        empty=empty,
        around=("{", ", ", "}"),
        keys=[f"{name}: " for name in names],
        cell=_json_cell,
        null="null",
        mend=partial(spelled_out, spell=_json_escape),
        scrub=scrub_json,
    )


def _json_cell(kind: Kind, text: str) -> str:
    if kind is Kind.DOUBLE:
        nonfinite = f"suffix({text}, 'N') OR suffix({text}, 'y')"
        return f"CASE WHEN {nonfinite} THEN {_quoted(text)} ELSE {text} END"
    if kind in (Kind.TEXT, Kind.TIME):
        has_marks = rf"""contains({text}, '\') OR contains({text}, '"')"""
        escaped = rf"""replace(replace({text}, '\', '\\'), '"', '\"')"""
        return _quoted(f"CASE WHEN {has_marks} THEN {escaped} ELSE {text} END")
    return text


_SHORT: Final = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _json_escape(character: str) -> str:
    return _SHORT.get(character) or as_json(character)
