"""The colours and sizes of pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clearml_snapshot.queries.figures.model import Theme

COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
    "#7f3c8d", "#8c6d31", "#3d3d3d", "#b5bd00", "#e7298a", "#00b3b3",
)  # fmt: skip
"""For twelve curves: first the seven that people with any colour vision can tell apart."""
RAMPS: Final[Mapping[Theme, tuple[str, ...]]] = {
    "light": ("#9fc131", "#4fb868", "#1f968b", "#2f708e", "#3f4a8a", "#440154"),
    "dark": ("#6a6ab0", "#4b86b8", "#2fa39b", "#57c468", "#a9dc38", "#fde725"),
    "paper": ("#9fc131", "#4fb868", "#1f968b", "#2f708e", "#3f4a8a", "#440154"),
}
"""From low to high, further from the background, and in order for people with any colour vision."""
SIZE: Final = (760, 400)
"""Pixels of a panel."""
NARROW: Final = 560
"""Pixels below which the legend is below the panel."""
CONFIGS: Final[Mapping[Theme, Mapping[str, Any]]] = {
    "light": {"ink": "#333333", "grid": "#e6e6e6", "back": "#ffffff", "font": "sans-serif"},
    "dark": {"ink": "#dddddd", "grid": "#3a3a3a", "back": "#1b1b1b", "font": "sans-serif"},
    "paper": {"ink": "#000000", "grid": None, "back": "#ffffff", "font": "serif"},
}

Layer = dict[str, Any]


def config(theme: Theme) -> dict[str, Any]:
    """Return the settings of Vega-Lite for a theme."""
    look = CONFIGS[theme]
    ink, grid = look["ink"], look["grid"]
    axis = {
        "labelColor": ink, "titleColor": ink, "tickColor": ink, "domainColor": ink,
        "grid": grid is not None, "gridColor": grid or ink, "labelFontSize": 12,
        "titleFontSize": 13, "titleFontWeight": "normal",
    }  # fmt: skip
    return {
        "background": look["back"],
        "font": look["font"],
        "padding": 12,
        "axis": axis,
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12},
        "title": {"color": ink, "subtitleColor": ink, "fontWeight": 600, "offset": 12},
        "view": {"stroke": None if theme != "paper" else ink},
    }


def blended(colours: Sequence[str], place: float) -> str:
    """Return the colour at a place from 0 to 1 between colours in order."""
    at = max(0.0, min(1.0, place)) * (len(colours) - 1)
    first = min(int(at), len(colours) - 2)
    both = [_parts(colours[first]), _parts(colours[first + 1])]
    mixed = [round(a + (b - a) * (at - first)) for a, b in zip(*both, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
