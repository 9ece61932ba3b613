"""The model of a figure: everything that is drawn, and nothing about how."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import isfinite
from typing import Final, Literal

Theme = Literal["light", "dark", "paper"]
Kind = Literal["curve", "scatter", "parallel", "bar", "hist"]


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
    is_dots: bool = False
    """Whether its points are not connected by a line."""


@dataclass(frozen=True)
class Axis:
    """An axis and the part of it that is shown."""

    title: str
    low: float
    high: float
    is_log: bool = False
    is_time: bool = False
    """Whether its numbers are seconds since 1970."""
    names: tuple[str, ...] = ()
    """What is at 0, 1, 2, …, instead of these numbers; all are different."""
    ticks: tuple[float, ...] = ()
    """The numbers that are written beside it; none: as they fit."""


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
    is_ramp: bool = False
    """Whether the colours of the curves are in order, from low to high."""

    def lines(self, points: Points, gap: float | None) -> Iterator[list[tuple[float, float]]]:
        """Yield the pieces that a line connects: none crosses what a logarithmic axis cannot show.

        Args:
            points: of a curve.
            gap: a longer distance in x is not crossed by a line; None means any is.
        """

        def has_place(point: tuple[float, float]) -> bool:
            x, y = point
            return (x > 0 or not self.x.is_log) and (y > 0 or not self.y.is_log)

        for line in points.lines(gap):
            yield from (list(piece) for is_there, piece in groupby(line, has_place) if is_there)


@dataclass(frozen=True)
class Bar:
    """The value of a task or of a group."""

    label: str
    value: float
    low: float | None = None
    """The ends of its spread."""
    high: float | None = None
    text: str = ""
    """What is written beside it."""


@dataclass(frozen=True)
class Bars:
    """A bar per task or group, from zero to its value, the best one first."""

    title: str
    x: Axis
    heading: str
    """What the texts beside the bars are."""
    bars: tuple[Bar, ...]
    """No two have the same label."""


@dataclass(frozen=True)
class Histogram:
    """How many tasks have values between each two edges."""

    title: str
    x: Axis
    edges: tuple[float, ...]
    """An interval has its lower edge, the last one also its upper one."""
    counts: tuple[int, ...]
    most: int
    """The upper end of the axis of counts."""
    n_below: int = 0
    """Tasks with values below the first edge, and above the last one."""
    n_above: int = 0


NOWHERE: Final = -0.12
"""Where a line is beside an axis on which it has no place: below its lower end."""


@dataclass(frozen=True)
class Scale:
    """An axis of parallel coordinates."""

    title: str
    ticks: tuple[tuple[float, str], ...]
    """Places from 0, the lower end, to 1, and what is written there."""
    is_result: bool = False
    """Whether it is a metric."""


@dataclass(frozen=True)
class Line:
    """A task in parallel coordinates."""

    label: str
    places: tuple[float | None, ...]
    """Its place on each axis, from 0 to 1; None: it has none there."""
    worth: float
    """From 0, the worst value, to 1, the best one."""


@dataclass(frozen=True)
class Parallel:
    """A line per task through the values of its hyperparameters to those of its metrics."""

    title: str
    scales: tuple[Scale, ...]
    lines: tuple[Line, ...]
    """The best one is the last, so that it is drawn over the others."""


Chart = Bars | Histogram | Parallel


@dataclass(frozen=True)
class Figure:
    """What is drawn, one panel or chart below the other."""

    title: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know: what is not shown, and why."""
    size: tuple[int, int] | None = None
    """Width and height of a panel: pixels of a picture, columns and lines of a terminal."""
    theme: Theme = "light"
    charts: tuple[Chart, ...] = ()

    @property
    def heading(self) -> str:
        """Its title, or that of what it shows first."""
        return self.title or next(each.title for each in (*self.panels, *self.charts))


def usual_gap(x: tuple[float, ...], width: float) -> float | None:
    """Return the distance above which points are apart: 20 usual ones, and a part of the axis."""
    distances = sorted(later - x_ for x_, later in pairwise(x) if later > x_)
    if len(distances) < 2:
        return None
    return max(20 * distances[len(distances) // 2], width / 25)
