"""Dates, ages and spans of time, as they are typed. Pure."""

from datetime import UTC, datetime

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.spans import (
    is_minutes_or_months,
    match_age,
    match_seconds,
    minutes_or_months,
)


def parse_time(text: str, now: datetime) -> datetime:
    """Read a date, a time or an age, and convert it to UTC; without a zone it is local time.

    Args:
        text: ``2026-01-31``, ``2026-01-31T10:00``, ``2026-01-31 10:00+02:00``, ``7d``, ``12h``,
            ``6mo``, ``1y``.
        now: the moment from which an age counts back, with a zone.

    Raises:
        UsageError: the text is not any of these.
    """
    if is_minutes_or_months(text):
        raise UsageError(f"the age {minutes_or_months(text)}")
    try:
        age = match_age(text)
        if age is not None:
            return age.before(now.astimezone(UTC))
    except OverflowError:
        raise UsageError(f"the age {text!r} goes back beyond the year 1") from None
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a valid time; use a date (2026-01-31), a time (2026-01-31T10:00, "
            "local unless it has a zone) or an age (90min, 12h, 7d, 2w, 6mo, 1y)"
        ) from None


def read_span(text: str, option: str) -> float:
    """Read a span of time in seconds: ``30s``, ``90min``, ``6h``, ``2d``, or a number of seconds.

    Raises:
        UsageError: it is not a span, or it is 0.
    """
    if is_minutes_or_months(text):
        raise UsageError(f"{option}: {minutes_or_months(text).rpartition(' or ')[0]}")
    seconds = match_seconds(text)
    if not seconds:
        raise UsageError(f"{option}: {text!r} is not a span of time; use 30s, 90min, 6h or 2d")
    return seconds
