"""Collects what a report contains."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.aliases import explained
from clearml_snapshot.queries.ask.best import for_the_top, guess
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.ask.parameters import chosen_pairs
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.suspect_zeros import suspect_points
from clearml_snapshot.queries.report.curves import chosen_parts, with_curves
from clearml_snapshot.queries.report.fitting import PARAMS, fitting
from clearml_snapshot.queries.report.group_means import bound_means, group_means, packed
from clearml_snapshot.queries.report.model import (
    Chart,
    Report,
    ReportOptions,
    Series,
)

LISTED: Final = 50
"""Maximum number of rows of the tables of problems."""

_LONGEST_VALUE: Final = 501
"""Characters of a hyperparameter that are read if only so much is: a page shows 500."""

_EXAMINED: Final = 5_000_000
"""Maximum number of points that are examined for zeros that are probably NaN."""

COUNTED: Final = {"highest": "max", "lowest": "min", None: "last"}
"""Which column of ``series`` counts."""


def contents(dataset: Dataset, options: ReportOptions) -> Report:
    """Collect a report about the tasks that a dataset is open for.

    Raises:
        NoSuchNameError: the snapshot does not contain a metric or variant.
        UsageError: ``top`` without metrics whose order is known, or nothing is selected.
    """
    fit = fitting(dataset) if options.fits else None
    pairs = fit.pairs if fit else _pairs(dataset, options)
    names = {"metric": [m for m, _ in pairs], "variant": [v for _, v in pairs]}
    grouped = bound_means(dataset, options, pairs)
    about = _about(dataset)
    if fit:
        chosen = None if fit.task_ids is None else [*fit.task_ids]
    else:
        everything = {**names, "task_ids": None}
        chosen = _best_tasks(dataset, options, everything) if options.top else None
    parameters = {**names, "task_ids": chosen}
    tasks = _rows(dataset, "report/tasks", {"task_ids": chosen})
    if not tasks:
        raise UsageError("no task matches; nothing to report")
    places = {task["task_id"]: place for place, task in enumerate(tasks)}
    charts = _charts(_rows(dataset, "report/series", parameters), places, options)
    charts, unexamined = _with_suspects(dataset, charts)
    parts = chosen_parts(charts, options)
    charts = sorted(with_curves(dataset, charts, parameters, parts), key=_order)
    params, kinds, n_params = _params(dataset, chosen, places, PARAMS if fit else None)
    return Report(
        tasks=tuple(tasks),
        params=params,
        kinds=kinds,
        n_params=n_params,
        charts=tuple(charts),
        means=None if grouped is None else _means(dataset, grouped, places, charts),
        parts=parts,
        n_selected=sum(row["tasks"] for row in about["states"]),
        unexamined=unexamined,
        about=about,
        fit=fit,
    )


def _means(
    dataset: Dataset, grouped: dict[str, Any], places: dict[str, int], charts: Sequence[Chart]
) -> bytes:
    means = group_means(dataset, grouped, [*places])
    return packed(means, [(chart.metric, chart.variant) for chart in charts])


def _pairs(dataset: Dataset, options: ReportOptions) -> Sequence[tuple[str, str]]:
    with explained(dataset.aliased):
        return chosen_pairs(
            options.metrics, options.variants, dataset.series_names, excluded=options.excluded
        )


def _order(chart: Chart) -> tuple[Any, ...]:
    """First come charts whose best values are known, then those that most tasks have."""
    return (chart.best is None, -len(chart.series), chart.metric, chart.variant)


def best_of(chart: Chart, series: Series) -> tuple[float | None, int | None]:
    """Return the value of a series that counts, and its iteration."""
    column = COUNTED[chart.best]
    return series.row[column], series.row[f"{column}_iteration"]


def _charts(
    rows: Iterable[dict[str, Any]], places: dict[str, int], options: ReportOptions
) -> list[Chart]:
    charts = []
    for (metric, variant), group in groupby(rows, lambda row: (row["metric"], row["variant"])):
        series = tuple(Series(places[row["task_id"]], row) for row in group)
        n_points = sum(one.row["n"] for one in series)
        best = options.best or guess(metric, variant)
        charts.append(Chart(metric, variant, best, series, n_points=n_points))
    return charts


def _best_tasks(dataset: Dataset, options: ReportOptions, parameters: dict[str, Any]) -> list[str]:
    """List the best tasks of each metric that was chosen, by their ids."""
    if not options.metrics:
        raise UsageError(f"{setting('top')} needs {setting('metric')}: the best tasks of what?")
    chosen: dict[str, None] = {}
    rows = _rows(dataset, "report/series", parameters)
    for (metric, variant), group in groupby(rows, lambda row: (row["metric"], row["variant"])):
        best = options.best or guess(metric, variant)
        if best is None:
            raise for_the_top([(metric, variant)])
        typed = {"metric": [metric], "variant": [variant], "best": best, "top": options.top}
        answer = dataset.query("leaderboard", **typed, suspect_zeros="exclude")
        ranked = [row["task_id"] for row in dataset.rows(answer).as_dicts()]
        held = {row["task_id"] for row in group}
        chosen |= dict.fromkeys(task_id for task_id in ranked if task_id in held)
    return sorted(chosen)


def _with_suspects(dataset: Dataset, charts: Sequence[Chart]) -> tuple[list[Chart], bool]:
    """Mark best values that are 0 among values far from 0; the second is whether that was left."""
    zeros = [
        (series, (series.row["task_id"], chart.metric, chart.variant, iteration))
        for chart in charts
        for series in chart.series
        for value, iteration in [best_of(chart, series)]
        if value == 0 and iteration is not None
    ]
    if not zeros:
        return list(charts), False
    if sum(series.row["n"] for series, _ in zeros) > _EXAMINED:
        return list(charts), True
    suspects = suspect_points(dataset, [point for _, point in zeros])
    marked = {id(series) for series, point in zeros if point in suspects}
    if not marked:
        return list(charts), False
    return [_marked(chart, marked) for chart in charts], False


def _marked(chart: Chart, marked: set[int]) -> Chart:
    series = tuple(
        replace(one, is_suspect=True) if id(one) in marked else one for one in chart.series
    )
    return replace(chart, series=series)


def _params(
    dataset: Dataset, chosen: list[str] | None, places: dict[str, int], most: int | None
) -> tuple[dict[str, dict[int, str | None]], dict[str, dict[int, int | None]], int]:
    """Read the hyperparameters, the numbers of their values, and how many there are."""
    params: dict[str, dict[int, str | None]] = {}
    kinds: dict[str, dict[int, int | None]] = {}
    n_params = 0
    asked = {"task_ids": chosen, "most": most, "longest": _LONGEST_VALUE}
    for row in _rows(dataset, "report/parameters", asked):
        params.setdefault(row["param"], {})[places[row["task_id"]]] = row["value"]
        kinds.setdefault(row["param"], {})[places[row["task_id"]]] = row["kind"]
        n_params = row["n_params"]
    return params, kinds, n_params


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        "held": _rows(dataset, "pages/totals", None)[0],
        "states": _rows(dataset, "status/states", None),
        "running": _rows(dataset, "pages/running", {"top": LISTED}),
        "problems": _rows(dataset, "pages/problems", {"top": LISTED}),
        "odd": _rows(dataset, "pages/odd", {"top": LISTED}),
    }


def _rows(dataset: Dataset, name: str, params: dict[str, Any] | None) -> list[dict[str, Any]]:
    return dataset.rows(dataset.sql(read(f"{name}.sql"), params)).as_dicts()


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None
