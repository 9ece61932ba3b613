"""Decides which columns a table has, and how wide each one is.

The columns of the answer come first: together they get at least their smallest widths, and then
as much as their texts usually need. What is left goes to the other columns, one after the other;
the first one for which there is no room ends the table. So with a wider terminal no column becomes
narrower, and none disappears.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GAP: Final = 2
"""Columns between two columns of a table."""


@dataclass(frozen=True)
class Needs:
    """The widths that a column can have."""

    least: int
    """With its texts and its head shortened as far as possible."""
    usual: int
    """What it gets before a less important column gets anything."""
    natural: int
    """With nothing shortened."""
    is_answer: bool
    """It must not be left out."""


def fit(columns: Sequence[Needs], width: int) -> dict[int, int] | None:
    """Compute the widths of the columns that are shown, by their places.

    Args:
        columns: the columns, in the order in which the optional ones are added.
        width: the width of the terminal.

    Returns:
        None if not even the columns of the answer fit.
    """
    answer = [place for place, needs in enumerate(columns) if needs.is_answer]
    widths = {place: columns[place].least for place in answer}
    spare = width - sum(widths.values()) - GAP * (len(widths) - 1)
    if spare < 0:
        return None
    spare = _widen(widths, [(place, columns[place].usual) for place in answer], spare)
    for place, needs in enumerate(columns):
        if needs.is_answer:
            continue
        if spare < needs.least + GAP:
            return widths
        widths[place] = needs.least
        spare = _widen(widths, [(place, needs.usual)], spare - needs.least - GAP)
    _widen(widths, [(place, columns[place].natural) for place in widths], spare)
    return widths


def fit_alike(columns: Sequence[Needs], width: int) -> dict[int, int]:
    """Do the same for columns of which none is more important than another.

    If not all of them fit, the last ones are left out, and the others get no more than their
    smallest widths: with the others beside them they would have no more either.
    """
    fitting = fit([_as_answer(needs) for needs in columns], width)
    if fitting is not None:
        return fitting
    widths: dict[int, int] = {}
    used = -GAP
    for place, needs in enumerate(columns):
        used += needs.least + GAP
        if used > width and widths:
            break
        widths[place] = min(needs.least, width)
    return widths


def _as_answer(needs: Needs) -> Needs:
    return Needs(needs.least, needs.usual, needs.natural, is_answer=True)


def _widen(widths: dict[int, int], wanted: Sequence[tuple[int, int]], spare: int) -> int:
    """Widen columns, those that need the least first, and return what is left."""
    for place, up_to in sorted(wanted, key=lambda pair: pair[1]):
        more = max(0, min(spare, up_to - widths[place]))
        widths[place] += more
        spare -= more
    return spare
