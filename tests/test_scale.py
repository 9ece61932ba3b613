"""The arithmetic of docs/scale.md, by hand; and that what it rests on is recorded completely."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from docs.performance import Row
from docs.scale.page import PARTS, blocks
from docs.scale.plan import HERE, Plan
from tests.bench.scale import readers
from tests.bench.scale.bucket import Request, totals
from tests.bench.scale.commits import described
from tests.bench.scale.record import Used
from tests.bench.scale.writing import HELD, many_files


def dataset(files: int, rows: int, bytes_: int, tasks: int = 10) -> dict[str, Any]:
    small = {"tasks": tasks, "series": 20, "hyperparams": 30}
    return {
        "files": {"scalars": files},
        "rows": {"scalars": rows, **small},
        "bytes": {"scalars": bytes_, **small},
    }


def fetched(requests: int, bytes_: int) -> dict[str, int]:
    return {"requests": requests, "bytes_received": bytes_}


def of_files(manifest: int, requests: int) -> dict[str, Any]:
    asked = {"curve": {"cold": fetched(requests, 0)}}
    return {"copy": {"manifest": manifest, "views": manifest // 10}, "in a bucket": asked}


TEAM = {
    "tasks": 1_000,
    "points": 10**9,
    "writers": 4,
    "readers": 5,
    "questions_per_day": 2,
    "working_days": 20,
    "nights": 30,
    "days_of_history": 100,
}
ASSUMED = {
    "team": TEAM,
    "clearml": {"events_per_second": [50_000, 100_000], "events_per_page": 10_000},
    "store": {"request_seconds": 0.1, "requests_at_once": 2, "bytes_per_second": 10_000_000},
}
MEASURED = {
    "points": {
        "dataset": dataset(files=2, rows=1_000, bytes_=3_000),
        "copy": {"manifest": 500},
        "in a bucket": {
            "count of points": {"cold": fetched(4, 2_600), "again": fetched(1, 100)},
            "curve of one task": {"again": fetched(7, 1_000)},
        },
    },
    "planning": {
        "dataset": dataset(files=2, rows=20_000_000, bytes_=1, tasks=10),
        "listed": {"100": {"requests": 5}, "300": {"requests": 7}},
    },
    "files": {"1000": of_files(1_000, 1_010), "10000": of_files(10_000, 10_010)},
    "commits": {"into nothing": {"tries": {"1": 1, "3": 1}, "put_requests": {"median": 9}}},
}
GROWTH = [
    Row("curve", points, seconds, seconds, 1, None, None, None)
    for points, seconds in ((10**6, 1.0), (10**7, 1.0), (10**8, 10.0))
]


@pytest.fixture
def plan() -> Plan:
    return Plan(ASSUMED, MEASURED, GROWTH)


def test_what_is_stored_is_in_proportion(plan: Plan) -> None:
    assert plan.bytes_per_point == 3
    assert plan.files == 100  # of ten million points
    assert plan.other_bytes == 100 * (10 + 20 + 30)  # a hundred times the ten tasks
    assert plan.stored_bytes == 3e9 + 6_000
    assert plan.manifest_bytes == pytest.approx(100)  # a byte per file
    assert plan.views_bytes == pytest.approx(10)


def test_the_server_is_asked_page_by_page(plan: Plan) -> None:
    assert plan.export_seconds == (10_000, 20_000)
    assert plan.night_seconds == (100, 200)
    assert plan.pages == 100_000 + 1_000
    assert plan.listing_requests == pytest.approx(5 + 900 / 100)


def test_the_first_question_fetches_the_end_of_every_file(plan: Plan) -> None:
    assert plan.footer_bytes == (2_600 - 500 - 100) / 2
    assert plan.first_requests("curve") == pytest.approx(110)
    assert plan.first_bytes == pytest.approx(100 * 1_000 + 100)
    assert plan.first_seconds == pytest.approx(5 + 0.01, rel=1e-3)


def test_questions_grow_as_they_did_last(plan: Plan) -> None:
    assert plan.exponent("curve") == pytest.approx(1)
    assert plan.cpu_seconds_of("curve") == pytest.approx(100)


def test_every_part_of_the_bill(plan: Plan) -> None:
    price = {"gb_month": 2.0, "put_per_1000": 10.0, "get_per_1000": 1.0, "gb_out": 100.0}
    bill = plan.money(price)
    assert plan.commits_per_month == 120
    assert plan.tries_per_commit == 2
    assert bill["data"] == pytest.approx(6, rel=1e-5)
    assert bill["manifests of one month"] == pytest.approx(120 * 2 * 110 / 1e9 * 2)
    assert bill["writing"] == pytest.approx(120 * 9 / 1000 * 10)
    asked = 5 * 20 * 2
    assert bill["reading"] == pytest.approx((5 * 100 + asked * 7) / 1000)
    read = 5 * plan.first_bytes + 5 * 20 * 100 + asked * 1_000
    assert bill["reading from outside"] == pytest.approx(read / 1e9 * 100)


def test_every_record_says_how_it_was_made() -> None:
    recorded = json.loads((HERE / "measured.json").read_text(encoding="utf-8"))
    assert recorded.keys() == {*PARTS}
    for part, record in recorded.items():
        about = record["about"]
        assert about["command"] == f"python -m tests.bench.scale {part}"
        assert about["date"].endswith(" UTC")
        assert all(about[key] for key in ("machine", "load", "seconds"))


def test_the_page_has_no_figure_that_is_not_a_number() -> None:
    text = "".join(blocks().values())
    assert "nan" not in text.split()
    assert "inf" not in text.split()
    assert not any(math.isnan(row.seconds) for row in Plan.read().growth)


def test_requests_are_counted_as_they_are_paid_for() -> None:
    seen = [
        Request("W0", "PUT", "data/current.json", 200, 10, 0, 1.0),
        Request("W0", "GET", "/simulation", 200, 0, 20, 1.0),  # a list costs as much as a put
        Request("W0", "GET", "data/current.json", 200, 0, 30, 1.0),
    ]
    assert totals(seen) == {
        "requests": 3,
        "put_requests": 2,
        "get_requests": 1,
        "bytes_sent": 10,
        "bytes_received": 50,
    }


def test_tries_of_writers_are_told_apart_by_their_keys() -> None:
    pointer = [("W0", 200), ("W1", 412), ("W1", 200)]
    seen = [
        Request(who, "PUT", "data/current.json", status, 10, 0, at)
        for at, (who, status) in enumerate(pointer)
    ]
    seen += [Request("W1", "GET", "data/current.json", 200, 0, 10, 4.0)] * 3
    record = described(seen, [Used(1, 1, 1, 0), Used(2, 2, 2, 0)], 3.0)
    assert (record["commits"], record["tries"]) == (2, {"1": 1, "2": 1})
    assert record["seconds_between_commits"] == 2
    assert record["looks"] == {"least": 0, "median": 1.5, "most": 3}


def test_a_reader_of_a_mixed_state_is_found() -> None:
    used = Used(1, 1, 1, 0)
    answers = [(used, (2, 2, 2)), (used, (3, 3, 2)), (Used(1, 1, 1, 2), None), (used, (2, 2, 2))]
    seen = [Request("R1", "GET", "data/current.json", 200, 0, 10, 1.0)]
    record = readers.described(seen, answers, [used, Used(1, 1, 1, 8)], 2.0)
    assert (record["readers"], record["succeeded"], record["mixed"]) == (4, 3, 1)
    assert (record["snapshots_seen"], record["exports_succeeded"]) == (2, 1)
    assert record["requests"] == {"least": 0, "median": 0, "most": 1}
    assert record["requests_per_second"] == 0.5


def test_a_dataset_with_a_file_per_task(tmp_path: Path) -> None:
    many_files(tmp_path / "data", 12)
    snapshot = open_snapshot(tmp_path / "data")
    assert len(snapshot.paths("scalars")) == 12
    assert snapshot.totals.points == 12 * HELD
    assert verify(tmp_path / "data").problems == ()
