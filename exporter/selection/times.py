"""Dates, ages and spans of time, as they are typed. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from clearml_snapshot.exporter.errors import UsageError

_AGE: Final = re.compile(r"(\d+)\s*(h|d|w)")
_AGE_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_MINUTES_OR_MONTHS: Final = re.compile(r"\d+\s*(m|min|mo)")
"""An age that could be minutes or months."""
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_time(text: str, now: datetime) -> datetime:
    """Read a date, a time or an age, and convert it to UTC; without a zone it is local time.

    Args:
        text: ``2026-01-31``, ``2026-01-31T10:00``, ``2026-01-31 10:00+02:00``, ``7d``, ``12h``.
        now: the moment from which an age counts back, with a zone.

    Raises:
        UsageError: the text is not any of these.
    """
    if _MINUTES_OR_MONTHS.fullmatch(text.strip()):
        raise UsageError(
            f"the age {text!r} could be minutes or months; use hours, days or weeks (12h, 30d, "
            "4w), a date (2026-01-31) or a time (2026-01-31T10:00)"
        )
    if age := _AGE.fullmatch(text.strip()):
        try:
            return (now - timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})).astimezone(UTC)
        except OverflowError:
            raise UsageError(f"the age {text!r} goes back beyond the year 1") from None
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a valid time; use a date (2026-01-31), a time (2026-01-31T10:00, "
            "local unless it has a zone) or an age (12h, 7d, 2w)"
        ) from None


def read_span(text: str, option: str) -> float:
    """Read a span of time in seconds: ``30s``, ``90m``, ``6h``, ``2d``, or a number of seconds.

    Raises:
        UsageError: it is not a span, or it is 0.
    """
    span = _SPAN.fullmatch(text.strip())
    seconds = float(span[1]) * _SECONDS[span[2]] if span else 0.0
    if not seconds:
        raise UsageError(f"{option}: {text!r} is not a span of time; use 30s, 90m, 6h or 2d")
    return seconds
