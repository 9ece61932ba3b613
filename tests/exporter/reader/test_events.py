"""One odd event on a page: the rest is stored, the odd is counted, the counts still agree."""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.client.failures import DamagedBodyError
from clearml_snapshot.exporter.reader.events import EventPage, clean_text, decode_page
from clearml_snapshot.exporter.standin.data.database import Database

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
TASK = "0" * 32
STAMP = 1_760_000_000_000


def event(task: str = TASK, **fields: str) -> str:
    """Write an event whose fields are given as JSON text; an empty text leaves a field out."""
    usual = {
        "task": f'"{task}"',
        "type": '"training_stats_scalar"',
        "metric": '"odd"',
        "variant": '"one"',
        "iter": "5",
        "value": "1.5",
        "timestamp": str(STAMP),
        "worker": '"w"',
    }
    return "{" + ",".join(f'"{k}":{v}' for k, v in {**usual, **fields}.items() if v) + "}"


def page(*events: str, total: object = None) -> bytes:
    returned = json.dumps(len(events) if total is None else total)
    body = (
        f'"returned":{len(events)},"total":{returned},"scroll_id":"s","events":[{",".join(events)}]'
    )
    return f'{{"meta":{{}},"data":{{{body}}}}}'.encode("utf-8", "surrogatepass")


def decode(*events: str) -> EventPage:
    return decode_page(TASK, page(*events))


Stored = dict[str, Any]
NAN = float("nan")

VALUES: dict[str, tuple[dict[str, str], Stored, int]] = {
    "a text value": ({"value": '"0.5"'}, {"value": None}, 1),
    "a null value": ({"value": "null"}, {"value": None}, 1),
    "no value": ({"value": ""}, {"value": None}, 1),
    "a list as value": ({"value": "[1]"}, {"value": None}, 1),
    "true as value": ({"value": "true"}, {"value": None}, 1),
    "false as value": ({"value": "false"}, {"value": None}, 1),
    "1e400": ({"value": "1e400"}, {"value": math.inf}, 1),
    "-1e400": ({"value": "-1e400"}, {"value": -math.inf}, 1),
    "a bare Infinity": ({"value": "Infinity"}, {"value": math.inf}, 1),
    "a bare -Infinity": ({"value": "-Infinity"}, {"value": -math.inf}, 1),
    "a bare NaN": ({"value": "NaN"}, {"value": NAN}, 0),
    "2^53": ({"value": str(2**53)}, {"value": 2.0**53}, 0),
    "2^53 + 1": ({"value": str(2**53 + 1)}, {"value": 2.0**53}, 1),
    "-2^53 - 1": ({"value": str(-(2**53) - 1)}, {"value": -(2.0**53)}, 1),
    "2^64 + 1": ({"value": str(2**64 + 1)}, {"value": 2.0**64}, 1),
    "2^64": ({"value": str(2**64)}, {"value": 2.0**64}, 0),
    "10^400": ({"value": "1" + "0" * 400}, {"value": math.inf}, 1),
    "5,000 digits": ({"value": "-1" + "0" * 5_000}, {"value": -math.inf}, 1),
    "minus zero": ({"value": "-0.0"}, {"value": -0.0}, 0),
    "the smallest double": ({"value": "5e-324"}, {"value": 5e-324}, 0),
    "a great double": ({"value": "1e308"}, {"value": 1e308}, 0),
    "iteration 3.0": ({"iter": "3.0"}, {"iteration": 3}, 0),
    "iteration -2^63": ({"iter": str(-(2**63))}, {"iteration": -(2**63)}, 0),
    "iteration 2^63 - 1": ({"iter": str(2**63 - 1)}, {"iteration": 2**63 - 1}, 0),
    "the iteration of single values": ({"iter": str(-(2**31))}, {"iteration": None}, 0),
    "a time after the year 9999": ({"timestamp": "253402300800000"}, {"timestamp": None}, 1),
    "the last time": ({"timestamp": "253402300799999"}, {"timestamp": 253402300799999}, 0),
    "a time before the year 1": ({"timestamp": "-62135596800001"}, {"timestamp": None}, 1),
    "the first time": ({"timestamp": "-62135596800000"}, {"timestamp": -62135596800000}, 0),
    "a time beyond int64": ({"timestamp": str(2**70)}, {"timestamp": None}, 1),
    "a time that is a text": ({"timestamp": '"yesterday"'}, {"timestamp": None}, 1),
    "a time that is infinite": ({"timestamp": "1e400"}, {"timestamp": None}, 1),
    "a time with a fraction": ({"timestamp": f"{STAMP}.75"}, {"timestamp": STAMP}, 0),
    "no time": ({"timestamp": ""}, {"timestamp": None}, 0),
    "time null": ({"timestamp": "null"}, {"timestamp": None}, 0),
    "an odd value and an odd time": (
        {"value": "null", "timestamp": '"x"'},
        {"value": None, "timestamp": None},
        1,
    ),
    "no worker": ({"worker": ""}, {"worker": None}, 0),
    "worker null": ({"worker": "null"}, {"worker": None}, 0),
    "a number as worker": ({"worker": "3"}, {"worker": None}, 0),
    "a lone surrogate in the metric": ({"metric": '"a\\ud800b"'}, {"metric": "a\ufffdb"}, 0),
    "a lone surrogate in the variant": ({"variant": '"\\udfff"'}, {"variant": "\ufffd"}, 0),
    "a lone surrogate in the worker": ({"worker": '"\\ud83d"'}, {"worker": "\ufffd"}, 0),
    "lone surrogate bytes": ({"variant": '"\ud800"'}, {"variant": "\ufffd"}, 0),
    "a pair of surrogates": ({"variant": '"\\ud83d\\ude00"'}, {"variant": "\U0001f600"}, 0),
    "NUL in a name": ({"variant": '"a\\u0000b"'}, {"variant": "a\x00b"}, 0),
    "extra fields": ({"extra": '{"deep": [1, null]}', "@timestamp": '"now"'}, {}, 0),
}

NOT_IN_STANDIN = {"5,000 digits"}
"""Its own json reads no such number."""

USELESS: dict[str, dict[str, str]] = {
    "iteration 3.5": {"iter": "3.5"},
    "iteration null": {"iter": "null"},
    "no iteration": {"iter": ""},
    "a text as iteration": {"iter": '"5"'},
    "true as iteration": {"iter": "true"},
    "iteration 2^63": {"iter": str(2**63)},
    "iteration -2^63 - 1": {"iter": str(-(2**63) - 1)},
    "iteration 1e400": {"iter": "1e400"},
    "iteration NaN": {"iter": "NaN"},
    "no metric": {"metric": ""},
    "variant null": {"variant": "null"},
    "a number as metric": {"metric": "7"},
}


def rows(decoded: EventPage) -> list[dict[str, Any]]:
    points = decoded.points.to_pylist()
    for row in points:
        moment = row["timestamp"]
        row["timestamp"] = None if moment is None else round(moment.timestamp() * 1000)
    return points


def same(first: object, second: object) -> bool:
    """Compare exactly: NaN with NaN, and 0.0 is not -0.0."""
    if isinstance(first, float) and isinstance(second, float):
        return repr(first) == repr(second)
    return first == second


@pytest.mark.parametrize("odd", VALUES)
def test_an_odd_field_is_stored_as_well_as_can_be(odd: str) -> None:
    fields, expected, bad = VALUES[odd]
    decoded = decode(event(metric='"m"', iter="1"), event(**fields), event(metric='"z"', iter="9"))
    assert (decoded.returned, decoded.bad, decoded.dropped) == (3, bad, 0)
    first, stored, last = rows(decoded)
    usual = {
        "task_id": TASK,
        "metric": "odd",
        "variant": "one",
        "iteration": 5,
        "timestamp": STAMP,
        "value": 1.5,
        "worker": "w",
    }
    for name, cell in {**usual, **expected}.items():
        assert same(stored[name], cell), name
    assert first == {**usual, "metric": "m", "iteration": 1}
    assert last == {**usual, "metric": "z", "iteration": 9}


@pytest.mark.parametrize("odd", USELESS)
def test_an_event_without_a_usable_key_is_dropped_and_counted(odd: str) -> None:
    decoded = decode(event(iter="1"), event(**USELESS[odd]), event(iter="9"))
    assert (decoded.returned, decoded.bad, decoded.dropped) == (3, 0, 1)
    assert [row["iteration"] for row in rows(decoded)] == [1, 9]
    assert (decoded.first, decoded.last) == (1, 9)


def test_where_a_page_ends() -> None:
    assert not decode(event(iter="0")).can_follow
    assert not decode(event(iter="1"), event(iter="7.5")).can_follow
    assert not decode(event(iter="1"), event(iter="7.0")).can_follow
    assert decode(event(iter="1"), event(value="null", iter="7")).can_follow
    decoded = decode(event(iter="1"), event(iter="7"), event(iter="7.5", variant='"x"'))
    assert (decoded.last, decoded.at_last) == (7, 2)


def test_a_time_that_is_far_out_does_not_spoil_the_table() -> None:
    decoded = decode(event(timestamp=str(2**63 - 1)), event(iter="6"))
    assert [row["timestamp"] for row in rows(decoded)] == [None, STAMP]


def test_no_events() -> None:
    decoded = decode()
    assert (decoded.points.num_rows, decoded.returned, decoded.total) == (0, 0, 0)
    assert (decoded.first, decoded.last, decoded.at_last) == (None, None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\x00\xff{not json",
        b"null",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": {"events": 3}}',
        b'{"data": {"events": [3]}}',
        page(event())[:-9],
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_a_page_is_damage(body: bytes) -> None:
    with pytest.raises(DamagedBodyError):
        decode_page(TASK, body)


def test_lone_surrogates_only_are_replaced() -> None:
    assert clean_text("a\ud800b\udc00\U0001f600") == "a\ufffdb\ufffd\U0001f600"


def test_a_page_of_odd_events_end_to_end(take_home: TakeHome) -> None:
    """Export a task that has one of each: the rest is complete, numbers agree, it is partial."""
    database = Database()
    task = database.add_task("odd", "project")
    regular = [{"metric": "loss", "variant": "train", "iter": at, "value": at} for at in range(500)]
    database.report(task, regular)
    cases = [case for name, case in VALUES.items() if name not in NOT_IN_STANDIN]
    kept = [fields for fields, _, _ in cases if "metric" not in fields]
    # A key that arrives as two spellings of one, 5 and 5.0, is one point here and two there.
    for number, fields in enumerate(kept):
        own = {"variant": f'"v{number}"', **fields}
        database.put_raw(task, event(task, **own))
    database.put_raw(task, event(task, iter="3.5"))
    database.put_raw(task, event(task, variant='"twice"', iter="6"))
    database.put_raw(task, event(task, variant='"twice"', iter="6.0"))
    database.report(task, [{"metric": "loss", "variant": "end", "iter": 2**63 - 1, "value": 1}])
    home = take_home(database)
    report = home.export()
    row, points = home.tasks()[task], home.points()
    expected = len(database.events[task])
    assert (row["state"], report.exit_code) == ("partial", 3)
    assert row["points_expected"] == expected
    assert row["points_stored"] == len(points) == expected - row_odd(row["reason"])
    assert row["points_bad"] == sum(bad for fields, _, bad in cases if "metric" not in fields)
    assert report.points_bad == row["points_bad"]
    assert all((task, "loss", "train", at) in points for at in range(500))
    home.check_series()


def row_odd(reason: str) -> int:
    number, _, rest = reason.partition(" ")
    assert rest.endswith("points have no usable iteration of their own")
    return int(number)


def test_odd_values_alone_leave_a_task_complete(take_home: TakeHome) -> None:
    database = Database()
    task = database.add_task("odd", "project")
    for number, value in enumerate(("null", '"text"', "", "1e400", str(2**64 + 1), "0.25")):
        database.put_raw(task, event(task, iter=str(number), value=value))
    home = take_home(database)
    assert home.export().exit_code == 0
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_bad"]) == ("complete", 6, 5)
    values = [value for _, (value, _, _) in sorted(home.points().items())]
    assert values == [None, None, None, math.inf, 2.0**64, 0.25]
