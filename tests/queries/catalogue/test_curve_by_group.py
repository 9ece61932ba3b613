"""`curve` by group against pandas: runs of unequal length, with gaps and NaN."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import find, read
from tests.support.chosen import MakeDataset, Tasks, answer, quickly, replicates, same

NAN = float("nan")
VALUES = st.sampled_from([0.0, 1.0, -2.5, 3.25, 1e-3, 7e5, NAN, math.inf, None])


@st.composite
def runs(draw: st.DrawFn) -> Tasks:
    """Tasks of two groups and one without, whose points are at few common iterations."""
    tasks = []
    for number in range(draw(st.integers(1, 5))):
        at = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=9)))
        values = draw(st.lists(VALUES, min_size=len(at), max_size=len(at)))
        lr = draw(st.sampled_from([None, "0.1", "1e-1", "big"]))
        tasks.append(
            {
                "task_id": f"{number:032x}",
                "params": [{"section": "Args", "name": "lr", "value": lr}] if lr else [],
                "points": [("m", "v", *point) for point in zip(at, values, strict=True)],
            }
        )
    return tasks


def aligned(run: "pd.Series[float]", steps: Sequence[int], align: str) -> "pd.Series[float]":
    """Give a run a value at each step from its first to its last point."""
    at = run.index.to_numpy()
    filled = {}
    for step in steps:
        before, after = at[at <= step], at[at >= step]
        if not len(before) or not len(after):
            continue
        if before[-1] == step:
            filled[step] = run[step]
        elif align == "last":
            filled[step] = run[before[-1]]
        elif align == "nearest":
            is_before = step - before[-1] <= after[0] - step
            filled[step] = run[before[-1] if is_before else after[0]]
    return pd.Series(filled, dtype=float).reindex(steps)


def expected(tasks: Tasks, align: str, band: str) -> dict[tuple[Any, int], dict[str, Any]]:
    groups: dict[Any, list[pd.Series[float]]] = {}
    for task in tasks:
        lr = {param["name"]: param["value"] for param in task["params"]}.get("lr")
        points = {at: math.nan if value is None else value for _, _, at, value in task["points"]}
        group = "0.1" if lr == "1e-1" else lr
        groups.setdefault(group, []).append(pd.Series(points, dtype=float))
    rows = {}
    for group, of_group in groups.items():
        steps = sorted({int(at) for run in of_group for at in run.index})
        clean = [run.where(np.isfinite(run)) for run in of_group]
        table = pd.concat([aligned(run, steps, align) for run in clean], axis=1)
        n, mean, std = table.count(axis=1), table.mean(axis=1), table.std(axis=1)
        low, high = table.min(axis=1), table.max(axis=1)
        if band != "minmax":
            reach = std if band == "std" else std / np.sqrt(n) * [quantile(one - 1) for one in n]
            low, high = mean - reach, mean + reach
        for step in steps:
            own = [run[step] for run in of_group if step in run.index]
            rows[group, step] = {
                "mean": mean[step],
                "low": low[step],
                "high": high[step],
                "n": int(n[step]),
                "n_tasks": len(of_group),
                "n_filled": int(n[step]) - sum(map(math.isfinite, own)),
                "n_nonfinite": sum(not math.isfinite(value) for value in own),
            }
    return rows


def density(x: Any, df: int) -> Any:
    """Return Student's density; the constant by lgamma."""
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return np.exp(constant - (df + 1) / 2 * np.log1p(x * x / df))


def probability(t: float, df: int) -> float:
    """Integrate the density from 0 to t."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    return float((density(t / 2 * (nodes + 1), df) * weights).sum() * t / 2)


def quantile(df: int) -> float:
    """Find the 97.5 % quantile by bisection; NaN for a single run."""
    if df < 1:
        return math.nan
    low, high = 1.0, 13.0
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle, df) < 0.475 else (low, middle)
    return low


@quickly
@given(
    tasks=runs(),
    align=st.sampled_from(["last", "exact", "nearest"]),
    band=st.sampled_from(["std", "minmax", "ci"]),
)
def test_mean_and_band_agree_with_pandas(
    written: MakeDataset, tasks: Tasks, align: str, band: str
) -> None:
    other = {"params": [{"section": "Args", "name": "lr", "value": "0.1"}], "points": []}
    with open_dataset(written([*tasks, {"task_id": "f" * 32, **other}])) as dataset:
        rows = answer(dataset, "curve", metric="m", by="Args/lr", align=align, band=band)
    wanted = expected(tasks, align, band)
    assert len(rows) == len(wanted)
    for row in rows:
        group, step = row["Args/lr"], row["iteration"]
        assert row["x"] == step
        for name, value in wanted[group, step].items():
            shown = math.nan if row[name] is None else row[name]
            assert same(float(shown), float(value)), (name, value, row)


def test_the_quantile_of_the_interval_is_that_of_student() -> None:
    with duckdb.connect() as connection:
        macro = read("views.sql").partition("CREATE MACRO t_975")[2].partition(";\n")[0]
        connection.execute(f"CREATE MACRO t_975{macro}")
        degrees = "unnest(list_concat(range(1, 40), [60, 100, 400]))"  # a table, then a series
        listed = connection.sql(f"SELECT {degrees} AS df, t_975(df)").fetchall()
    for df, value in listed:
        assert value == pytest.approx(quantile(df), rel=1e-7), df


def test_numbers_are_groups_in_the_order_of_numbers(make_dataset: MakeDataset) -> None:
    values = {"a": "16", "b": "128", "c": "1e-3", "d": "0.001", "e": "adam"}
    tasks = [
        {
            "task_id": name * 32,
            "params": [{"section": "Args", "name": "x", "value": value}],
            "points": [("m", "v", 0, 1.0)],
        }
        for name, value in values.items()
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", by="Args/x")
    assert [(row["Args/x"], row["n"]) for row in rows] == [
        ("1e-3", 2),
        ("16", 1),
        ("128", 1),
        ("adam", 1),
    ]


def test_replicates_have_a_column_for_each_parameter_that_differs(
    make_dataset: MakeDataset,
) -> None:
    with open_dataset(replicates(make_dataset)) as dataset:
        rows = answer(dataset, "curve", metric="m", by_all_except="Args/seed")
    shown = [(row["Args/lr"], row["mean"], row["n"], row["n_nonfinite"]) for row in rows]
    assert "Args/same" not in rows[0]
    assert shown[0] == ("0.1", 2.0, 2, 0)
    assert (None, 7.0, 1, 0) in shown
    assert ("NULL", None, 0, 1) in shown


def test_a_task_is_in_the_group_of_each_of_its_tags(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": "a" * 32, "tags": ["x", "y"], "points": [("m", "v", 0, 1.0)]},
        {"task_id": "b" * 32, "tags": ["y"], "points": [("m", "v", 0, 3.0)]},
        {"task_id": "c" * 32, "tags": [], "points": [("m", "v", 0, 5.0)]},
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", by="tag")
    assert [(row["tag"], row["mean"], row["n"]) for row in rows] == [
        ("x", 1.0, 1),
        ("y", 2.0, 2),
        (None, 5.0, 1),
    ]


def test_parts_of_the_axis_have_the_mean_of_each_task_first(make_dataset: MakeDataset) -> None:
    """A task that reports more often does not count more."""
    often = [("m", "v", at, 1.0) for at in range(100)]
    rarely = [("m", "v", 0, 3.0), ("m", "v", 99, 5.0)]
    tasks = [{"task_id": "a" * 32, "points": often}, {"task_id": "b" * 32, "points": rarely}]
    with open_dataset(make_dataset(tasks)) as dataset:
        rows = answer(dataset, "curve", metric="m", by="project", points=2)
        assert [(row["iteration"], row["mean"], row["n"]) for row in rows] == [
            (0, 2.0, 2),
            (50, 3.0, 2),
        ]
        smooth = answer(dataset, "curve", metric="m", by="project", points=2, window=2)
        assert [row["mean"] for row in smooth] == [2.0, 2.5]
        relative = answer(dataset, "curve", metric="m", by="project", x="relative")
        assert len(relative) <= 100
        assert {row["iteration"] for row in relative} == {None}


def test_large_values_do_not_overflow(make_dataset: MakeDataset) -> None:
    huge = 1.7e308
    tasks = [
        {"task_id": name * 32, "points": [("m", "v", 0, value), ("m", "v", 1, 1e-300)]}
        for name, value in zip("abc", (huge, huge, -huge), strict=True)
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        first, second = answer(dataset, "curve", metric="m", by="project", band="minmax")
        assert first["mean"] == pytest.approx(huge / 3, rel=1e-12)
        assert (first["low"], first["high"]) == (-huge, huge)
        assert second["mean"] == 1e-300
        (row, _) = answer(dataset, "curve", metric="m", by="project", band="std")
        assert row["low"] < -1e308


def test_a_spike_of_one_task_does_not_blur_other_steps(make_dataset: MakeDataset) -> None:
    """Sums of integers are scaled at each step, not once for the group."""
    tasks = [
        {"task_id": "a" * 32, "points": [("m", "v", 0, 1e30), ("m", "v", 1, 0.1)]},
        {"task_id": "b" * 32, "points": [("m", "v", 0, 1.0), ("m", "v", 1, 0.2)]},
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        _, row = answer(dataset, "curve", metric="m", by="project")
    assert row["mean"] == pytest.approx(0.15, rel=1e-15)
    assert row["high"] - row["mean"] == pytest.approx(0.1 / math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"band": "ci"}, "`band` is for curves of groups; add `by` or `by_all_except`"),
        ({"align": "last"}, "`align` is for curves of groups"),
        ({"by": "nothing"}, "no grouping or hyperparameter 'nothing'"),
        ({"by": "project", "band": "iqr"}, "no `band` 'iqr'; there are"),
        ({"by": "project", "smooth": 0.5, "window": 3}, "a curve is smoothed one way"),
        ({"by": "project", "keep": "extremes"}, "curves of groups are means"),
        ({"by": "project", "points": 0}, "use a number of at least 1"),
        ({"by_all_except": "Args/seed"}, "60 hyperparameters differ between these groups"),
    ],
)
def test_what_cannot_be_grouped_is_an_error(
    make_dataset: MakeDataset, typed: dict[str, Any], message: str
) -> None:
    params = [{"section": "Args", "name": f"p{n}", "value": "1"} for n in range(60)]
    seed = [{"section": "Args", "name": "seed", "value": "1"}]
    tasks = [
        {"task_id": "a" * 32, "params": params + seed, "points": [("m", "v", 0, 1.0)]},
        {"task_id": "b" * 32, "params": seed, "points": [("m", "v", 0, 1.0)]},
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        ask = partial(answer, dataset, "curve", metric="m")
        with pytest.raises((UsageError, SnapshotError), match=message.replace("(", r"\(")):
            ask(**typed)


def test_steps_without_points_are_filled_within_limits(make_dataset: MakeDataset) -> None:
    long = [("m", "v", at, 1.0) for at in range(100_002)]
    ends = [("m", "v", 0, 1.0), ("m", "v", 100_001, 1.0)]
    tasks = [{"task_id": "f" * 32, "points": long}]
    tasks += [{"task_id": f"{number:032x}", "points": ends} for number in range(1_001)]
    with open_dataset(make_dataset(tasks)) as dataset:
        with pytest.raises(SnapshotError, match="too many to fill; give points"):
            answer(dataset, "curve", metric="m", by="project")
        assert len(answer(dataset, "curve", metric="m", by="project", points=10)) == 10
        assert len(answer(dataset, "curve", metric="m", by="project", align="exact")) == 100_002


def test_the_header_describes_the_query_that_answers() -> None:
    query = find("curve")
    assert query.by_group is not None
    assert query.by_group.params == query.params


def test_the_extremes_of_a_part_are_those_of_its_points(make_dataset: MakeDataset) -> None:
    """A spike that vanishes in the mean of a part is still in the band."""
    spike = [("m", "v", at, 50.0 if at == 3 else 1.0) for at in range(100)]
    tasks = [{"task_id": "a" * 32, "points": spike}]
    with open_dataset(make_dataset(tasks)) as dataset:
        ask = partial(answer, dataset, "curve", metric="m", by="project", points=2)
        first, second = ask(band="minmax")
    assert (first["low"], first["mean"], first["high"]) == (1.0, 1.98, 50.0)
    assert (second["low"], second["high"]) == (1.0, 1.0)
