"""Counting the keys of a page, at the edges of what an iteration can be."""

import json

import pytest

from clearml_snapshot.exporter.reader.events import decode_page, distinct

SINGLE = -(2**31)


def page(*keys: tuple[str, str, int]) -> bytes:
    events = [
        {"metric": m, "variant": v, "iter": i, "value": float(n), "timestamp": n, "worker": "w"}
        for n, (m, v, i) in enumerate(keys)
    ]
    return json.dumps({"data": {"events": events, "total": len(events)}}).encode()


@pytest.mark.parametrize("iteration", [-(2**63), -(2**63) + 1, SINGLE, -1, 0, 2**63 - 1])
def test_one_iteration_at_an_edge(iteration: int) -> None:
    points = decode_page("t", page(("a", "x", iteration), ("a", "y", iteration))).points
    assert distinct(points).num_rows == 2


def test_both_ends_and_a_single_value_are_three_keys() -> None:
    ends = page(("a", "x", -(2**63)), ("a", "x", SINGLE), ("a", "x", 2**63 - 1))
    assert distinct(decode_page("t", ends).points).num_rows == 3


@pytest.mark.parametrize("iteration", [-(2**63), SINGLE, 0, 7])
def test_of_equal_keys_the_latest_row_stays(iteration: int) -> None:
    points = decode_page("t", page(("a", "x", iteration), ("a", "x", iteration))).points
    assert distinct(points)["value"].to_pylist() == [1.0]
