"""Writes data that stands inside a page."""

import json
from typing import Final

from clearml_snapshot.exporter.unseen import as_json, spelled_out

_ESCAPES: Final = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"}
"""Characters that could end a script or begin a comment in it, as JSON also writes them."""


def json_in_a_page(value: object) -> str:
    """Write JSON that cannot end the element it is in, and in which nothing is invisible.

    Raises:
        ValueError: it has a number that is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = spelled_out(text, as_json)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
