"""Which columns of a query are its answer; the others are details.

A line ``:answer metric, variant, mean ± std, *`` of a query's header names them. ``*`` stands for
the columns that the command makes from names, such as one per hyperparameter. ``±`` joins a mean
and its standard deviation, which tables write together. ``project if by project`` is a column of
the answer only if the parameter ``by`` has the value ``project``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

MADE: Final = "*"
"""Stands for the columns that are made from names."""
_ENTRY: Final = r"(\*|\w+)(?: ± (\w+))?(?: if (\w+) (\w+))?"


class AnswerColumns(NamedTuple):
    """The columns of an answer that are never left out, and how tables show them."""

    names: tuple[str, ...] = ()
    """Empty: no column is more important than another."""
    spreads: tuple[tuple[str, str], ...] = ()
    """Pairs of a mean and its standard deviation, each written as one column."""
    conditions: tuple[tuple[str, str, str], ...] = ()
    """A column, and the parameter and its value that make it part of the answer."""
    are_exact: bool = False
    """The user chose the columns: nothing else is shown, and none is moved above the table."""
    legend: tuple[tuple[str, str], ...] = ()
    """Columns whose long heads may become letters, each with the text that explains it."""
    params: tuple[str, ...] = ()
    """Columns of hyperparameters, whose heads may be shortened to their names without sections."""
    sparks: tuple[str, ...] = ()
    """Columns of sparklines, which are not shortened as texts are."""


EVERY_COLUMN: Final = AnswerColumns()


def parse_answer(text: str) -> AnswerColumns | None:
    """Read the line of a header; None if it is not a list of columns."""
    entries = [re.fullmatch(_ENTRY, entry.strip()) for entry in text.split(",")]
    found = [entry for entry in entries if entry is not None]
    if len(found) < len(entries):
        return None
    return AnswerColumns(
        names=tuple(name for entry in found for name in entry.group(1, 2) if name),
        spreads=tuple((entry[1], entry[2]) for entry in found if entry[2]),
        conditions=tuple((entry[1], entry[3], entry[4]) for entry in found if entry[3]),
    )


def with_made(
    answer: AnswerColumns, values: Mapping[str, Any], made: Sequence[str] = ()
) -> AnswerColumns:
    """Replace ``*`` by the columns that were made, and leave out what has another condition.

    Args:
        answer: as declared in the header.
        values: the values of the query's parameters.
        made: the columns that were made from names.
    """
    without = {
        name for name, param, value in answer.conditions if _typed(values.get(param)) != value
    }
    names = tuple(
        name
        for entry in answer.names
        if entry not in without
        for name in (made if entry == MADE else (entry,))
    )
    return answer._replace(names=names)


def _typed(value: object) -> object:
    """Write a value as it is typed in the header."""
    return str(value).lower() if isinstance(value, bool) else value
