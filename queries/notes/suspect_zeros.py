"""Finds values that are probably NaN: the SDK logs NaN and infinities as 0, or as a set value.

See docs/clearml-server.md, "Values".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.queries.ask.header import Query, find, read
from clearml_snapshot.queries.ask.parameters import MARKS
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Rows

if TYPE_CHECKING:
    from clearml_snapshot.queries.notes.suspect_notes import Note, SuspectZero

_CHOICE: Final = "suspect_zeros"
_WINNERS: Final = frozenset({"max", "min", "last"})
"""The queries whose rows are single points."""

_LOOKED_AT: Final = 20_000_000
"""Points that are examined for a note; a few seconds."""

_SHOWN: Final = 5


def notes(dataset: Dataset, query: Query, values: Mapping[str, Any], rows: Rows) -> Iterator[str]:
    """Write notes about suspect zeros in an answer, or about how many were excluded.

    Args:
        dataset: the dataset.
        query: the query. Only queries of the catalogue that select or average values have notes.
        values: the values of its parameters.
        rows: its answer.
    """
    if query.file is not None or all(param.name != _CHOICE for param in query.params):
        return
    lines: list[Note] = []
    if query.name in _WINNERS and values[_CHOICE] != "exclude":
        lines += suspect_zeros(dataset, query.name, values, rows)
        lines += _beside_winners(dataset, values, rows)
    else:
        lines += suspect_counts(dataset, query.name, values, rows)
    many = query.name not in _WINNERS and len(lines) > _SHOWN
    yield from map(str, lines[:_SHOWN] if many else lines)
    if many:
        yield f"… and {len(lines) - _SHOWN} more"


def suspect_zeros(
    dataset: Dataset, name: str, values: Mapping[str, Any], rows: Rows
) -> "tuple[SuspectZero, ...]":
    """Find the winners of ``max``, ``min`` or ``last`` that are suspect zeros.

    Args:
        dataset: the dataset.
        name: the query, ``max``, ``min`` or ``last``.
        values: the values of its parameters.
        rows: its answer.
    """
    marks = marks_of(values)
    zero_rows = [r for r in rows.as_dicts() if r["value"] in marks and r["iteration"] is not None]
    zeros = list({_point(row): row for row in zero_rows}.values())  # --at repeats a winner
    if not zeros or values[_CHOICE] == "exclude":
        return ()
    suspect = suspect_points(dataset, map(_point, zeros), marks)
    if not suspect:
        return ()
    from clearml_snapshot.queries.notes.suspect_notes import SuspectZero  # few answers have any

    again = dataset.rows(dataset.sql(find(name).sql, {**values, _CHOICE: "exclude"}))
    part = {"task": "task_id", "project": "project"}.get(values["by"] or "")
    best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in again.as_dicts():
        best.setdefault(_answer(row, part), row)
    return tuple(
        SuspectZero(row, _if_any(best.get(_answer(row, part))))
        for row in zeros
        if _point(row) in suspect
    )


def suspect_counts(
    dataset: Dataset, name: str, values: Mapping[str, Any], rows: Rows
) -> "list[Note]":
    """Count the suspect zeros among the values that an answer uses.

    Args:
        dataset: the dataset.
        name: the query.
        values: the values of its parameters, from ``Dataset.bound``.
        rows: its answer.
    """
    excluded = values[_CHOICE] == "exclude"
    parameters = {
        "metric": values["metric"],
        "variant": values["variant"],
        "all_metrics": values.get("all_metrics"),
        "task_ids": values.get("tasks"),
        "field": _field(name, values),
        "marks": list(marks_of(values)),
    }
    if name == "leaderboard" and not excluded:
        parameters["task_ids"] = _task_ids(rows)
    counts = _counts(dataset, parameters, excluded=excluded)
    if values.get("also"):
        also = {"metric": values["also"], "variant": values["also_variant"], "field": "last"}
        shown = {"task_ids": _task_ids(rows)}
        counts += _counts(dataset, {**parameters, **also, **shown}, excluded=excluded)
    return counts


def suspect_points(
    dataset: Dataset, points: Iterable[tuple[Any, ...]], marks: Sequence[float] = (0.0,)
) -> set[tuple[Any, ...]]:
    """Find which points are suspect.

    Args:
        dataset: the snapshot.
        points: task id, metric, variant and iteration of each.
        marks: the values that replace NaN.
    """
    listed = sorted(set(points))
    if not listed:
        return set()
    names = ("task_ids", "metrics", "variants", "iterations")
    parameters = dict(zip(names, map(list, zip(*listed, strict=True)), strict=True))
    relation = dataset.sql(read("notes/suspect.sql"), {**parameters, "marks": list(marks)})
    return set(dataset.rows(relation).rows)


def suspects_by_series(dataset: Dataset) -> list[dict[str, Any]] | None:
    """Count the suspect zeros of every series that has any, including ``:monitor:``.

    Returns:
        Rows of ``task_id``, ``metric``, ``variant`` and ``n_suspect_zeros``; None if the series
        with a 0 have more than 20 million points, and were not examined.
    """
    every = {"metric": None, "variant": None, "all_metrics": True, "task_ids": None}
    parameters = {**every, "field": None, "marks": [0.0]}
    relation = dataset.sql(read("notes/suspect_series.sql"), parameters)
    (concerned,) = dataset.rows(relation).as_dicts()
    if concerned["n_points"] > _LOOKED_AT:
        return None
    if not concerned["n_series"]:
        return []
    return dataset.rows(dataset.sql(read("notes/summary_suspects.sql"))).as_dicts()


def _beside_winners(dataset: Dataset, values: Mapping[str, Any], rows: Rows) -> "Iterator[Note]":
    """Count the suspect zeros among the other metrics' values, those of ``at``."""
    marks = marks_of(values)
    points = (
        (row["task_id"], row["at_metric"], row["at_variant"], row["at_iteration"])
        for row in (rows.as_dicts() if values.get("at") else ())
        if row["at_value"] in marks and row["at_iteration"] is not None
    )
    series: dict[tuple[str, str], list[str]] = {}
    for task_id, metric, variant, _ in sorted(suspect_points(dataset, points, marks)):
        series.setdefault((metric, variant), []).append(task_id)
    if not series:
        return
    from clearml_snapshot.queries.notes.suspect_notes import SuspectCount

    for (metric, variant), tasks in series.items():
        yield SuspectCount(metric, variant, len(tasks), len({*tasks}), excluded=False, marks=marks)


def _counts(dataset: Dataset, parameters: Mapping[str, Any], *, excluded: bool) -> "list[Note]":
    relation = dataset.sql(read("notes/suspect_series.sql"), parameters)
    (concerned,) = dataset.rows(relation).as_dicts()
    if not concerned["n_series"]:
        return []
    from clearml_snapshot.queries.notes.suspect_notes import SuspectCount, Unexamined

    if concerned["n_points"] > _LOOKED_AT and not excluded:
        return [Unexamined(**concerned)]
    rows = dataset.rows(dataset.sql(read("notes/suspect_counts.sql"), parameters)).as_dicts()
    marks = tuple(parameters["marks"])
    return [SuspectCount(**row, excluded=excluded, marks=marks) for row in rows]


def _field(name: str, values: Mapping[str, Any]) -> str | None:
    """Return which value of a series an answer uses; None means any of its points."""
    if name in _WINNERS:
        return name
    if name not in ("best", "leaderboard", "group") or values.get("last"):
        return None
    chosen = values.get("by" if name == "leaderboard" else "value")
    field = chosen or ("max" if values["best"] == "highest" else "min")
    return None if field == "mean" else str(field)


def _task_ids(rows: Rows) -> list[str]:
    return sorted({row["task_id"] for row in rows.as_dicts()})


def marks_of(values: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the values that replace NaN, from what is bound to a query's parameters."""
    return tuple(map(float, values.get(MARKS) or (0.0,)))


def _point(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["task_id"], row["metric"], row["variant"], row["iteration"])


def _answer(row: Mapping[str, Any], part: str | None) -> tuple[Any, ...]:
    return (row["metric"], row["variant"], row[part] if part else None)


def _if_any(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return row if row is not None and row["value"] is not None else None
