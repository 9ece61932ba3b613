"""Finds values that are probably NaN: the SDK logs NaN and infinities as 0, or as a set value.

See docs/clearml-server.md, "Values".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.store.engine.sql_text import sql_value
from clearml_snapshot.queries.ask.header import Query, find, read
from clearml_snapshot.queries.ask.horizontal import x_pair
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Rows

if TYPE_CHECKING:
    from clearml_snapshot.queries.notes.suspect_notes import Note, SuspectZero, Unexamined

_CHOICE: Final = "suspect_zeros"
WINNERS: Final = frozenset({"max", "min", "last"})
"""The queries whose rows are single points."""

_LOOKED_AT: Final = 3_000_000
"""Points that are examined for a note: about five seconds of processor time."""

_LOOKED_AT_FOR_A_PACK: Final = 20_000_000
"""Points that are examined for the summary of a pack, which is written once."""

_METRICS_AT_ONCE: Final = 40
"""DuckDB skips row groups by the metrics of a join if these are at most 50."""

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
    names_winners = query.name in WINNERS and not counts_many(query, values)
    if names_winners and values[_CHOICE] != "exclude":
        lines += suspect_zeros(dataset, query.name, values, rows)
    else:
        lines += suspect_counts(dataset, query.name, values, rows)
    if query.name in WINNERS and values[_CHOICE] != "exclude":
        lines += _beside_winners(dataset, values, rows)
    many = not names_winners and len(lines) > _SHOWN
    yield from map(str, lines[:_SHOWN] if many else lines)
    if many:
        yield f"… and {len(lines) - _SHOWN} more"


def counts_many(query: Query, values: Mapping[str, Any]) -> bool:
    """Whether several points of a series decide the value that counts, as in a mean.

    A suspect zero then changes values that are not 0.
    """
    if query.file is not None or "smooth" not in values or "value" not in values:
        return False
    if values["smooth"] is not None or values["last"] is not None:
        return True
    what = values["value"] or (values["by"] if query.name == "leaderboard" else None)
    return what in ("mean", "median")


def suspect_zeros(
    dataset: Dataset, name: str, values: Mapping[str, Any], rows: Rows
) -> "tuple[SuspectZero | Unexamined, ...]":
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
    concerned = _concerned(
        dataset,
        {
            "metric": [row["metric"] for row in zeros],
            "variant": [row["variant"] for row in zeros],
            "all_metrics": None,
            "task_ids": _task_ids(zeros),
            "field": values.get("value") or name,
            "marks": list(marks),
        },
    )
    if concerned.n_points > _LOOKED_AT:
        return (concerned,)
    suspect = suspect_points(dataset, map(_point, zeros), marks)
    if not suspect:
        return ()
    from clearml_snapshot.queries.notes.suspect_notes import SuspectZero  # few answers have any

    winners = [row for row in zeros if _point(row) in suspect]
    part = {"task": "task_id", "project": "project"}.get(values["by"] or "")
    best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in _without_suspects(dataset, name, values, winners, part).as_dicts():
        best.setdefault(_answer(row, part), row)
    return tuple(SuspectZero(row, _if_any(best.get(_answer(row, part)))) for row in winners)


def _without_suspects(
    dataset: Dataset,
    name: str,
    values: Mapping[str, Any],
    winners: Sequence[Mapping[str, Any]],
    part: str | None,
) -> Rows:
    """Ask again about the series and tasks of some winners only; there may be millions of others.

    Args:
        dataset: the dataset.
        name: the query.
        values: the values of its parameters.
        winners: rows of its answer.
        part: the column that the answer has a winner for, besides metric and variant.
    """
    metrics, variants = zip(
        *sorted({(row["metric"], row["variant"]) for row in winners}), strict=True
    )
    narrowed = {"metric": list(metrics), "variant": list(variants), _CHOICE: "exclude"}
    relation = dataset.sql(find(name).sql, {**values, **narrowed})
    if part is not None:
        parts = sql_value(sorted({str(row[part]) for row in winners}))
        relation = relation.filter(f"{part} IS NULL OR list_contains({parts}, {part})")
    return dataset.rows(relation)


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
    shows_all = name not in WINNERS or values["by"] == "task"
    if not excluded and (name == "leaderboard" or not shows_all):
        parameters["task_ids"] = _task_ids(rows.as_dicts())
    if values.get("per") == "task":
        return _beside_tasks(dataset, values, parameters, excluded=excluded)
    counts = _counts(dataset, parameters, excluded=excluded)
    if values.get("also"):
        also = {"metric": values["also"], "variant": values["also_variant"], "field": "last"}
        shown = {"task_ids": _task_ids(rows.as_dicts())}
        counts += _counts(dataset, {**parameters, **also, **shown}, excluded=excluded)
    if x := x_pair(values):
        chosen = {key: parameters[key] for key in ("metric", "variant", "all_metrics")}
        having_it = dataset.rows(dataset.sql(read("notes/horizontal/tasks.sql"), chosen)).rows
        across = {"metric": [x[0]], "variant": [x[1]], "task_ids": [row[0] for row in having_it]}
        found = _counts(dataset, {**parameters, **across}, excluded=excluded)
        counts += [note for note in found if note not in counts]
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
    by_metric: dict[str, set[tuple[Any, ...]]] = {}
    for point in points:
        by_metric.setdefault(point[1], set()).add(point)
    suspects: set[tuple[Any, ...]] = set()
    metrics = sorted(by_metric)
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        chosen = metrics[start : start + _METRICS_AT_ONCE]
        listed = sorted(point for metric in chosen for point in by_metric[metric])
        names = ("task_ids", "metrics", "variants", "iterations")
        parameters = dict(zip(names, map(list, zip(*listed, strict=True)), strict=True))
        relation = dataset.sql(read("notes/suspect.sql"), {**parameters, "marks": list(marks)})
        suspects.update(dataset.rows(relation).rows)
    return suspects


def suspects_by_series(dataset: Dataset) -> list[dict[str, Any]] | None:
    """Count the suspect zeros of every series that has any, including ``:monitor:``.

    Returns:
        Rows of ``task_id``, ``metric``, ``variant`` and ``n_suspect_zeros``; None if the series
        with a 0 have more than 20 million points, and were not examined.
    """
    every = {"metric": None, "variant": None, "all_metrics": True, "task_ids": None}
    parameters = {**every, "field": None, "marks": [0.0]}
    concerned = _concerned(dataset, parameters)
    if concerned.n_points > _LOOKED_AT_FOR_A_PACK:
        return None
    if not concerned.n_series:
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


def _beside_tasks(
    dataset: Dataset,
    values: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    excluded: bool,
) -> "list[Note]":
    """Count the suspect zeros among the values that ``wide`` shows of each task."""
    from clearml_snapshot.queries.ask.columns.wide import column_names, metrics_by_word

    lines: list[Note] = []
    every = column_names(dataset.sql(read("lookups/wide_names.sql")))
    for word, names in metrics_by_word(values, every).items():
        if names:
            metrics, variants = [one.group for one in names], [one.name for one in names]
            series = {"metric": metrics, "variant": variants, "field": word}
            lines += _counts(dataset, {**parameters, **series}, excluded=excluded)
    return lines


def _concerned(dataset: Dataset, parameters: Mapping[str, Any]) -> "Unexamined":
    """Count the series, and their points, that may have suspect zeros."""
    relation = dataset.sql(read("notes/suspect_series.sql"), parameters)
    (counts,) = dataset.rows(relation).as_dicts()
    from clearml_snapshot.queries.notes.suspect_notes import Unexamined

    return Unexamined(**counts)


def _counts(dataset: Dataset, parameters: Mapping[str, Any], *, excluded: bool) -> "list[Note]":
    concerned = _concerned(dataset, parameters)
    if not concerned.n_series:
        return []
    if concerned.n_points > _LOOKED_AT and not excluded:
        return [concerned]
    from clearml_snapshot.queries.notes.suspect_notes import SuspectCount

    rows = dataset.rows(dataset.sql(read("notes/suspect_counts.sql"), parameters)).as_dicts()
    marks = tuple(parameters["marks"])
    return [SuspectCount(**row, excluded=excluded, marks=marks) for row in rows]


def _field(name: str, values: Mapping[str, Any]) -> str | None:
    """Return which value of a series an answer uses; None means any of its points."""
    if name not in ("best", "leaderboard", "group", *WINNERS) or counts_many(find(name), values):
        return None
    chosen = values.get("value") or (values["by"] if name == "leaderboard" else None)
    if name in WINNERS:
        return str(chosen or name)
    return str(chosen or ("max" if values["best"] == "highest" else "min"))


def _task_ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({row["task_id"] for row in rows})


def _point(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["task_id"], row["metric"], row["variant"], row["iteration"])


def _answer(row: Mapping[str, Any], part: str | None) -> tuple[Any, ...]:
    return (row["metric"], row["variant"], row[part] if part else None)


def _if_any(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return row if row is not None and row["value"] is not None else None
