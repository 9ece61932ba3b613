"""Draws a curve as one line of block characters, in which no spike is lost.

An axis of iterations has ``CELLS`` cells of two characters each: the lowest and the highest value
in the cell, in the order in which they come. Curves of one metric and variant share both axes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from statistics import median
from typing import Any, Final, NamedTuple

from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.ask.statement import statement_for
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.points import of_tasks

BLOCKS: Final = "▁▂▃▄▅▆▇█"
PLAIN: Final = ".:-=+*%@"
"""The eight levels where a terminal shows ASCII only."""
NOT_FINITE: Final = "×"
_PLAIN_NOT_FINITE: Final = "x"
_TO_PLAIN: Final = str.maketrans(BLOCKS + NOT_FINITE, PLAIN + _PLAIN_NOT_FINITE)
CELLS: Final = 24
WIDTHS: Final = (48, 24, 16, 12, 8)
"""Characters that a line can have, so that its cells are made of complete ones."""
_DECADES: Final = 3
"""Positive values over more powers of ten than this are drawn on a logarithmic scale."""
_ODD: Final = -1
"""Stands for a value that is not finite, among levels from 0."""

Point = tuple[float, float]
"""An iteration, and a value or a level."""


class Series(NamedTuple):
    """A curve to draw."""

    metric: str
    variant: str
    task_id: str


@dataclass(frozen=True)
class Scale:
    """The axes that the curves of a metric and variant share."""

    low: float
    high: float
    first: int
    last: int
    is_log: bool
    has_not_finite: bool = False
    """Whether a curve has a value that is NaN, infinite or missing."""

    def level(self, value: float) -> int:
        """Return the level of a value, from 0."""
        low, high = (
            (log10(v) for v in (self.low, self.high)) if self.is_log else (self.low, self.high)
        )
        value = log10(value) if self.is_log else value
        if low == high:
            return len(BLOCKS) // 2 - 1
        share = (value / 2 - low / 2) / (high / 2 - low / 2)  # the range may be too large
        return max(0, min(len(BLOCKS) - 1, int(share * len(BLOCKS))))


@dataclass(frozen=True)
class _Cell:
    place: int
    n: int
    first: Point | None
    last: Point | None
    lowest: Point | None
    highest: Point | None
    first_odd: int | None

    @property
    def ends(self) -> tuple[float, float]:
        """Its first and last iteration."""
        known = [p[0] for p in (self.first, self.last) if p is not None]
        odd = [] if self.first_odd is None else [self.first_odd]
        return min([*known, *odd]), max([*known, *odd])


def sparklines(
    dataset: Dataset, values: Mapping[str, Any], series: Sequence[Series]
) -> tuple[dict[Series, str], dict[tuple[str, str], Scale]]:
    """Draw the curves of some series, and read no points of other tasks.

    Args:
        dataset: the dataset.
        values: ``metric``, ``suspect_zeros`` and ``nan_value`` as a query binds them.
        series: what is drawn.

    Returns:
        The line of each series that has a curve, and the scale of each metric and variant.
    """
    cells = _cells(dataset, values, series)
    lines: dict[Series, str] = {}
    scales: dict[tuple[str, str], Scale] = {}
    for pair in dict.fromkeys((each.metric, each.variant) for each in series):
        own = [each for each in cells if each[:2] == pair]
        drawn = [cell for each in own for cell in cells[each][1]]
        if not drawn:
            continue
        scales[pair] = scale = _scale(drawn, cells[own[0]][0])
        lines |= {each: _line(cells[each][1], scale) for each in own}
    return lines, scales


def narrowed(text: str, width: int) -> str:
    """Draw a line with fewer characters: the lowest and highest level of several cells stay."""
    width = next((each for each in WIDTHS if each <= width), WIDTHS[-1])
    size = len(text) // width * 2
    if size <= 2:
        return text
    levels = PLAIN if text.isascii() else BLOCKS
    odd = _PLAIN_NOT_FINITE if text.isascii() else NOT_FINITE
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    marks = [
        [
            (at, _ODD if character == odd else levels.index(character))
            for at, character in enumerate(part)
            if character != " "
        ]
        for part in parts
    ]
    return _written(marks, levels, odd)


def in_ascii(text: str) -> str:
    """Write a line for a terminal that shows ASCII only."""
    return text.translate(_TO_PLAIN)


def _cells(
    dataset: Dataset, values: Mapping[str, Any], series: Sequence[Series]
) -> dict[Series, tuple[Point, list[_Cell]]]:
    """Read the cells of each series, and the first and last iteration of its axis."""
    query = Query("sparklines", "", "", (), read("figures/outputs/sparklines.sql"))
    asked = {
        **{name: values[name] for name in ("metric", "suspect_zeros", "nan_value")},
        "curves": [*range(len(series))],
        "metrics": [each.metric for each in series],
        "variants": [each.variant for each in series],
        "task_ids": [each.task_id for each in series],
        "cells": CELLS,
    }
    with of_tasks(dataset, {each.task_id for each in series}) as inner:
        rows = inner.sql(*statement_for(query, asked)).fetchall()
    found: dict[Series, tuple[Point, list[_Cell]]] = {}
    for curve, low, high, place, n, first, last, lowest, highest, odd in rows:
        top = highest and {**highest, "iteration": ~highest["iteration"]}
        cell = _Cell(place, n, _point(first), _point(last), _point(lowest), _point(top), odd)
        found.setdefault(series[curve], ((low, high), []))[1].append(cell)
    return found


def _point(found: Mapping[str, Any] | None) -> Point | None:
    return None if found is None else (found["iteration"], found["value"])


def _scale(cells: Sequence[_Cell], axis: Point) -> Scale:
    values = [p[1] for cell in cells for p in (cell.lowest, cell.highest) if p is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    is_log = low > 0 and log10(high) - log10(low) > _DECADES
    has_odd = any(cell.first_odd is not None for cell in cells)
    return Scale(low, high, int(axis[0]), int(axis[1]), is_log, has_odd)


def _line(cells: Sequence[_Cell], scale: Scale) -> str:
    marks: list[list[Point]] = [[] for _ in range(CELLS)]
    for cell in cells:
        found = [p for p in (cell.lowest, cell.highest) if p is not None]
        levels: list[Point] = [(x, scale.level(value)) for x, value in found]
        if cell.first_odd is not None:
            levels.append((cell.first_odd, _ODD))
        marks[cell.place] = sorted(levels)
    for place, level in _between(cells, scale):
        marks[place].append((0, level))
    return _written(marks, BLOCKS, NOT_FINITE)


def _between(cells: Sequence[_Cell], scale: Scale) -> Iterator[tuple[int, int]]:
    """Yield levels for cells without points that a line between two points crosses."""
    gap = _longest_line(cells, scale.last - scale.first)
    for one, other in pairwise(cells):
        if one.last is None or other.first is None or other.first[0] - one.last[0] > gap:
            continue
        begin, end = scale.level(one.last[1]), scale.level(other.first[1])
        n = other.place - one.place
        for step in range(1, n):
            yield one.place + step, round(begin + (end - begin) * step / n)


def _longest_line(cells: Sequence[_Cell], width: float) -> float:
    """Return the distance that a line crosses; a longer one is a gap, as in figures."""
    within = [(cell.ends[1] - cell.ends[0]) / (cell.n - 1) for cell in cells if cell.n > 1]
    between = [other.ends[0] - one.ends[1] for one, other in pairwise(cells)]
    distances = [*within, *between]
    return max(20 * median(distances), width / 25) if distances else 0.0


def _written(marks: Sequence[Sequence[Point]], levels: str, odd: str) -> str:
    """Write two characters per cell.

    Args:
        marks: the levels in each cell, in their order.
        levels: the characters of the levels.
        odd: the character for what is not finite.
    """
    written, before = [], 0.0
    for cell in marks:
        pair = _pair(cell, before)
        before = next((level for level in reversed(pair) if level != _ODD), before)
        written += [odd if level == _ODD else levels[int(level)] for level in pair]
        written += [" "] * (2 - len(pair))
    return "".join(written)


def _pair(marks: Sequence[Point], before: float) -> list[float]:
    """Choose the lowest and the highest level of a cell, in their order.

    If something in it is not finite, one of them is that, and the other is what differs more from
    the level before.
    """
    finite = [mark for mark in marks if mark[1] != _ODD]
    odd = [mark for mark in marks if mark[1] == _ODD]
    if not finite:
        return [_ODD, _ODD] if odd else []
    if odd:
        kept = [max(finite, key=lambda mark: abs(mark[1] - before)), odd[0]]
    else:
        kept = [min(finite, key=lambda mark: mark[1]), max(finite, key=lambda mark: mark[1])]
    return [level for _, level in sorted(kept)]
