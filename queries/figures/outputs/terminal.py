"""Draws a figure as text for a terminal."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, Final

import numpy as np

from clearml_snapshot.exporter.errors import not_installed
from clearml_snapshot.queries.figures.model import Axis, Curve, Figure, Panel, Points
from clearml_snapshot.queries.figures.outputs.overlaid import overlaid
from clearml_snapshot.queries.figures.outputs.text_charts import chart_text, plain_parts
from clearml_snapshot.queries.figures.outputs.themes import RAMPS, blended
from clearml_snapshot.queries.figures.outputs.ticks import below, ticks

_FEW: Final = ("blue", "red", "green", "magenta", "yellow", "cyan")
"""Colours that every terminal has, and shows as its user likes them."""
_MANY: Final = (
    "#4a90d9", "#e06c2b", "#3fae7a", "#d17fb0", "#d9a521", "#63c1ee",
    "#a06cc4", "#a98a4b", "#909090", "#c2c93a", "#ef5fa7", "#35bdbd",
)  # fmt: skip
_GREY: Final = "#808080"
_CHARACTERS: Final = "*o+x#@%&=~^:"
_HEIGHT: Final = 18
"""Lines of a panel."""
_NARROWEST: Final = 20
_AXIS: Final = 12
"""Characters of the border and of the numbers beside it."""
_CODES: Final = re.compile(r"\x1b\[[\d;]+m")
_CELL: Final = re.compile(r"(?:\x1b\[[\d;]+m)?([^\x1b])(?:\x1b\[0m)?")
_PLAIN: Final = str.maketrans("┌┐└┘─│·…×▲▼◆", "++++-|-~x^v@")


@dataclass(frozen=True)
class Screen:
    """What a figure is drawn on."""

    width: int = 80
    height: int = 24
    has_colours: bool = False
    has_unicode: bool = True


def text(figure: Figure, screen: Screen) -> str:
    """Draw a figure as lines of text, with colours if the screen has them.

    Raises:
        UsageError: the package that draws is not installed.
    """
    parts = [figure.title] if figure.title else []
    parts += [_panel(panel, figure, screen) for panel in figure.panels]
    width = figure.size[0] if figure.size else screen.width
    for chart in figure.charts:
        lines = chart_text(chart, width)
        parts.append("\n".join(lines if screen.has_unicode else plain_parts(lines)))
    drawn = "\n\n".join(parts) + "\n"
    if screen.has_unicode:
        return drawn
    return drawn.translate(_PLAIN).encode("ascii", "backslashreplace").decode()


def _panel(panel: Panel, figure: Figure, screen: Screen) -> str:
    clear = [curve for curve in panel.curves if not curve.is_faint]
    has_dots = any(curve.is_dots for curve in clear)
    is_alone = len(clear) == 1 and not has_dots
    is_drawn_in_characters = not screen.has_unicode or not (screen.has_colours or is_alone)
    width, height = figure.size or (screen.width, max(6, min(_HEIGHT, screen.height - 6)))
    width = max(_NARROWEST, width - _AXIS)
    strokes = [*_strokes(panel, is_drawn_in_characters)]
    drawn, hidden = _each(panel, strokes, width, height, screen, is_drawn_in_characters)
    marked = _marked(panel, drawn.split("\n"), height, screen)
    legend = _legend(panel, screen, is_drawn_in_characters)
    if hidden:
        n = "1 curve is" if hidden == 1 else f"{hidden} curves are"
        legend.append(f" {n} covered by others")
    lines = [panel.title, *marked, f" {panel.x.title}", *legend]
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True)
class _Stroke:
    points: list[tuple[float, float]]
    colour: str
    character: str
    is_line: bool = True


def _strokes(panel: Panel, in_characters: bool) -> list[_Stroke]:
    """List the pieces of all curves, the faint ones first."""
    palette = _palette(panel)
    made = []
    for curve in panel.curves:
        if curve.is_faint:
            made += [_Stroke(piece, _GREY, ".") for piece in panel.lines(curve.points, curve.gap)]
    clear = [curve for curve in panel.curves if not curve.is_faint]
    for curve in clear:
        for behind in _behind(curve):
            made += [_Stroke(piece, _GREY, ".") for piece in panel.lines(behind, curve.gap)]
    for number, curve in enumerate(clear):
        character = _CHARACTERS[number % len(_CHARACTERS)]
        colour = palette(curve)
        if curve.is_dots:
            made.append(_Stroke(curve.points.finite, colour, character, is_line=False))
            continue
        made += [
            _Stroke(piece, colour, character) for piece in panel.lines(curve.points, curve.gap)
        ]
    return made


def _behind(curve: Curve) -> list[Points]:
    """Return what is drawn faintly behind a curve."""
    found = [curve.raw] if curve.raw else []
    for band in curve.bands:
        found += [Points(band.x, band.low), Points(band.x, band.high)]
    return found


def _palette(panel: Panel) -> Callable[[Curve], str]:
    clear = [curve for curve in panel.curves if not curve.is_faint]
    if panel.is_ramp:
        most = max(curve.colour for curve in clear) or 1
        return lambda curve: blended(RAMPS["dark"], curve.colour / most)
    numbers = {n: at for at, n in enumerate(dict.fromkeys(curve.colour for curve in clear))}
    colours = _FEW if len(numbers) <= len(_FEW) else _MANY
    return lambda curve: colours[numbers[curve.colour] % len(colours)]


def _each(
    panel: Panel,
    strokes: Sequence[_Stroke],
    width: int,
    height: int,
    screen: Screen,
    in_characters: bool,
) -> tuple[str, int]:
    """Draw each curve by itself, and lay the drawings over each other.

    Returns:
        The drawing, and the number of curves of which nothing is seen.
    """
    curves: dict[tuple[str, str], list[_Stroke]] = {}
    for stroke in strokes:
        curves.setdefault((stroke.colour, stroke.character), []).append(stroke)
    drawings = [
        _plot(panel, each, width, height, screen, in_characters)
        for each in curves.values() or ([],)
    ]
    if len(drawings) == 1:
        return drawings[0], 0
    n_behind = sum(colour == _GREY for colour, _ in curves)
    drawn, seen = overlaid(drawings, height, n_behind)
    return drawn, seen[n_behind:].count(0)


def _plot(
    panel: Panel,
    strokes: Sequence[_Stroke],
    width: int,
    height: int,
    screen: Screen,
    in_characters: bool,
) -> str:
    library = _library()
    strokes = strokes or [_Stroke([(panel.x.low, panel.y.low - 1)], _GREY, ".")]
    xs = [_coordinates(panel.x, [x for x, _ in stroke.points]) for stroke in strokes]
    ys = [np.array(_within(panel.y, [y for _, y in stroke.points])) for stroke in strokes]
    look: dict[str, Any] = {
        "character_set": "ascii" if in_characters else "braille",
        "color": [stroke.colour for stroke in strokes] if screen.has_colours else False,
    }
    if in_characters:
        look["force_ascii_characters"] = [stroke.character for stroke in strokes]
    low, high = _coordinates(panel.x, [panel.x.low, panel.x.high])
    drawn: str = library.plot_to_string(
        xs=xs,
        ys=ys,
        lines=[stroke.is_line and len(stroke.points) > 1 for stroke in strokes],
        width=width,
        height=height,
        x_min=low,
        x_max=high if high > low else high + (1 if not panel.x.is_time else np.timedelta64(1, "s")),
        y_min=panel.y.low,
        y_max=panel.y.high,
        x_as_log=panel.x.is_log,
        y_as_log=panel.y.is_log,
        x_gridlines=[],
        y_gridlines=[],
        y_labels=False,
        **look,
    )
    return drawn


def _coordinates(axis: Axis, numbers: Sequence[float]) -> Any:
    if axis.is_time:
        return np.array([round(n * 1000) for n in numbers]).astype("datetime64[ms]")
    return np.array(numbers, dtype=float)


def _within(axis: Axis, numbers: Sequence[float]) -> list[float]:
    """Leave points outside the axis at its edge, so that the line to them is seen."""
    return [min(axis.high, max(axis.low, n)) for n in numbers]


def _marked(panel: Panel, lines: list[str], height: int, screen: Screen) -> list[str]:
    """Put marks for the best points, for what is not finite and for what is outside."""
    found = [_CELL.findall(line) for line in lines[1 : height + 1]]
    spans = [[match[0] for match in _CELL.finditer(line)] for line in lines[1 : height + 1]]
    right = max(i for i, c in enumerate(found[0]) if c == "│") if found and found[0] else 0
    width = right - 1
    if width < 1:
        return lines
    for x, y, mark in _marks(panel):
        column = 1 + _cell(panel.x, x, width)
        row = height - 1 - _cell(panel.y, min(panel.y.high, max(panel.y.low, y)), height)
        if column < len(spans[row]):
            spans[row][column] = f"\x1b[1m{mark}\x1b[0m" if screen.has_colours else mark
    beside = {height - 1 - _cell(panel.y, v, height): t for v, t in ticks(panel.y, height // 4)}
    rows = ["".join(row) + f" {beside.get(at, '')}" for at, row in enumerate(spans)]
    if panel.x.is_time:
        return [lines[0], *rows, *lines[height + 1 :]]
    cells = {v: _cell(panel.x, v, width) for v, _ in ticks(panel.x, max(2, width // 14))}
    return [lines[0], *rows, lines[height + 1], f" {below(panel.x, width, cells)}"]


def _marks(panel: Panel) -> list[tuple[float, float, str]]:
    marks = []
    for curve in panel.curves:
        drawn = curve.raw or curve.points
        marks += [(x, panel.y.low, "×") for x in drawn.not_finite]
        marks += [(x, y, "▲") for x, y in drawn.finite if y > panel.y.high]
        marks += [(x, y, "▼") for x, y in drawn.finite if y < panel.y.low and not panel.y.is_log]
        if curve.best and not curve.is_faint and panel.y.low <= curve.best[1] <= panel.y.high:
            marks.append((*curve.best, "◆"))
    return [(x, y, m) for x, y, m in marks if panel.x.low <= x <= panel.x.high]


def _cell(axis: Axis, number: float, n_cells: int) -> int:
    low, high = axis.low, axis.high
    if axis.is_log:
        if number <= 0:
            return 0
        low, high, number = log10(low), log10(high), log10(number)
    if high <= low:
        return 0
    return max(0, min(n_cells - 1, int((number - low) / (high - low) * n_cells)))


def _legend(panel: Panel, screen: Screen, in_characters: bool) -> list[str]:
    """Name the curves, with their best values, in lines that fit."""
    colour = _palette(panel)
    lines = []
    for number, curve in enumerate(curve for curve in panel.curves if not curve.is_faint):
        usual = "•" if curve.is_dots else "─"
        sign = _CHARACTERS[number % len(_CHARACTERS)] if in_characters else usual
        place = _position(panel.x, curve.best[0]) if curve.best else ""
        best = f"  ◆ {curve.best[1]:.5g} at {place}" if curve.best else ""
        room = max(8, screen.width - 5 - len(best))
        label = curve.label if len(curve.label) <= room else f"{curve.label[: room - 1]}…"
        line = f" {sign * 2} {label}{best}"
        if screen.has_colours:
            line = _coloured(f" {sign * 2}", colour(curve)) + line[3:]
        lines.append(line)
    return lines


def _position(axis: Axis, x: float) -> str:
    if axis.names:
        return axis.names[int(x)]
    return f"{x:,.0f}" if float(x).is_integer() else f"{x:,.4g}"


def _coloured(sign: str, colour: str) -> str:
    from uniplot.colors import Color

    return str(Color.from_param(colour).colorize(sign))


def _library() -> Any:
    try:
        import uniplot
    except ImportError:
        raise not_installed("a plot in the terminal", "uniplot") from None
    return uniplot
