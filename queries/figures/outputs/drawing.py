"""Draws a figure as SVG, PNG, PDF or HTML."""

import re
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError, not_installed
from clearml_snapshot.queries.figures.model import Figure
from clearml_snapshot.queries.figures.outputs.vega import vega_lite
from clearml_snapshot.queries.pages.embedded import json_in_a_page

_VEGA_LITE: Final = "5.20"
_SCALE: Final = 2
"""Pixels of a PNG per pixel of the figure: screens and printers are fine."""


def picture(figure: Figure, suffix: str) -> bytes:
    """Draw a figure.

    Args:
        figure: the figure.
        suffix: the extension of one of the ``PICTURES``.

    Raises:
        UsageError: the package that draws is not installed.
    """
    return PICTURES[suffix](figure)


def specification(figure: Figure) -> bytes:
    """Write a figure as Vega-Lite, as JSON that may stand in a page."""
    return (json_in_a_page(vega_lite(figure)) + "\n").encode()


def svg(figure: Figure) -> str:
    """Draw a figure as SVG."""
    drawn: str = _library().vegalite_to_svg(vega_lite(figure), **_OPTIONS)
    numbers: dict[str, int] = {}
    return _CLIP.sub(
        lambda match: match[1] + str(numbers.setdefault(match[2], len(numbers))), drawn
    )


def _svg(figure: Figure) -> bytes:
    return (svg(figure) + "\n").encode()


def _png(figure: Figure) -> bytes:
    drawn: bytes = _library().vegalite_to_png(vega_lite(figure), scale=_SCALE, **_OPTIONS)
    return drawn


def _pdf(figure: Figure) -> bytes:
    drawn: bytes = _library().vegalite_to_pdf(vega_lite(figure), **_OPTIONS)
    return drawn


def _html(figure: Figure) -> bytes:
    """Write a page with the drawing, which nothing in the page can change: it has no script."""
    title = escape(figure.heading)
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in figure.notes)
    return _PAGE.format(title=title, drawing=svg(figure), notes=notes).encode()


PICTURES: Final[Mapping[str, Callable[[Figure], bytes]]] = {
    ".svg": _svg,
    ".png": _png,
    ".pdf": _pdf,
    ".html": _html,
    ".vl.json": specification,
}
"""What can be drawn, by extension."""
TEXT: Final = ".txt"
"""The extension of a figure as text, which ``terminal`` draws."""


def known_suffix(file: Path) -> str:
    """Return the extension that chooses how a figure is drawn: that of a picture, or ``TEXT``.

    Raises:
        UsageError: it is not a known one.
    """
    known = (*PICTURES, TEXT)
    for suffix in known:
        if file.name.lower().endswith(suffix):
            return suffix
    raise UsageError(f"{file}: unknown file extension; use {', '.join(known)}")


_OPTIONS: Final[Mapping[str, Any]] = {"vl_version": _VEGA_LITE, "allowed_base_urls": []}
"""A figure has its data, and nothing is read from elsewhere."""

_CLIP: Final = re.compile(r'((?: id="|clip-path="url\(#)clip)(\d+)')
"""Ids that the library numbers in the order of all drawings of a process."""

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1rem; font-family: sans-serif }}
svg {{ max-width: 100%; height: auto }}
</style>
</head>
<body>
{drawing}
{notes}</body>
</html>
"""


def _library() -> ModuleType:
    try:
        import vl_convert
    except ImportError:
        raise not_installed("a picture", "vl-convert-python") from None
    library: ModuleType = vl_convert
    return library
