"""Computes the means of groups that a report includes, as the query ``curve`` does."""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clearml_snapshot.queries.ask.grouping import BY_PARAM, DIFFERING
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.groups import BANDS
from clearml_snapshot.queries.pages.environment import seen
from clearml_snapshot.queries.report.model import ReportOptions
from clearml_snapshot.queries.shards.asking import asked

PARTS: Final = 200
"""Equal parts of the iterations of a group, each of which is a step of its mean."""
_MOST_GROUPS: Final = 32
"""Groups with a colour and a dash of their own; ``groups.js`` has the same number."""
_LONGEST: Final = 80
_BATCH: Final = 50_000
_NUMBERS: Final = ("x", "mean", "low", "high")

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GroupMeans:
    """The means of groups of tasks, over all points, in every chart."""

    by: str
    """What the tasks are grouped by."""
    band: str
    """What is between the edges of a band."""
    groups: tuple[tuple[str, int], ...]
    """The label of each group, and the most tasks that it has in a chart."""
    n_groups: int
    """How many there are, with those that are left out."""
    curves: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
    """By metric and variant: columns for each group that has points."""


def bound_means(dataset: Dataset, options: ReportOptions, pairs: Pairs) -> dict[str, Any] | None:
    """Check by what the tasks are grouped, and return what the query ``curve`` is asked.

    Raises:
        NoSuchNameError: no such grouping or hyperparameter.
        UsageError: a band without groups.
    """
    typed = {"by": options.by, "by_all_except": options.by_all_except, "band": options.band}
    given = {name: value for name, value in typed.items() if value}
    if not given:
        return None
    values = dataset.bound(find("curve"), points=PARTS, **given)
    metrics, variants = [metric for metric, _ in pairs], [variant for _, variant in pairs]
    return {**values, "metric": metrics, "variant": variants}


def group_means(dataset: Dataset, values: Mapping[str, Any], task_ids: Sequence[str]) -> GroupMeans:
    """Compute the means of groups.

    Args:
        dataset: the dataset of the report.
        values: what ``bound_means`` returned.
        task_ids: the tasks of the report.
    """
    names = [*(values["by"] or ()), *(values[DIFFERING] or ())]
    rows: dict[tuple[str, str], dict[tuple[str | None, ...], list[dict[str, Any]]]] = {}
    with (
        dataset.opened_again(only=task_ids) as (inner, _connection),
        asked(inner, find("curve"), values, lambda _: ()) as answer,
    ):
        for batch in answer.result.arrow(_BATCH):
            columns = batch.schema.names
            labels = columns[2 : columns.index("iteration")]
            for row in batch.to_pylist():
                group = tuple(row[label] for label in labels)
                of_chart = rows.setdefault((row["metric"], row["variant"]), {})
                of_chart.setdefault(group, []).append(row)
    groups = list(dict.fromkeys(group for of_chart in rows.values() for group in of_chart))
    number = {group: at for at, group in enumerate(groups[:_MOST_GROUPS])}
    sizes = [
        max(of_chart[group][0]["n_tasks"] for of_chart in rows.values() if group in of_chart)
        for group in number
    ]
    return GroupMeans(
        _title(values),
        BANDS[values["band"]],
        tuple(zip(_labels(groups, names, len(number)), sizes, strict=True)),
        len(groups),
        {
            pair: [
                _columns(number[group], steps)
                for group, steps in of_chart.items()
                if group in number
            ]
            for pair, of_chart in rows.items()
        },
    )


def packed(means: GroupMeans, charts: Pairs) -> bytes:
    """Write means as compressed JSON, in the order of the charts; equal means give equal bytes."""
    written = {
        "by": seen(means.by, _LONGEST),
        "band": means.band,
        "groups": means.groups,
        "total": means.n_groups,
        "charts": [means.curves.get(pair, ()) for pair in charts],
    }
    return gzip.compress(json.dumps(written, separators=(",", ":")).encode(), mtime=0)


def _title(values: Mapping[str, Any]) -> str:
    if values["by_all_except"] is not None:
        return f"all hyperparameters except {', '.join(values['by_all_except'])}"
    return ", ".join(name.removeprefix(BY_PARAM) for name in values["by"])


def _labels(groups: Sequence[tuple[str | None, ...]], names: Sequence[str], n: int) -> list[str]:
    """Name the first groups by the values in which all of them differ."""
    told = [at for at in range(len(names)) if len({group[at] for group in groups}) > 1]
    ends = [name.removeprefix(BY_PARAM).rpartition("/")[2] for name in names]
    made: list[str] = []
    for group in groups[:n]:
        values = ["(none)" if value is None else value for value in group]
        parts = [f"{ends[at]}={values[at]}" if "/" in names[at] else values[at] for at in told]
        label = seen(" · ".join(parts) or "all tasks", _LONGEST)
        same = sum(other.partition(" #")[0] == label for other in made)
        made.append(f"{label} #{same + 1}" if same else label)
    return made


def _columns(number: int, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: [_short(step[name]) for step in steps] for name in _NUMBERS}
    return {
        "group": number,
        "n": [step["n"] for step in steps],
        "of": steps[0]["n_tasks"],
        **columns,
    }


def _short(number: float | None) -> float | None:
    """Round a number to what can be seen; JSON has no NaN and no infinity."""
    return None if number is None or not math.isfinite(number) else float(f"{number:.7g}")
