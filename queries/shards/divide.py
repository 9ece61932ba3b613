"""Decides whether a question is answered in parts, and in which."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.ask.shard import Shard
from clearml_snapshot.queries.ask.statement import by_group
from clearml_snapshot.queries.dataset import Dataset

if TYPE_CHECKING:
    from clearml_snapshot.queries.shards.plan import AnyPart

MOST_POINTS: Final = 5_000_000
"""The maximum number of points of a part, unless one series has more.

A window over them takes less than 1 GB.
"""

_NO_SERIES: Final = {"metric": None, "variant": None, "all_metrics": None}
"""Values for a query that has no list ``metric``: the series that it reads are not known."""


def parts_of(
    dataset: Dataset, query: Query, values: Mapping[str, Any], most: int = MOST_POINTS
) -> "tuple[AnyPart, ...]":
    """Plan the parts of a query; if there is at most one, the query is run unchanged.

    Args:
        dataset: the dataset.
        query: the query.
        values: what is bound to its parameters.
        most: the maximum size of a part, unless the query has a limit of its own.
    """
    query = by_group(query, values)
    if query.shard is None or not query.shard.divides(values):
        return ()
    points_each = MOST_POINTS // query.shard.most_series if query.shard.most_series else None
    examines = points_each is None or values.get("suspect_zeros") == "exclude"
    most = query.shard.most_for(values, most)
    totals = dataset.snapshot.totals
    if totals.series * (points_each or 0) + totals.points * examines <= most:
        return ()
    if query.shard.whole is not None and not divided(query, values)[0][query.shard.whole[0]]:
        return ()
    from clearml_snapshot.queries.shards.plan import Pair, plan, plan_tasks  # few get here

    narrows = any(param.name == "metric" and param.many for param in query.params)
    names = ("metric", "variant", "all_metrics") if narrows else ()
    asked = {
        "every": not narrows,
        "points_each": points_each,
        "deciding": _deciding(query.shard, values),
        "marks": list(marks_of(values)) if points_each and examines else [],
        **_NO_SERIES,
        **{name: values.get(name) for name in names},
    }
    key = query.shard.key_for(values)
    if key == "task":
        sizes = dataset.sql(read("shards/sizes_of_tasks.sql"), asked)
        return plan_tasks((size for (size,) in dataset.rows(sizes).rows), most)
    rows = dataset.rows(dataset.sql(read("shards/pairs.sql"), asked)).rows
    return plan(map(Pair._make, rows), key, most)


def divided(
    query: Query, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Divide a query into what can be answered in parts, and what needs every series at once.

    Returns:
        The values for each. The second is None if nothing needs every series.
    """
    shard = query.shard
    if shard is None or shard.whole is None:
        return dict(values), None
    name, at_once = shard.whole
    chosen = values[name] or query.param(name).choices
    in_parts = [value for value in chosen if value not in at_once]
    whole = [value for value in chosen if value in at_once]
    return {**values, name: in_parts}, ({**values, name: whole} if whole else None)


def _deciding(shard: Shard, values: Mapping[str, Any]) -> str | None:
    """Return the value of a series that may be a suspect zero; None if any of its points may."""
    counted = values.get("value") or shard.deciding
    return None if counted in ("mean", "median") else counted
