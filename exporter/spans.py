"""Parses and formats spans of time and ages. No I/O."""

import re
from datetime import timedelta
from typing import Final

_LETTERS: Final = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_AGE: Final = re.compile(r"([0-9]+)\s*([hdw])")
_MINUTES_OR_MONTHS: Final = re.compile(r"[0-9]+\s*(m|min|mo)")
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)")
_LONGEST: Final = timedelta(weeks=99_999)


def match_age(text: str) -> timedelta | None:
    """Read ``26h``, ``30d`` or ``2w``; None if it is not an age, and for minutes or months.

    Raises:
        OverflowError: it is longer than 2.7 million years.
    """
    age = _AGE.fullmatch(text.strip())
    return None if age is None else timedelta(**{_LETTERS[age[2]]: int(age[1])})


def is_minutes_or_months(text: str) -> bool:
    """Return whether a text is an age whose ``m`` could be minutes or months."""
    return _MINUTES_OR_MONTHS.fullmatch(text.strip()) is not None


def read_age(text: str) -> timedelta:
    """Read an age such as ``26h``, ``30d`` or ``2w``.

    ``m`` is refused: it could be minutes or months.

    Raises:
        ValueError: the text is not an age, or too long; the message is a sentence for the user.
    """
    if is_minutes_or_months(text):
        raise ValueError(f"the m of {text} could be minutes or months; use h, d or w (26h, 30d)")
    try:
        age = match_age(text)
    except OverflowError:
        age = None
    if age is None or age > _LONGEST:
        raise ValueError(f"{text!r} is not an age; use hours, days or weeks (26h, 30d, 2w)")
    return age


def match_seconds(text: str) -> float | None:
    """Read ``30s``, ``90m``, ``6h``, ``2d`` or a number of seconds; None if it is not a span."""
    span = _SPAN.fullmatch(text.strip())
    return float(span[1]) * _seconds(span[2] or "s") if span else None


def span_as_typed(seconds: float) -> str:
    """Format a span as ``match_seconds`` reads it: 6h, 90m, 30s."""
    for letter in "dhm":
        if seconds >= _seconds(letter) and seconds % _seconds(letter) == 0:
            return f"{seconds / _seconds(letter):.0f}{letter}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def span_in_words(span: timedelta) -> str:
    """Format a span in its largest unit: ``3 hours``."""
    seconds = max(0, int(span.total_seconds()))
    for letter in "dhm":
        if count := seconds // _seconds(letter):
            return f"{count} {_LETTERS[letter].removesuffix('s' if count == 1 else '')}"
    return "less than a minute"


def _seconds(letter: str) -> int:
    return int(timedelta(**{_LETTERS[letter]: 1}).total_seconds())
