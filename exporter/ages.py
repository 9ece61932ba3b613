"""Reads ages as they are typed: an integer number of hours, days or weeks. Pure, no I/O."""

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_AGE: Final = re.compile(r"([0-9]{1,5})([hdw])")


def read_age(text: str) -> timedelta:
    """Read an age such as ``26h``, ``30d`` or ``2w``.

    ``m`` is refused: it could be minutes or months.

    Raises:
        ValueError: the text is not an age; the message is a sentence for the user.
    """
    age = _AGE.fullmatch(text)
    if age is None and re.fullmatch(r"[0-9]+m", text):
        raise ValueError(f"the m of {text} could be minutes or months; use h, d or w (26h, 30d)")
    if age is None:
        raise ValueError(f"{text!r} is not an age; use hours, days or weeks (26h, 30d, 2w)")
    return timedelta(**{_UNITS[age[2]]: int(age[1])})
