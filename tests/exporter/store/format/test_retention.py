"""Which snapshots stay: a number, an age, a calendar in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.spans import read_age
from clearml_snapshot.exporter.store.format.retention import Retention, kept

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RULES = ("1", "2", "9", "12h", "30d", "2w", "7d,4w,12m", "1d,1m", "3w,2d")
MOMENTS = st.lists(
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 26), timezones=st.just(UTC)), max_size=40
)


def days_back(*ages: float) -> dict[int, datetime]:
    """Number snapshots of these ages in days, the oldest first."""
    return {n: NOW - timedelta(days=age) for n, age in enumerate(sorted(ages, reverse=True), 1)}


@pytest.mark.parametrize(
    ("rule", "ages", "left"),
    [
        ("2", (5, 4, 3), {4, 3}),
        ("30d", (90, 31, 30, 2), {30, 2}),
        ("30d", (90, 40), {40}),
        ("2d,1w", (3, 2, 1.2, 1.1, 0.1), {1.1, 0.1}),
        ("1d,2m", (60, 40, 30, 10, 1, 0), {30, 0}),
        # No export for months: the days that have a snapshot are the ones that count.
        ("3d,1m", (200, 199, 198, 197, 0), {198, 197, 0}),
    ],
)
def test_what_stays(rule: str, ages: tuple[float, ...], left: set[float]) -> None:
    created = days_back(*ages)
    numbers = kept(created, Retention.parse(rule), NOW)
    assert {round((NOW - created[n]).total_seconds() / 86_400, 6) for n in numbers} == left


def test_days_end_at_midnight_utc() -> None:
    there = timezone(timedelta(hours=9))
    created = {
        1: datetime(2026, 11, 25, 23, 59, tzinfo=UTC),
        2: datetime(2026, 11, 26, 9, 1, tzinfo=there),  # 00:01 UTC, the same day there as 3
        3: datetime(2026, 11, 26, 23, 0, tzinfo=there),
    }
    assert kept(created, Retention.parse("2d,1w"), NOW) == {1, 3}


def test_weeks_are_those_of_iso_8601() -> None:
    """2026-12-31 and 2027-01-01 are in one week; Sunday and Monday are not."""
    created = {n: datetime(2026, 12, 26, tzinfo=UTC) + timedelta(days=n) for n in range(1, 8)}
    assert kept(created, Retention.parse("1d,9w"), NOW) == {1, 7}


def test_snapshots_of_one_moment_count_once() -> None:
    created = {1: NOW - timedelta(days=2), 2: NOW - timedelta(days=1)}
    created |= dict.fromkeys((3, 4, 5), created[2])
    assert kept(created, Retention.parse("2"), NOW) == {1, 5}


def test_a_year_of_nights_keeps_what_is_promised() -> None:
    rule, held = Retention.parse("7d,4w,12m"), dict[int, datetime]()
    for night in range(1, 400):
        held[night] = datetime(2025, 1, 1, 3, tzinfo=UTC) + timedelta(days=night)
        stay = kept(held, rule, held[night])
        held = {number: held[number] for number in stay}
    last = datetime(2025, 1, 1, 3, tzinfo=UTC) + timedelta(days=399)
    ages = sorted((last - moment).days for moment in held.values())
    assert ages[:7] == list(range(7))
    assert len({moment.isocalendar()[:2] for moment in held.values()}) >= 4
    assert len({(moment.year, moment.month) for moment in held.values()}) == 12
    assert len(held) <= 7 + 4 + 12


@given(MOMENTS, st.sampled_from(RULES))
def test_pruning_again_removes_nothing_more(moments: list[datetime], rule: str) -> None:
    created, retention = dict(enumerate(moments, 1)), Retention.parse(rule)
    once = kept(created, retention, NOW)
    assert once <= set(created)
    assert (max(created) in once) if created else not once
    assert kept({number: created[number] for number in once}, retention, NOW) == once


@given(MOMENTS, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_each_of_the_last_periods_keeps_its_newest(
    moments: list[datetime], days: int, weeks: int, months: int
) -> None:
    created = dict(enumerate(moments, 1))
    stay = kept(created, Retention.parse(f"{days}d,{weeks}w,{months}m"), NOW)
    for form, most in (("%Y-%m-%d", days), ("%G-%V", weeks), ("%Y-%m", months)):
        newest = dict[str, int]()
        for number in sorted(created):  # dicts keep the first position: insert it again at the end
            newest.pop(f"{created[number]:{form}}", None)
            newest[f"{created[number]:{form}}"] = number
        assert set(list(newest.values())[-most:]) <= stay | {
            n for n in created if created[n] in {created[s] for s in stay}
        }
    assert len(stay) <= days + weeks + months


@pytest.mark.parametrize("text", ["30m", "1m"])
def test_an_age_in_m_is_refused(text: str) -> None:
    for read in (Retention.parse, read_age):
        with pytest.raises(ValueError, match="minutes or months"):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "two",
        "²",
        "1.5",
        "d",
        "7d,",
        ",7d",
        "7d,7d",
        "0d,1m",
        "7d,4h",
        "99999",
        "999999d",
        "7d,99999m",
        "2026-01-01",
    ],
)
def test_what_is_not_a_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"give"):
        Retention.parse(text)


def test_rules_in_words() -> None:
    texts = {rule: str(Retention.parse(rule)) for rule in ("1", "6", "30d", "7d,4w,12m")}
    assert texts == {
        "1": "the newest snapshot",
        "6": "the newest 6",
        "30d": "those of the last 30d",
        "7d,4w,12m": "the newest of each of the last 7 days, 4 weeks, 12 months (UTC)",
    }
