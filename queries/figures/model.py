"""The model of a figure: everything that is drawn, and nothing about how."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Literal

Theme = Literal["light", "dark", "paper"]


@dataclass(frozen=True)
class Points:
    """Points in the order of x, as columns; a value that is not finite interrupts the line."""

    x: tuple[float, ...] = ()
    value: tuple[float | None, ...] = ()

    @property
    def finite(self) -> list[tuple[float, float]]:
        """The points that can be drawn."""
        pairs = zip(self.x, self.value, strict=True)
        return [(x, value) for x, value in pairs if value is not None and isfinite(value)]

    @property
    def not_finite(self) -> tuple[float, ...]:
        """Where a value is NaN, infinite or missing."""
        pairs = zip(self.x, self.value, strict=True)
        return tuple(x for x, value in pairs if value is None or not isfinite(value))

    def lines(self, gap: float | None = None) -> Iterator[list[tuple[float, float]]]:
        """Yield the pieces that a line connects.

        Args:
            gap: a longer distance in x is not crossed by a line; None means any is.
        """
        piece: list[tuple[float, float]] = []
        for x, value in zip(self.x, self.value, strict=True):
            is_drawn = value is not None and isfinite(value)
            if piece and (not is_drawn or (gap is not None and x - piece[-1][0] > gap)):
                yield piece
                piece = []
            if is_drawn and value is not None:
                piece.append((x, value))
        if piece:
            yield piece


@dataclass(frozen=True)
class Band:
    """The space between two values at each x."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """One curve."""

    label: str
    """Harmless and short; no two curves of a panel have the same."""
    colour: int
    """The number of its colour; curves of one colour belong together."""
    points: Points
    raw: Points | None = None
    """The values before smoothing, drawn faintly behind it."""
    bands: tuple[Band, ...] = ()
    """The pieces of the band around it."""
    best: tuple[float, float] | None = None
    """Its best point, among the values before smoothing if ``raw`` is None."""
    is_faint: bool = False
    """Whether it is one of too many to be told apart; it has no place in the legend."""
    gap: float | None = None
    """A longer distance in x is a gap, which no line crosses."""


@dataclass(frozen=True)
class Axis:
    """An axis and the part of it that is shown."""

    title: str
    low: float
    high: float
    is_log: bool = False
    is_time: bool = False
    """Whether its numbers are seconds since 1970."""


@dataclass(frozen=True)
class Panel:
    """The curves of one metric, which share their axes."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    n_above: int = 0
    """Points above the part of the axis that is shown."""
    n_below: int = 0


@dataclass(frozen=True)
class Figure:
    """What is drawn, one panel below the other."""

    title: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know: what is not shown, and why."""
    size: tuple[int, int] | None = None
    """Width and height of a panel: pixels of a picture, columns and lines of a terminal."""
    theme: Theme = "light"


def usual_gap(x: tuple[float, ...], width: float) -> float | None:
    """Return the distance above which points are apart: 20 usual ones, and a part of the axis."""
    distances = sorted(later - x_ for x_, later in pairwise(x) if later > x_)
    if len(distances) < 2:
        return None
    return max(20 * distances[len(distances) // 2], width / 25)
