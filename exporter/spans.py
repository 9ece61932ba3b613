"""Parses and formats spans of time and ages. No I/O."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_WORDS: Final = {
    "s": "seconds",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
    "mo": "months",
    "y": "years",
}
_SPAN_UNITS: Final = ("d", "h", "min")
_TYPED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_MONTHS: Final = {"mo": 1, "y": 12}
_SHORT: Final = frozenset({"s", "min", "h", "d", "w"})
_MOST: Final = 99_999_999
"""Units of an age: larger numbers cannot be subtracted from any date."""


@dataclass(frozen=True, slots=True)
class Age:
    """An age as typed; months and years are those of the calendar."""

    number: int
    unit: str
    """One of min, h, d, w, mo, y."""

    def before(self, moment: datetime) -> datetime:
        """Return the moment that lies this age before another.

        A month before March 31 is the last day of February.

        Raises:
            OverflowError: there is none, as it would be before the year 1.
        """
        months = _MONTHS.get(self.unit)
        if months is None:
            return moment - timedelta(**{_WORDS[self.unit]: self.number})
        year, month = divmod(moment.year * 12 + moment.month - 1 - months * self.number, 12)
        if year < 1:
            raise OverflowError("before the year 1")
        day = min(moment.day, monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day)

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"


def match_age(text: str) -> Age | None:
    """Read ``26h``, ``30d``, ``2 weeks``, ``6mo`` or ``1y``.

    None if it is not an age, and for ``m``, which could be minutes or months.
    """
    typed = _TYPED.fullmatch(text.strip())
    unit = _unit(typed[2]) if typed else None
    if typed is None or unit in (None, "s") or not typed[1].isdigit() or int(typed[1]) > _MOST:
        return None
    return Age(int(typed[1]), unit or "")


def is_minutes_or_months(text: str) -> bool:
    """Return whether a text is a span or an age in ``m``, which could be minutes or months."""
    return re.fullmatch(r"[0-9.]+\s*[mM]", text.strip()) is not None


def minutes_or_months(text: str) -> str:
    """Return the sentence that refuses ``m``."""
    number = text.strip().rstrip("mM").rstrip()
    return f"{text!r} could be minutes or months; use {number}min or {number}mo"


def read_age(text: str) -> Age:
    """Read an age such as ``26h``, ``30d``, ``2w``, ``6mo`` or ``1y``.

    Raises:
        ValueError: the text is not an age, or too long; the message is a sentence for the user.
    """
    if is_minutes_or_months(text):
        raise ValueError(minutes_or_months(text))
    age = match_age(text)
    if age is None or _is_longer_than_all_time(age):
        raise ValueError(f"{text!r} is not an age; use 90min, 26h, 30d, 2w, 6mo or 1y")
    return age


def match_seconds(text: str) -> float | None:
    """Read ``30s``, ``90min``, ``6h``, ``2d`` or a number of seconds; None if it is not a span."""
    typed = _TYPED.fullmatch(text.strip())
    unit = (_unit(typed[2]) if typed[2] else "s") if typed else None
    if typed is None or unit not in _SHORT:
        return None
    return float(typed[1]) * _seconds(unit)


def span_as_typed(seconds: float) -> str:
    """Format a span as ``match_seconds`` reads it: 6h, 90min, 30s."""
    for unit in _SPAN_UNITS:
        if seconds >= _seconds(unit) and seconds % _seconds(unit) == 0:
            return f"{seconds / _seconds(unit):.0f}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def span_in_words(span: timedelta) -> str:
    """Format a span in its largest unit: ``3 hours``."""
    seconds = max(0, int(span.total_seconds()))
    for unit in _SPAN_UNITS:
        if count := seconds // _seconds(unit):
            return f"{count} {_WORDS[unit].removesuffix('s' if count == 1 else '')}"
    return "less than a minute"


def moment_in_utc(moment: datetime) -> str:
    """Format a moment in UTC as notes print it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _unit(text: str) -> str | None:
    """Return the unit of a word: ``h``, ``hour`` and ``hours`` are ``h``."""
    word = text.casefold()
    names = ((unit, *{plural, plural.removesuffix("s")}) for unit, plural in _WORDS.items())
    return next((spellings[0] for spellings in names if word in spellings), None)


def _is_longer_than_all_time(age: Age) -> bool:
    try:
        age.before(datetime.max)
    except OverflowError:
        return True
    return False


def _seconds(unit: str) -> int:
    return int(timedelta(**{_WORDS[unit]: 1}).total_seconds())
