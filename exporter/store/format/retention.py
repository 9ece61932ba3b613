"""Decides which snapshots stay when an export ends: by number, age or calendar. Pure, no I/O.

A calendar such as ``7d,4w,12m`` keeps the newest snapshot of each of the last 7 days, 4 weeks and
12 months, in UTC; weeks begin on Monday (ISO 8601). Only days, weeks and months that have a
snapshot are counted, so a dataset that was not exported for a year loses nothing on the first
export afterwards.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from clearml_snapshot.exporter.spans import (
    Age,
    is_minutes_or_months,
    minutes_or_months,
    moment_in_utc,
    read_age,
)

_MOST: Final = 9_999
_PERIODS: Final[Mapping[str, tuple[str, Callable[[datetime], tuple[int, ...]]]]] = {
    "d": ("day", lambda moment: (moment.year, moment.month, moment.day)),
    "w": ("week", lambda moment: tuple(moment.isocalendar()[:2])),
    "m": ("month", lambda moment: (moment.year, moment.month)),
    "y": ("year", lambda moment: (moment.year,)),
}
"""Of each unit of a calendar its name, and the period that a moment in UTC is in."""


@dataclass(frozen=True, slots=True)
class Retention:
    """A rule, in one of three forms; ``parse`` makes it."""

    text: str
    """As typed, and as ``snapshot.json`` holds it: ``2``, ``30d``, ``7d,4w,12m``."""
    newest: int | None = None
    """How many finished exports stay."""
    age: Age | None = None
    """How old they may be."""
    calendar: tuple[tuple[str, int], ...] = ()
    """Of each unit (d, w, m, y) how many periods keep their newest snapshot."""

    @classmethod
    def parse(cls, text: str) -> "Retention":
        """Read a rule.

        Raises:
            ValueError: it is not one; its text is a sentence.
        """
        if "," in text:
            return cls(text, calendar=_calendar(text))
        if re.fullmatch(r"[0-9]{1,4}", text) and int(text) >= 1:
            return cls(text, newest=int(text))
        if re.fullmatch(r"[0-9]{1,5}(min|h|d|w|mo|y)", text):
            return cls(text, age=read_age(text))
        if is_minutes_or_months(text):
            raise ValueError(
                f"{minutes_or_months(text)}, or a calendar (7d,12m), where m is months"
            )
        raise ValueError(
            f"{text!r} is not a rule; give a number of exports (at least 1), an age such as 30d, "
            "or a calendar such as 7d,4w,12m"
        )

    def described(self, now: datetime) -> str:
        """Describe which snapshots stay, an age as the moment that it means now."""
        if self.age is None:
            return str(self)
        return f"{self}, since {moment_in_utc(self.age.before(now.astimezone(UTC)))}"

    def __str__(self) -> str:
        """Describe which snapshots stay."""
        if self.newest is not None:
            return "the newest snapshot" if self.newest == 1 else f"the newest {self.newest:,}"
        if self.age is not None:
            return f"those of the last {self.text}"
        parts = [f"{number:,} {_PERIODS[unit][0]}s" for unit, number in self.calendar]
        return f"the newest of each of the last {', '.join(parts)} (UTC)"


DEFAULT: Final = Retention("2", newest=2)
"""The default: one step back is possible."""


def kept(created: Mapping[int, datetime], retention: Retention, now: datetime) -> set[int]:
    """Choose the snapshots that stay; the one with the highest number always does.

    Snapshots of the same moment have the same contents (a failed run, a forgotten selection):
    only the newest of them counts.

    Args:
        created: finished snapshots by number, each with the moment of its contents.
        retention: the rule.
        now: what an age counts back from, with a zone.
    """
    if not created:
        return set()
    distinct = {moment: number for number, moment in sorted(created.items())}
    newest_first = sorted(distinct.values(), reverse=True)
    if retention.newest is not None:
        chosen = newest_first[: retention.newest]
    elif retention.age is not None:
        cut_off = retention.age.before(now)
        chosen = [number for number in newest_first if created[number] >= cut_off]
    else:
        chosen = []
        for unit, most in retention.calendar:
            chosen += _of_periods(newest_first, created, unit, most)
    return {newest_first[0], *chosen}


def _of_periods(
    newest_first: Sequence[int], created: Mapping[int, datetime], unit: str, most: int
) -> list[int]:
    """Return the newest snapshot of each of the last periods that have one."""
    period = _PERIODS[unit][1]
    first: dict[tuple[int, ...], int] = {}
    for number in newest_first:
        first.setdefault(period(created[number].astimezone(UTC)), number)
    return list(first.values())[:most]


def _calendar(text: str) -> tuple[tuple[str, int], ...]:
    parts = [re.fullmatch(r"([0-9]{1,4})(d|w|mo?|y)", part) for part in text.split(",")]
    counts = [(part[2].removesuffix("o"), int(part[1])) for part in parts if part is not None]
    is_calendar = len(counts) == len(parts) == len({unit for unit, _ in counts})
    if not is_calendar or not all(1 <= number <= _MOST for _, number in counts):
        raise ValueError(
            f"{text!r} is not a calendar; give days, weeks, months and years, each at most once "
            "and at least 1 (7d,4w,12m)"
        )
    return tuple(counts)
