"""Writes one value of a table for reading: few digits of a number, the beginning of an id."""

import json
import math
import re
from collections.abc import Sequence
from typing import Final

from clearml_snapshot.cli.output.spread import DIGITS, NULL, number
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.result import Column, Kind, Value

_TASK_ID: Final = re.compile(r"[0-9a-f]{32}")
_ID_WIDTHS: Final = (8, 12, 16, 32)


def cell_texts(column: Column, cells: Sequence[Value]) -> list[str]:
    """Write the cells of a column so that values that differ also differ as they are written.

    Doubles get more digits, and ids more characters, than usual if some would look the same.
    """
    texts = [display_text(column, cell) for cell in cells]
    if column.kind is Kind.DOUBLE:
        finite = {cell for cell in cells if isinstance(cell, float) and math.isfinite(cell)}
        digits = DIGITS
        while len({number(cell, digits) for cell in finite}) < len(finite):
            digits += 1
        if digits > DIGITS:
            return [
                number(cell, digits) if isinstance(cell, float) else text
                for cell, text in zip(cells, texts, strict=True)
            ]
    if column.kind is Kind.TEXT:
        ids = {cell for cell in cells if isinstance(cell, str) and _TASK_ID.fullmatch(cell)}
        width = next(size for size in _ID_WIDTHS if len({i[:size] for i in ids}) == len(ids))
        if width > _ID_WIDTHS[0]:
            return [
                str(cell)[:width] if cell in ids else text
                for cell, text in zip(cells, texts, strict=True)
            ]
    return texts


def display_text(column: Column, cell: Value) -> str:
    """Shorten one value for reading: 6 digits of a double, 8 of an id, minutes of a time."""
    if cell is None:
        return NULL
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return number(cell)
    text = str(cell)
    if column.kind is Kind.TIME:
        return re.sub(r"T(\d\d:\d\d):[\d.]+", r" \1", text)
    if column.kind is Kind.JSON:
        text = _listed(text)
    return text[: _ID_WIDTHS[0]] if _TASK_ID.fullmatch(text) else printable(text)


def _listed(text: str) -> str:
    """Write a list without JSON syntax."""
    value = json.loads(text)
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(map(str, value))
    return text
