"""Writes a figure as Vega-Lite, version 5: JSON that many programs draw."""

import re
from collections.abc import Iterator
from typing import Any, Final

from clearml_snapshot.queries.figures.model import Axis, Curve, Figure, Panel, Theme
from clearml_snapshot.queries.figures.outputs.themes import (
    COLOURS,
    CONFIGS,
    NARROW,
    RAMPS,
    SIZE,
    Layer,
    blended,
    config,
)
from clearml_snapshot.queries.figures.outputs.vega_charts import chart

_DASHES: Final[tuple[list[int], ...]] = ([], [6, 2], [2, 2], [8, 2, 2, 2], [10, 4], [1, 3])
"""Only on paper, which may be printed without colour."""
_PLAIN: Final = re.compile(r"[a-z ()UTC]+")
_MANY_DOTS: Final = 500
_FEW_NAMES: Final = 6
"""Names that an axis has room for beside each other."""
_SPEC: Final = "https://vega.github.io/schema/vega-lite/v5.json"


def vega_lite(figure: Figure) -> dict[str, Any]:
    """Write a figure as a Vega-Lite specification that contains its data."""
    width, height = figure.size or SIZE
    panels = [_panel(panel, figure, width, height) for panel in figure.panels]
    panels += [chart(each, figure) for each in figure.charts]
    spec: dict[str, Any] = {"$schema": _SPEC, "config": config(figure.theme)}
    if figure.title:
        spec["title"] = {"text": figure.title, "anchor": "start", "fontSize": 16}
    if len(panels) == 1:
        [panel] = panels
        titles = [title for title in (figure.title, panel.pop("title")["text"]) if title]
        heading: dict[str, Any] = {"text": titles[0], "anchor": "start", "fontSize": 16}
        if len(titles) > 1:
            heading["subtitle"] = titles[1]
        return {**spec, "title": heading, **panel}
    return {**spec, "vconcat": panels, "resolve": {"scale": {"color": "independent"}}}


def _panel(panel: Panel, figure: Figure, width: int, height: int) -> dict[str, Any]:
    layers = [*_bands(panel, figure), *_lines(panel, figure), *_marks(panel, figure)]
    return {
        "title": {"text": panel.title, "anchor": "start"},
        "width": width,
        "height": height,
        "layer": layers or [{"mark": "line", "data": {"values": []}}],
        "resolve": {"legend": {"color": "shared"}},
    }


def _bands(panel: Panel, figure: Figure) -> Iterator[Layer]:
    for curve in panel.curves:
        for band in curve.bands:
            rows = zip(band.x, band.low, band.high, strict=True)
            values = [
                {"x": _x(panel, x), "low": max(low, panel.y.low), "high": min(high, panel.y.high)}
                for x, low, high in rows
                if not panel.x.is_log or x > 0
            ]
            mark = {"type": "area", "opacity": 0.2, "clip": True, "color": _colour(curve)}
            y = _y(panel)
            yield _layer(panel, values, mark, y={**y, "field": "low"}, y2={"field": "high"})


def _lines(panel: Panel, figure: Figure) -> Iterator[Layer]:
    faint = [curve for curve in panel.curves if curve.is_faint]
    clear = [curve for curve in panel.curves if not curve.is_faint]
    strong = 1.0 if figure.theme == "paper" else 1.8
    behind = [(curve, piece) for curve in faint for piece in panel.lines(curve.points, curve.gap)]
    yield from _drawn(panel, behind, {"opacity": 0.35, "strokeWidth": 0.8, "color": "#888888"})
    raw = [(c, piece) for c in clear if c.raw for piece in panel.lines(c.raw, c.gap)]
    yield from _drawn(panel, raw, {"opacity": 0.25, "strokeWidth": 1}, _color(panel, figure))
    dots = [(curve, [point]) for curve in clear if curve.is_dots for point in curve.points.finite]
    many = {"size": 50, "opacity": 0.7} if len(dots) <= _MANY_DOTS else {"size": 16, "opacity": 0.5}
    yield from _drawn(panel, dots, many, _color(panel, figure))
    lines = [curve for curve in clear if not curve.is_dots]
    front = [(curve, piece) for curve in lines for piece in panel.lines(curve.points, curve.gap)]
    encoding = _color(panel, figure)
    if figure.theme == "paper" and len(clear) > 1:
        encoding["strokeDash"] = _dashes(panel, figure)
    yield from _drawn(panel, front, {"strokeWidth": strong}, encoding)


def _drawn(
    panel: Panel,
    pieces: list[tuple[Curve, list[tuple[float, float]]]],
    mark: Layer,
    encoding: Layer | None = None,
) -> Iterator[Layer]:
    """Draw the pieces of curves. A piece with a single point becomes a dot."""
    for is_line in (True, False):
        values = [
            {"x": _x(panel, x), "y": y, "curve": curve.label, "piece": number}
            for number, (curve, piece) in enumerate(pieces)
            if (len(piece) > 1) == is_line
            for x, y in piece
            if (not panel.y.is_log or y > 0) and (not panel.x.is_log or x > 0)
        ]
        if not values:
            continue
        kind = {"type": "line", "interpolate": "linear", "strokeJoin": "bevel"}
        dot = {"type": "point", "filled": True, "size": 14}
        shape: Layer = {**(kind if is_line else dot), **mark, "clip": True}
        if not is_line:
            shape.pop("strokeWidth", None)
        more = dict(encoding or {})
        if not is_line:
            more.pop("strokeDash", None)
        if is_line:
            more["detail"] = {"field": "piece"}
        if encoding is not None:
            more["tooltip"] = [
                {"field": "curve", "type": "nominal", "title": "curve"},
                {"field": "x", "type": _kind(panel.x), "title": _spoken(panel.x)},
                {"field": "y", "type": "quantitative", "title": "value"},
            ]  # fmt: skip
        yield _layer(panel, values, shape, **more)


def _marks(panel: Panel, figure: Figure) -> Iterator[Layer]:
    """Mark the best points, values that are not finite, and points outside the axis."""
    clear = [curve for curve in panel.curves if not curve.is_faint]
    best = [
        (curve, *curve.best)
        for curve in clear
        if curve.best and panel.y.low <= curve.best[1] <= panel.y.high
    ]
    back = CONFIGS[figure.theme]["back"]
    ring = {"type": "point", "filled": True, "size": 60, "stroke": back, "strokeWidth": 1.5,
            "opacity": 1}  # fmt: skip
    if any(curve.is_dots for curve in clear):
        ink = CONFIGS[figure.theme]["ink"]
        ring |= {"shape": "diamond", "size": 160, "stroke": ink}
    yield from _points(panel, figure, best, ring)
    lost = [
        (curve, x, panel.y.low)
        for curve in panel.curves
        for x in (curve.raw or curve.points).not_finite
    ]
    cross = {"type": "point", "shape": "M-1,-1L1,1M1,-1L-1,1", "size": 22, "strokeWidth": 1.4,
             "yOffset": -5}  # fmt: skip
    yield from _points(panel, figure, lost, cross)
    for shape, edge, offset in (
        ("triangle-up", panel.y.high, 4),
        ("triangle-down", panel.y.low, -4),
    ):
        outside = [
            (curve, x, edge)
            for curve in panel.curves
            for points in (curve.points, curve.raw)
            if points
            for x, y in points.finite
            if (y > edge if offset > 0 else y < edge) and (not panel.y.is_log or y > 0)
        ]
        mark = {"type": "point", "shape": shape, "filled": True, "size": 45, "yOffset": offset}
        yield from _points(panel, figure, outside, mark)


def _points(
    panel: Panel, figure: Figure, points: list[tuple[Curve, float, float]], mark: Layer
) -> Iterator[Layer]:
    values = [
        {"x": _x(panel, x), "y": y, "curve": curve.label}
        for curve, x, y in points
        if not panel.x.is_log or x > 0
    ]
    if values:
        is_faint = any(curve.is_faint for curve in panel.curves)
        encoding = {} if is_faint else _color(panel, figure)
        yield _layer(
            panel, values, {**mark, **({"color": "#888888"} if is_faint else {})}, **encoding
        )


def _layer(panel: Panel, values: list[Layer], mark: Layer, **encoding: Any) -> Layer:
    # The title of a field becomes part of an expression of Vega, which describes the mark.
    is_safe = _spoken(panel.x) == panel.x.title
    return {
        "data": {"values": values},
        "mark": mark if is_safe else {**mark, "aria": False},
        "encoding": {"x": _x_axis(panel.x), "y": _y(panel), **encoding},
    }


def _spoken(axis: Axis) -> str:
    """Return the title of an axis if it has no name that somebody else chose, or else ``x``."""
    return axis.title if _PLAIN.fullmatch(axis.title) else "x"


def _x(panel: Panel, x: float) -> float | str:
    if panel.x.names:
        return panel.x.names[int(x)]
    return x * 1000 if panel.x.is_time else x


def _kind(axis: Axis) -> str:
    if axis.names:
        return "nominal"
    return "temporal" if axis.is_time else "quantitative"


def _x_axis(axis: Axis) -> Layer:
    if axis.names:
        names = {"labelAngle": 0 if len(axis.names) <= _FEW_NAMES else -40, "labelLimit": 180}
        places = {"type": "point", "domain": [*axis.names], "padding": 0.5}
        return {"field": "x", "type": "nominal", "title": axis.title, "scale": places,
                "sort": None, "axis": {**names, "labelOverlap": False}}  # fmt: skip
    scale: Layer = {"domain": [axis.low, axis.high], "nice": False, "zero": False}
    if axis.is_time:
        scale = {"domain": [axis.low * 1000, axis.high * 1000], "type": "utc", "nice": False}
    elif axis.is_log:
        scale["type"] = "log"
    ticks: Layer = {"labelOverlap": True, "labelFlush": True, "tickCount": 8}
    if not axis.is_time:
        ticks["format"] = "~s" if axis.high >= 100_000 else ",~f"
    if axis.ticks:
        ticks |= {"values": [*axis.ticks], "format": ".6~g"}
    elif axis.is_log:
        ticks["format"] = ".6~g"
    return {"field": "x", "type": _kind(axis), "title": axis.title, "scale": scale, "axis": ticks}


def _y(panel: Panel) -> Layer:
    axis = panel.y
    scale: Layer = {"domain": [axis.low, axis.high], "nice": False, "zero": False}
    if axis.is_log:
        scale["type"] = "log"
    is_plain = 1e-4 <= max(abs(axis.low), abs(axis.high)) < 1e6
    ticks: Layer = {"labelOverlap": True, "tickCount": 6}
    if not is_plain or axis.is_log:
        ticks["format"] = "~g" if axis.is_log else "~e"
    return {"field": "y", "type": "quantitative", "title": None, "scale": scale, "axis": ticks}


def _colour(curve: Curve) -> str:
    return COLOURS[curve.colour % len(COLOURS)]


def _ramp(panel: Panel, theme: Theme) -> list[str]:
    """Return colours in order, as far from each other as they can be."""
    colours, most = RAMPS[theme], max(curve.colour for curve in panel.curves)
    return [blended(colours, curve.colour / most if most else 1.0) for curve in panel.curves]


def _color(panel: Panel, figure: Figure) -> Layer:
    """Give each curve its colour; only those that are not faint are in the legend."""
    clear = [curve for curve in panel.curves if not curve.is_faint]
    colours = _ramp(panel, figure.theme) if panel.is_ramp else [_colour(curve) for curve in clear]
    if figure.theme == "dark":
        colours = ["#bbbbbb" if colour == "#3d3d3d" else colour for colour in colours]
    scale = {"domain": [curve.label for curve in clear], "range": colours}
    return {
        "color": {
            "field": "curve",
            "type": "nominal",
            "scale": scale,
            "title": None,
            "legend": _legend(figure, len(clear), any(curve.is_dots for curve in clear)),
        }
    }


def _dashes(panel: Panel, figure: Figure) -> Layer:
    clear = [curve.label for curve in panel.curves if not curve.is_faint]
    dashes = [_DASHES[number % len(_DASHES)] for number in range(len(clear))]
    scale = {"domain": clear, "range": dashes}
    legend = _legend(figure, len(clear))
    return {"field": "curve", "type": "nominal", "scale": scale, "title": None, "legend": legend}


def _legend(figure: Figure, n_curves: int, has_dots: bool = False) -> Layer:
    width = (figure.size or SIZE)[0]
    legend: Layer = {"labelLimit": 300, "symbolType": "stroke", "symbolStrokeWidth": 2.5,
                     "symbolOpacity": 1, "symbolSize": 180}  # fmt: skip
    if has_dots:
        legend |= {"symbolType": "circle", "symbolSize": 70, "symbolStrokeWidth": 0}
    if width < NARROW or n_curves == 1:
        legend |= {"orient": "bottom", "columns": max(1, width // 200), "direction": "horizontal"}
    return legend
