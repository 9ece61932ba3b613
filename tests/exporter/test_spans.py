"""Spans and ages are read as they are typed, and written in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.spans import (
    match_age,
    match_seconds,
    read_age,
    span_as_typed,
    span_in_words,
)

NOW = datetime(2024, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (60, "1 minute"),
        (7200, "2 hours"),
        (90_000, "1 day"),
        (86_400 * 30, "30 days"),
    ],
)
def test_a_span_in_words_has_its_largest_unit(seconds: int, words: str) -> None:
    assert span_in_words(timedelta(seconds=seconds)) == words


@given(st.integers(1, 10**7) | st.floats(0.1, 1e4).map(lambda number: round(number, 3)))
def test_a_written_span_is_read_as_it_was(seconds: float) -> None:
    assert match_seconds(span_as_typed(seconds)) == pytest.approx(seconds, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "typed"),
    [("90", "90s"), ("1.5h", "90min"), ("2 hours", "2h"), (" 48 h ", "2d"), ("60s", "1min")],
)
def test_a_span_is_written_in_its_largest_exact_unit(text: str, typed: str) -> None:
    seconds = match_seconds(text)
    assert seconds is not None
    assert span_as_typed(seconds) == typed


@pytest.mark.parametrize("text", ["", "h", "-1h", "1mo", "1y", "1e3", "2 h 3 m", "90m"])
def test_another_text_is_not_a_span(text: str) -> None:
    assert match_seconds(text) is None


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("26h", timedelta(hours=26)),
        ("30d", timedelta(days=30)),
        ("2 w", timedelta(weeks=2)),
        ("90 min", timedelta(minutes=90)),
        ("1 Hour", timedelta(hours=1)),
        ("3 weeks", timedelta(weeks=3)),
    ],
)
def test_an_age_is_read(text: str, age: timedelta) -> None:
    assert match_age(text) == read_age(text)
    assert NOW - read_age(text).before(NOW) == age


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1mo", "2024-02-29"),
        ("2 months", "2024-01-31"),
        ("4mo", "2023-11-30"),
        ("1y", "2023-03-31"),
        ("13mo", "2023-02-28"),
        ("2023years", "0001-03-31"),
    ],
)
def test_months_and_years_are_those_of_the_calendar(text: str, moment: str) -> None:
    assert read_age(text).before(NOW) == datetime.fromisoformat(f"{moment}T12:00:00Z")


@pytest.mark.parametrize("text", ["2024y", "24288mo", "999999w"])
def test_no_moment_is_before_the_year_1(text: str) -> None:
    age = match_age(text)
    assert age is not None
    with pytest.raises(OverflowError):
        age.before(NOW)


@pytest.mark.parametrize(
    "text", ["", "h", "1.5h", "-1d", "1yy", "30s", "999999w", f"{10**30}d", "99999y"]
)
def test_another_text_is_not_an_age(text: str) -> None:
    with pytest.raises(ValueError, match="is not an age; use 90min, 26h, 30d, 2w, 6mo or 1y"):
        read_age(text)


@pytest.mark.parametrize("text", ["5m", "5 M", " 5m"])
def test_minutes_or_months_are_refused(text: str) -> None:
    assert match_age(text) is None
    assert match_seconds(text) is None
    with pytest.raises(ValueError, match="could be minutes or months; use 5min or 5mo"):
        read_age(text)
