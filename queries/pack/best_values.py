"""Finds the lowest and the highest value of each metric for index.html.

The answers are those of the queries ``min`` and ``max``, from one pass over the series table.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from clearml_snapshot.queries.ask.header import find, read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.suspect_zeros import suspect_points

_QUERIES: Final = {"lowest": "min", "highest": "max"}

_LOOKED_AT: Final = 20_000_000
"""Maximum number of points to examine for an answer without suspect zeros; a few seconds."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """A lowest or highest value."""

    row: Row
    """A row of ``pack/best_values.sql``, ``min`` or ``max``: value, iteration, task and so on."""
    is_suspect: bool = False
    """A 0 among values far from 0, probably a NaN: the SDK logs NaN as 0."""
    without: Row | None = None
    """The answer without suspect zeros; None: there is none, or it was not computed."""


@dataclass(frozen=True, slots=True)
class Best:
    """The extremes of one metric and variant; None if no value is a finite number."""

    metric: str
    variant: str
    n_tasks: int
    n_points: int
    lowest: End | None
    highest: End | None


def best(dataset: Dataset, top: int) -> list[Best]:
    """Find the extremes of the metrics and variants that most tasks have, in alphabetical order.

    Args:
        dataset: the snapshot.
        top: how many of them; ``:monitor:`` metrics are not included.
    """
    rows = dataset.rows(dataset.sql(read("pack/best_values.sql"), {"top": top})).as_dicts()
    zeros = _suspects(dataset, rows)
    suspects = [row for row in rows if _point(row) in zeros]
    without = _without(dataset, suspects)
    marked = {_key(row) for row in suspects}
    best_values = []
    for _, series in groupby(rows, key=itemgetter("metric", "variant")):
        both = list(series)
        ends = {
            row["which"]: End(row, _key(row) in marked, without.get(_key(row)))
            for row in both
            if row["which"] is not None
        }
        about = {name: both[0][name] for name in ("metric", "variant", "n_tasks", "n_points")}
        best_values.append(Best(**about, lowest=ends.get("lowest"), highest=ends.get("highest")))
    return best_values


def _key(row: Row) -> tuple[str, str, str]:
    return (row["which"], row["metric"], row["variant"])


def _point(row: Row) -> tuple[Any, ...]:
    return (row["task_id"], row["metric"], row["variant"], row["iteration"])


def _suspects(dataset: Dataset, rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Find the zeros among the extremes that are suspect; reads points only if there are any."""
    zeros = (_point(row) for row in rows if row["value"] == 0 and row["iteration"] is not None)
    return suspect_points(dataset, zeros)


def _without(dataset: Dataset, suspects: Iterable[Row]) -> dict[tuple[str, str, str], Row]:
    """Run ``min`` and ``max`` again, without suspect zeros."""
    again = list(_affordable(suspects))
    rows: dict[tuple[str, str, str], Row] = {}
    for which, name in _QUERIES.items():
        chosen = [row for row in again if row["which"] == which]
        if not chosen:
            continue
        query = find(name)
        parameters = {param.name: None for param in query.params} | {
            "metric": [row["metric"] for row in chosen],
            "variant": [row["variant"] for row in chosen],
            "by": "variant",
            "top": 1,
            "suspect_zeros": "exclude",
        }
        for row in dataset.rows(dataset.sql(query.sql, parameters)).as_dicts():
            if row["value"] is not None:
                rows[which, row["metric"], row["variant"]] = row
    return rows


def _affordable(suspects: Iterable[Row]) -> Iterator[Row]:
    """Yield the first ones up to a total number of points, so that a page does not take minutes."""
    points = 0
    for row in suspects:
        points += row["n_points"]
        if points <= _LOOKED_AT:
            yield row
