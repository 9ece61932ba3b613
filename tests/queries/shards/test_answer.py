"""An answer in parts has the bytes of the answer to the complete query."""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import Query, parse, queries
from clearml_snapshot.queries.shards.answer import InParts, Noted
from clearml_snapshot.queries.shards.divide import MOST_POINTS, parts_of
from clearml_snapshot.queries.shards.steps import counted_first
from tests.support.nasty import nasty
from tests.support.parts import as_csv, in_parts

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

DIVIDED: Final = sorted(name for name, query in queries().items() if query.shard is not None)
SIZES: Final = (1, 60, 10**9)
"""Points of a part: each series for itself, some, many, and all of them."""

OPTIONS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "curve": [
        {},
        {"metric": "loss", "smooth": 0.6, "points": 7},
        {"all_metrics": True, "x": "relative", "keep": "extremes", "points": 3},
        {"metric": ["loss", "acc"], "window": 3, "suspect_zeros": "exclude"},
        {"by": "project", "all_metrics": True, "align": "nearest"},
        {"by": ["status", "project"], "band": "ci", "x": "relative", "points": 5},
        {"all_metrics": True, "x": "loss"},
        {"by": "status", "x": "acc", "points": 5},
        {"metric": "acc", "offset_resumed": True},
    ],
    **{
        name: [
            {},
            {"by": "task", "all_metrics": True},
            {"by": "task", "suspect_zeros": "exclude"},
            {"suspect_zeros": "exclude", "nan_value": [0.0, 1.0], "top": 2},
            {"by": "task", "at": ["acc"]},
        ]
        for name in ("max", "min", "last")
    },
    "stats": [
        {},
        {"all_metrics": True, "tail": 5},
        {"suspect_zeros": "exclude"},
        {"by": "variant"},
    ],
    "wide": [
        {"fill": "nearest", "tolerance": 3, "all_metrics": True},
        {"metric": ["loss", "acc"]},
        {"per": "task"},
    ],
    "first": [{"below": 1}, {"below": 0.5, "for_": 3}, {"above": 0.2, "all_metrics": True}],
    "health": [
        {},
        {"all_metrics": True, "short_share": 0.9},
        {"kind": ["short", "spike", "zero"], "spike_factor": 2},
        {"kind": ["failed"]},
    ],
}


def many(n_tasks: int = 3) -> list[dict[str, Any]]:
    """Return tasks with names that sort otherwise than their ids, and uneven random walks."""
    rng = random.Random(7)
    return [
        {
            "task_id": f"{number:032x}",
            "name": rng.choice([None, "run", f"run {number % 3}"]),
            "project_id": rng.choice("pq"),
            "status": rng.choice(["completed", "failed", "in_progress"]),
            "points": [
                (metric, variant, at, rng.choice([0.0, rng.uniform(5, 6), rng.uniform(5, 6)]))
                for metric, variant in (("acc", "val"), ("loss", "train"), (":monitor:gpu", "0"))
                for at in range(rng.randint(1, 40))
            ],
        }
        for number in range(n_tasks)
    ]


@pytest.fixture(scope="module", params=["nasty", "many"])
def dataset(request: pytest.FixtureRequest, written: MakeDataset) -> Iterator[Dataset]:
    with open_dataset(written(nasty() if request.param == "nasty" else many())) as opened:
        yield opened


@pytest.mark.parametrize("name", DIVIDED)
def test_the_bytes_are_those_of_the_complete_query(
    dataset: Dataset, name: str, request: pytest.FixtureRequest
) -> None:
    """With each of its options, of one dataset or the other; SOAK=1 takes both, in all sizes."""
    query = queries()[name]
    is_nasty = request.node.callspec.params["dataset"] == "nasty"
    compared = 0
    for number, options in enumerate(OPTIONS[name]):
        values = dataset.bound(query, **options)
        sizes = {parts_of(dataset, query, values, most): most for most in SIZES}
        for parts, most in sizes.items():
            assert (not parts) == is_asked_at_once(dataset, query, values, most)
        tried = [most for parts, most in sizes.items() if len(parts) > 1]
        if not os.environ.get("SOAK"):
            one = tried[:1] if number < 2 else tried[-1:]
            tried = one if number % 2 == is_nasty else []
        if tried:
            whole = as_csv(dataset.result(dataset.shaped(query, values).relation))
        for most in tried:
            compared += 1
            assert in_parts(dataset, query, values, most) == whole, (options, most)
    assert compared


COUNTED: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("max", {"smooth": 0.6, "all_metrics": True, "at": ["acc"], "top": 2}),
    ("min", {"value": "last", "by": "task"}),
    ("leaderboard", {"metric": "*", "best": "lowest", "value": "mean", "last": 5}),
    ("group", {"metric": "*", "best": "highest", "value": "median", "by": "project"}),
)
soak = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 asks each of both datasets")


@pytest.mark.parametrize(
    ("dataset", "name", "options"),
    [
        pytest.param(data, *question, marks=() if number % 2 == place else soak)
        for place, data in enumerate(("nasty", "many"))
        for number, question in enumerate(COUNTED)
    ],
    indirect=["dataset"],
)
def test_values_that_count_are_computed_in_parts(
    dataset: Dataset, name: str, options: Mapping[str, Any]
) -> None:
    query = queries()[name]
    values = dataset.bound(query, **options)
    whole = as_csv(dataset.result(dataset.shaped(query, values).relation))
    done: list[int] = []

    def on_part(number: int, _all: int) -> None:
        done.append(number)

    for most in (40, 10**9):
        asked = counted_first(dataset, query, values, lambda: nullcontext(on_part), most)
        with asked as (source, second, _):
            assert as_csv(source.result(source.shaped(second, values).relation)) == whole
            assert (second is query) == (most > 40)
    assert done == list(range(len(done)))
    assert len(done) > 2


def is_asked_at_once(dataset: Dataset, query: Query, values: Mapping[str, Any], most: int) -> bool:
    """Whether the query has one part, whatever its series."""
    assert query.shard is not None
    totals = dataset.snapshot.totals
    by_series = query.shard.most_series
    size = totals.series * (MOST_POINTS // by_series) if by_series else totals.points
    fits = size <= query.shard.most_for(values, most)
    return fits or not query.shard.divides(values) or values.get("kind") == ["failed"]


def test_the_rows_that_notes_are_about_are_those_of_all_parts(dataset: Dataset) -> None:
    """Also if only the first rows are read, as for a terminal."""
    query = queries()["max"]
    values = dataset.bound(query, by="task", all_metrics=True)
    parts = parts_of(dataset, query, values, 1)
    whole = dataset.rows(dataset.shaped(query, values).relation)
    with dataset.opened_again() as (inner, connection):
        answer = InParts(inner, connection, query, values, parts)
        noted = Noted(answer, lambda rows: inner.result(rows.filter("value > 1")))
        assert len(parts) > 2
        assert next(noted.result().plain_rows(limit=1))
        assert noted.rows().rows == tuple(
            row for row in whole.rows if (row[whole.columns.index("value")] or 0) > 1
        )


def test_a_filter_narrows_the_parts_too(written: MakeDataset) -> None:
    chosen = TaskFilter(statuses=("completed",))
    query = queries()["stats"]
    with open_dataset(written(many(12)), filter=chosen) as dataset:
        values = dataset.bound(query)
        whole = as_csv(dataset.result(dataset.ask(query, values)))
        assert in_parts(dataset, query, values, 10) == whole
        assert 1 < whole.count(b"\n") < 25


OWN: Final = """-- Values of one metric.
--
-- :param metric       A metric.
-- :param all_metrics  Anything (default: none).
-- :shard series
SELECT metric, variant, tasks.name, task_id, n, $all_metrics::VARCHAR
FROM series
LEFT JOIN tasks USING (task_id)
WHERE metric = $metric::VARCHAR
ORDER BY metric, variant, tasks.name NULLS LAST, task_id
"""


def test_a_query_of_the_users_own_may_take_one_metric_as_text(dataset: Dataset) -> None:
    query = parse("own", OWN)
    values = dataset.bound(query, metric="loss", all_metrics="no boolean")
    whole = as_csv(dataset.result(dataset.ask(query, values)))
    assert in_parts(dataset, query, values, 1) == whole
    assert whole.count(b"\n") > 2


def test_a_query_of_the_users_own_may_read_nothing_but_points(dataset: Dataset) -> None:
    query = parse(
        "own",
        "-- Counts.\n--\n-- :shard metric\n"
        "SELECT metric, variant, count(*), count(DISTINCT task_id) FROM scalars "
        "GROUP BY ALL ORDER BY metric, variant",
    )
    values = dataset.bound(query)
    whole = as_csv(dataset.result(dataset.ask(query, values)))
    for most in (1, 40):
        assert in_parts(dataset, query, values, most) == whole
    assert whole.count(b"\n") > 3


BY_TASK: Final = """-- What there is of each task.
--
-- :shard task
SELECT
    tasks.name,
    task_id,
    n_params,
    count(DISTINCT (metric, variant)) AS n_series,
    count(scalars.task_id) AS n,
    max(value),
    any_value(params['Args/lr'])
FROM tasks
LEFT JOIN (SELECT task_id, count(*) AS n_params FROM hyperparams GROUP BY ALL) USING (task_id)
LEFT JOIN params USING (task_id)
LEFT JOIN scalars USING (task_id)
GROUP BY ALL
ORDER BY tasks.name NULLS LAST, task_id
"""


@pytest.mark.parametrize("most", SIZES)
def test_a_query_may_be_divided_by_its_tasks(dataset: Dataset, most: int) -> None:
    """A part has everything about its tasks, and each task is in one part, also without points."""
    query = parse("own", BY_TASK)
    whole = as_csv(dataset.result(dataset.ask(query, {})))
    assert in_parts(dataset, query, {}, most) == (whole if most < dataset_size(dataset) else None)
    assert whole.count(b"\n") == dataset.snapshot.totals.tasks + 1


def dataset_size(dataset: Dataset) -> int:
    return dataset.snapshot.totals.points


def test_a_filter_narrows_parts_of_tasks_too(written: MakeDataset) -> None:
    query = parse("own", BY_TASK)
    with open_dataset(written(many(12)), filter=TaskFilter(statuses=("completed",))) as dataset:
        whole = as_csv(dataset.result(dataset.ask(query, {})))
        assert in_parts(dataset, query, {}, 50) == whole
        assert 1 < whole.count(b"\n") < 12


def test_nothing_stays_narrowed_to_some_tasks(dataset: Dataset) -> None:
    query = parse("own", BY_TASK)
    parts = parts_of(dataset, query, {}, 1)
    assert len(parts) > 2
    with dataset.opened_again() as (inner, connection):
        list(InParts(inner, connection, query, {}, parts).streamed().plain_rows())
        for table in ("tasks", "series", "scalars", "hyperparams"):
            everything = f"SELECT count(*) FROM {table}"
            assert inner.rows(inner.sql(everything)) == dataset.rows(dataset.sql(everything))


def test_parts_are_reported_and_nothing_stays_narrowed(dataset: Dataset) -> None:
    query, seen = queries()["curve"], list[tuple[int, int]]()
    values = dataset.bound(query)
    parts = parts_of(dataset, query, values, 30)
    with dataset.opened_again() as (inner, connection):
        answer = InParts(
            inner, connection, query, values, parts, lambda done, n: seen.append((done, n))
        ).streamed()
        seen.clear()
        rows = list(answer.plain_rows())
        assert seen == [(number, len(parts)) for number in range(len(parts) + 1)]
        assert len(rows) == answer.n_read
        everything = "SELECT count(*) FROM scalars"
        assert inner.rows(inner.sql(everything)) == dataset.rows(dataset.sql(everything))


def test_an_error_in_a_part_is_one_of_the_question(dataset: Dataset) -> None:
    query = queries()["curve"]
    values = {**dataset.bound(query, smooth=0.5), "smooth": 7}  # which bound would refuse
    parts = parts_of(dataset, query, values, 30)
    with (
        dataset.opened_again() as (inner, connection),
        pytest.raises(SnapshotError, match="give a weight from 0 to less than 1"),
    ):
        list(InParts(inner, connection, query, values, parts).streamed().plain_rows())


def test_every_divided_query_is_tested_with_options() -> None:
    assert sorted(OPTIONS) == DIVIDED
