"""Writes bars, histograms and parallel coordinates as Vega-Lite."""

from typing import Any, Final

from clearml_snapshot.queries.figures.model import (
    NOWHERE,
    Axis,
    Bars,
    Chart,
    Figure,
    Histogram,
    Parallel,
)
from clearml_snapshot.queries.figures.outputs.themes import (
    COLOURS,
    CONFIGS,
    NARROW,
    RAMPS,
    SIZE,
    Layer,
    blended,
)

_BAR_STEP: Final = 22
"""Pixels per bar if the size is not given."""
_LOWEST_STEP: Final = 14
"""Pixels that a bar needs for its label."""
_SEVERAL: Final = 2
_LOW: Final = 130
"""Pixels of a histogram that is one of several."""


def chart(drawn: Chart, figure: Figure) -> Layer:
    """Write a chart as a Vega-Lite view that contains its data."""
    if isinstance(drawn, Bars):
        return _bars(drawn, figure)
    if isinstance(drawn, Histogram):
        return _histogram(drawn, figure)
    return _parallel(drawn, figure)


def _view(title: str, width: int, height: int, layers: list[Layer], data: Any = None) -> Layer:
    view: Layer = {
        "title": {"text": title, "anchor": "start"},
        "width": width,
        "height": height,
        "layer": layers,
    }
    return view if data is None else {**view, "data": {"values": data}}


def _ink(figure: Figure) -> str:
    return str(CONFIGS[figure.theme]["ink"])


def _bars(drawn: Bars, figure: Figure) -> Layer:
    width, height = figure.size or (SIZE[0], 0)
    height = max(height or _BAR_STEP * len(drawn.bars), _LOWEST_STEP * len(drawn.bars))
    axis = drawn.x
    values = [
        {
            "bar": bar.label,
            "zero": max(axis.low, min(axis.high, 0.0)),
            "value": max(axis.low, min(axis.high, bar.value)),
            "text": bar.text,
            "low": None if bar.low is None else max(axis.low, min(axis.high, bar.low)),
            "high": None if bar.high is None else max(axis.low, min(axis.high, bar.high)),
            "edge": _edge(axis, bar.value),
        }
        for bar in drawn.bars
    ]
    labels: Layer = {"labelLimit": 200 if width < NARROW else 300, "labelOverlap": False,
                     "grid": False, "ticks": False, "domain": False, "labelPadding": 6}  # fmt: skip
    y: Layer = {"field": "bar", "type": "nominal", "sort": None, "title": None, "axis": labels}
    scale: Layer = {"domain": [axis.low, axis.high], "nice": False, "zero": False}
    x: Layer = {"field": "value", "type": "quantitative", "title": None, "scale": scale,
                "axis": {"tickCount": 4 if width < NARROW else 6, "labelOverlap": True,
                         **_numbers(axis)}}  # fmt: skip
    ink = _ink(figure)
    layers: list[Layer] = [
        {
            "mark": {"type": "bar", "color": COLOURS[0], "height": {"band": 0.68}},
            "encoding": {"y": y, "x": x, "x2": {"field": "zero"}},
        },
        {
            "mark": {"type": "rule", "color": ink, "strokeWidth": 1.4},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            "transform": [{"filter": "isValid(datum.low)"}],
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 8, "color": ink, "fontSize": 12},
            "encoding": {"y": y, "x": {"value": width}, "text": {"field": "text"}},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 8, "color": ink, "fontSize": 11,
                     "fontStyle": "italic", "baseline": "bottom"},
            "encoding": {"y": {"value": -4}, "x": {"value": width},
                         "text": {"value": drawn.heading}},
            "data": {"values": [{}]},
        },
    ]  # fmt: skip
    layers += [
        {
            "mark": {"type": "tick", "color": ink, "thickness": 1.4, "size": 8},
            "encoding": {"y": y, "x": {**x, "field": end}},
            "transform": [{"filter": f"isValid(datum.{end})"}],
        }
        for end in ("low", "high")
    ]
    if axis.low < 0 < axis.high:
        layers.append(
            {
                "mark": {"type": "rule", "color": ink},
                "encoding": {"x": {**x, "field": "zero"}},
                "data": {"values": [{"zero": 0.0}]},
            }
        )
    for side, shape, offset in ((1, "triangle-right", -6), (-1, "triangle-left", 6)):
        if any(row["edge"] == side for row in values):
            layers.append(
                {
                    "mark": {
                        "type": "point",
                        "shape": shape,
                        "filled": True,
                        "size": 70,
                        "color": CONFIGS[figure.theme]["back"],
                        "opacity": 1,
                        "xOffset": offset,
                    },
                    "encoding": {"y": y, "x": x},
                    "transform": [{"filter": f"datum.edge === {side}"}],
                }
            )
    return _view(drawn.title, width, height, layers, values)


def _edge(axis: Axis, value: float) -> int:
    """Return at which edge a bar is cut: -1, 1, or 0 for none."""
    return (value > axis.high) - (value < axis.low)


def _numbers(axis: Axis) -> Layer:
    largest = max(abs(axis.low), abs(axis.high))
    if axis.is_log:
        return {"format": "~g"}
    return {} if 1e-4 <= largest < 1e6 else {"format": "~e"}


def _histogram(drawn: Histogram, figure: Figure) -> Layer:
    width, height = figure.size or (SIZE[0], SIZE[1])
    if figure.size is None and len(figure.charts) > _SEVERAL:
        height = _LOW
    edges, axis = drawn.edges, drawn.x
    room = (edges[-1] / 2 - edges[0] / 2) * 0.08
    has_low, has_high = drawn.n_below > 0, drawn.n_above > 0
    low, high = axis.low, axis.high
    if not axis.is_log:
        low, high = low - room * (1 + has_low), high + room * (1 + has_high)
    values = [
        {"x": first, "x2": last, "n": n, "zero": 0}
        for first, last, n in zip(edges, edges[1:], drawn.counts, strict=False)
        if n
    ]
    scale: Layer = {"domain": [low, high], "nice": False, "zero": False}
    if axis.is_log:
        scale["type"] = "log"
    x: Layer = {"field": "x", "type": "quantitative", "title": axis.title, "scale": scale,
                "axis": {"grid": False, "labelOverlap": True, "labelFlush": True,
                         "tickCount": 5 if width < NARROW else 10, **_numbers(axis)}}  # fmt: skip
    y: Layer = {"field": "n", "type": "quantitative", "title": "tasks",
                "scale": {"domain": [0, drawn.most], "nice": True},
                "axis": {"tickMinStep": 1, "format": ",d",
                         "tickCount": min(3 if height <= _LOW else 6, drawn.most)}}  # fmt: skip
    back = CONFIGS[figure.theme]["back"]
    # The title of a field becomes part of an expression of Vega, which describes the mark.
    bar: Layer = {
        "type": "rect",
        "aria": False,
        "color": COLOURS[0],
        "stroke": back,
        "strokeWidth": 1,
    }
    encoding = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "zero"}}
    layers: list[Layer] = [{"mark": bar, "encoding": encoding, "data": {"values": values}}]
    outside = []
    if drawn.n_below:
        outside.append({"x": low, "x2": low + room, "n": drawn.n_below, "zero": 0, "sign": "◀"})
    if drawn.n_above:
        outside.append({"x": high - room, "x2": high, "n": drawn.n_above, "zero": 0, "sign": "▶"})
    if outside:
        grey: Layer = {**bar, "color": "#888888"}
        layers.append({"mark": grey, "encoding": encoding, "data": {"values": outside}})
        sign: Layer = {
            "type": "text",
            "aria": False,
            "baseline": "bottom",
            "dy": -2,
            "color": _ink(figure),
        }
        over = [{**row, "x": row["x"] / 2 + row["x2"] / 2} for row in outside]  # type: ignore[operator]
        layers.append(
            {
                "mark": sign,
                "encoding": {"x": x, "y": y, "text": {"field": "sign"}},
                "data": {"values": over},
            }
        )
    return _view(drawn.title, width, height, layers)


def _parallel(drawn: Parallel, figure: Figure) -> Layer:
    width, height = figure.size or SIZE
    n_scales = len(drawn.scales)
    ink, ramp = _ink(figure), RAMPS[figure.theme]
    x: Layer = {"field": "x", "type": "quantitative", "title": None, "axis": None,
                "scale": {"domain": [0, max(1, n_scales - 1)], "nice": False}}  # fmt: skip
    y: Layer = {"field": "y", "type": "quantitative", "title": None, "axis": None,
                "scale": {"domain": [NOWHERE, 1], "nice": False, "zero": False}}  # fmt: skip
    lines = [
        {"x": at, "y": NOWHERE if place is None else place, "line": number, "worth": line.worth}
        for number, line in enumerate(drawn.lines)
        for at, place in enumerate(line.places)
    ]
    many = len(drawn.lines)
    opacity = 0.75 if many <= 60 else max(0.12, 0.75 * (60 / many) ** 0.5)
    stops = [blended(ramp, step / 10) for step in range(11)]
    color: Layer = {
        "field": "worth", "type": "quantitative", "title": None, "legend": None,
        "scale": {"domain": [step / 10 for step in range(11)], "range": stops},
    }  # fmt: skip
    axes = [{"x": at} for at in range(n_scales)]
    ticks = [
        {"x": at, "y": place, "text": text}
        for at, scale in enumerate(drawn.scales)
        for place, text in scale.ticks
    ]
    best = len(drawn.lines) - 1
    heads = [{"x": at, "text": scale.title} for at, scale in enumerate(drawn.scales)]
    back = CONFIGS[figure.theme]["back"]
    room = int(width / max(1, n_scales - 1)) - 12
    halo: Layer = {"type": "text", "align": "left", "dx": 5, "fontSize": 11, "limit": room}
    curve: Layer = {"type": "line", "strokeJoin": "round"}
    layers: list[Layer] = [
        {"mark": {"type": "rule", "color": ink, "strokeWidth": 1}, "data": {"values": axes},
         "encoding": {"x": x}},
        {"mark": {**curve, "strokeOpacity": opacity, "strokeWidth": 1.4},
         "data": {"values": [row for row in lines if row["line"] != best]},
         "encoding": {"x": x, "y": y, "color": color, "detail": {"field": "line"}}},
        {"mark": {**curve, "strokeOpacity": 1, "strokeWidth": 3.2},
         "data": {"values": [row for row in lines if row["line"] == best]},
         "encoding": {"x": x, "y": y, "color": color, "detail": {"field": "line"}}},
        {"mark": {"type": "tick", "orient": "horizontal", "size": 8, "thickness": 1, "color": ink},
         "data": {"values": ticks}, "encoding": {"x": x, "y": y}},
        {"mark": {**halo, "stroke": back, "strokeWidth": 3, "color": back, "opacity": 0.85},
         "data": {"values": ticks}, "encoding": {"x": x, "y": y, "text": {"field": "text"}}},
        {"mark": {**halo, "color": ink}, "data": {"values": ticks},
         "encoding": {"x": x, "y": y, "text": {"field": "text"}}},
        {"mark": {"type": "text", "align": "left", "baseline": "bottom", "fontSize": 12,
                  "color": ink, "angle": 340, "dy": -8, "dx": 2, "limit": 220},
         "data": {"values": heads},
         "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "text"}}},
    ]  # fmt: skip
    return _view(drawn.title, width, height, layers)
