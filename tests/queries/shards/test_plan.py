"""Parts hold every series once, in order, and no more points than they may."""

from itertools import pairwise
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.queries.shards.plan import Key, Pair, Part, TaskRange, plan, plan_tasks

PAIRS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 9), st.integers(0, 99)
    ),
    unique_by=lambda pair: pair[:2],
).map(lambda pairs: [Pair(*pair) for pair in sorted(pairs)])


def test_small_pairs_share_a_part_and_a_large_one_is_sliced() -> None:
    pairs = [
        Pair("a", "x", 1, 4),
        Pair("a", "y", 1, 5),
        Pair("b", "x", 3, 25),
        Pair("c", "x", 1, 2),
    ]
    assert plan(pairs, "series", most=10) == (
        Part((("a", "x"), ("a", "y"))),
        *(Part((("b", "x"),), number, 3) for number in range(3)),
        Part((("c", "x"),)),
    )
    assert plan(pairs, "metric", most=10) == (
        Part((("a", "x"), ("a", "y"))),
        Part((("b", "x"),)),
        Part((("c", "x"),)),
    )


def test_a_single_series_is_never_divided() -> None:
    assert plan([Pair("a", "x", 1, 1_000)], "series", most=10) == (Part((("a", "x"),)),)


@given(pairs=PAIRS, key=st.sampled_from(["metric", "series"]), most=st.integers(1, 120))
def test_each_pair_is_in_order_and_parts_are_as_large_as_they_may_be(
    pairs: list[Pair], key: str, most: int
) -> None:
    parts = plan(pairs, cast("Key", key), most)
    named = [name for part in parts if not part.slice for name in part.pairs]
    assert named == [(pair.metric, pair.variant) for pair in pairs]
    points = {(pair.metric, pair.variant): pair.size for pair in pairs}
    sizes = [sum(points[name] for name in part.pairs) / part.slices for part in parts]
    assert all(size <= most for size, part in zip(sizes, parts, strict=True) if len(part.pairs) > 1)
    for (part, size), (after, _) in pairwise(zip(parts, sizes, strict=True)):
        if part.slice is None and after.slice is None:
            assert size + points[after.pairs[0]] > most, "the next pair would have fitted"


def test_tasks_follow_one_another_and_a_large_one_is_alone() -> None:
    assert plan_tasks([4, 5, 0, 25, 2], most=10) == (
        TaskRange(0, 2),
        TaskRange(3, 3),
        TaskRange(4, 4),
    )
    assert plan_tasks([], most=10) == ()
    assert plan_tasks([0, 0], most=10) == (TaskRange(0, 1),)


@given(sizes=st.lists(st.integers(0, 99)), most=st.integers(1, 120))
def test_each_task_is_in_one_part_and_parts_are_as_large_as_they_may_be(
    sizes: list[int], most: int
) -> None:
    parts = plan_tasks(sizes, most)
    held = [number for part in parts for number in range(part.first, part.last + 1)]
    assert held == list(range(len(sizes)))
    totals = [sum(sizes[part.first : part.last + 1]) for part in parts]
    for part, total in zip(parts, totals, strict=True):
        assert total <= most or part.first == part.last
    for total, after in zip(totals, parts[1:], strict=False):
        assert total + sizes[after.first] > most, "the next task would have fitted"
