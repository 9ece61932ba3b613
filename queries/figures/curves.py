"""Makes a figure of the curves of some metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.best import (
    Direction,
    common_guess,
    for_the_top,
    guess_note,
)
from clearml_snapshot.queries.ask.grouping import BY_PARAM
from clearml_snapshot.queries.ask.header import find, read
from clearml_snapshot.queries.ask.horizontal import X_PARTS, is_iteration, x_pair
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.figures import axes
from clearml_snapshot.queries.figures.best import best_point, without_suspects
from clearml_snapshot.queries.figures.groups import (
    group_curves,
    is_grouped,
    labelled,
    of_everything,
    with_best,
)
from clearml_snapshot.queries.figures.labels import (
    LONGEST_TITLE,
    Run,
    common_beginning,
    grouped,
    harmless,
    labels,
)
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import (
    Curve,
    Figure,
    Panel,
    Points,
    usual_gap,
)
from clearml_snapshot.queries.figures.points import POINTS, gathered
from clearml_snapshot.queries.figures.thinning import by_curve, thinned
from clearml_snapshot.queries.notes.empty_answers import why_no_rows

MOST_COLOURS: Final = 12
"""Curves that can be told apart by their colours."""
MOST_FAINT: Final = 100
"""Curves that are drawn faintly, one by one; of more the range of their values is drawn."""
_MOST_PANELS: Final = 12
_SELECTING: Final = ("metric", "variant", "all_metrics", "suspect_zeros", "nan_value", *X_PARTS)
"""The parameters of ``curve`` that decide which series are drawn, and their best values."""


@dataclass(frozen=True)
class _Request:
    """What a figure is made of, and the notes that its panels add."""

    dataset: Dataset
    values: Mapping[str, Any]
    """What is bound to the parameters of the query ``curve``."""
    look: Look
    color: str
    """What has a colour of its own; a hyperparameter by its complete name."""
    notes: list[str]


def curves(dataset: Dataset, values: Mapping[str, Any], look: Look) -> Figure:
    """Make a figure of curves, one panel per metric.

    Args:
        dataset: the dataset.
        values: what is bound to the parameters of the query ``curve``, by ``Dataset.bound``.
        look: how they are drawn.

    Raises:
        NoSuchNameError: no such hyperparameter.
        UsageError: there are too many metrics, or the best few of a metric whose name does not
            tell which values are better.
        SnapshotError: no selected task has points of the metrics.
    """
    runs, color = _runs(dataset, values, look)
    request = _Request(dataset, values, look, color, [])
    metrics: dict[str, list[Run]] = {}
    for run in runs:
        metrics.setdefault(run.metric, []).append(run)
    if not runs:
        reason = why_no_rows(dataset, find("curve"), values)
        raise SnapshotError(f"nothing to draw: {reason or 'these metrics have no points'}")
    if len(metrics) > _MOST_PANELS:
        raise UsageError(
            f"a figure has at most {_MOST_PANELS} metrics, and {len(metrics)} match; name fewer"
        )
    panels = tuple(
        _panel(request, metric, of_metric, _better(request, of_metric))
        for metric, of_metric in metrics.items()
    )
    title = harmless(look.title, LONGEST_TITLE) if look.title else ""
    return Figure(title, panels, tuple(dict.fromkeys(request.notes)), look.size, look.theme)


def _better(request: _Request, runs: Sequence[Run]) -> Direction | None:
    """Return which values of a metric are better, if it was said or its names tell."""
    look = request.look
    if look.best:
        return look.best
    pairs = dict.fromkeys((harmless(run.metric), harmless(run.variant)) for run in runs)
    guessed = common_guess(pairs)
    if look.top is not None:
        if guessed is None:
            raise for_the_top(pairs)
        request.notes.extend(guess_note({"best": guessed}))
    return guessed


def _runs(dataset: Dataset, values: Mapping[str, Any], look: Look) -> tuple[list[Run], str]:
    """Read the series that the figure is about, and the parameter that gives the colours."""
    color = look.color
    if color not in ("task", "project", "user", "tag"):
        found = find_params(color.removeprefix(BY_PARAM), dataset.param_names)
        if len(found) > 1:
            raise UsageError(f"{color!r} matches {len(found)} hyperparameters; name one")
        [color] = found
    asked = {name: values[name] for name in _SELECTING}
    rows = dataset.rows(dataset.sql(read("figures/series.sql"), asked)).as_dicts()
    ids = list(dict.fromkeys(row["task_id"] for row in rows))
    params: dict[str, dict[str, str | None]] = {}
    is_named = len(ids) <= MOST_FAINT or color not in ("task", "project", "user", "tag")
    if is_named:
        listed = dataset.rows(dataset.sql(read("figures/parameters.sql"), {"task_ids": ids}))
        for param, task_id, value in listed.rows:
            params.setdefault(task_id, {})[param] = value
    return [
        Run(
            row["curve"],
            row["metric"],
            row["variant"],
            row["task_id"],
            row["task"],
            row["project"],
            row["user"],
            tuple(row["tags"]),
            params.get(row["task_id"], {}),
            row["lowest"],
            row["highest"],
            row["n"],
        )
        for row in rows
    ], color


def _top(request: _Request, runs: Sequence[Run], best: Direction | None) -> list[Run]:
    """Choose the runs with the best values; a run without a finite value is the last."""
    look = request.look
    if look.top is None or look.top >= len(runs):
        return [*runs]

    def place(run: Run) -> tuple[bool, float, int]:
        value = run.lowest if best == "lowest" else run.highest
        is_missing = value is None or not isfinite(value)
        sign = 1 if best == "lowest" else -1
        return is_missing, 0.0 if value is None or is_missing else sign * value, run.curve

    request.notes.append(f"{look.top} of {len(runs)} curves, those with the {best} values")
    return sorted(runs, key=place)[: look.top]


def _panel(request: _Request, metric: str, runs: Sequence[Run], best: Direction | None) -> Panel:
    common, look, values = "", request.look, request.values
    if is_grouped(values):
        drawn = _groups(request, metric, runs, best)
    else:
        corrected = without_suspects(request.dataset, values, runs, best)
        chosen = _top(request, corrected, best)
        drawn = _tasks(request, metric, chosen, best)
        common = common_beginning(chosen) if len(drawn) == len(chosen) else ""
    panel = axes.fitted(
        _title(metric, runs, common),
        drawn,
        values["x"],
        log_x=look.log_x,
        log_y=look.log_y,
        clips=look.clips,
    )
    request.notes.extend(axes.notes_on(panel))
    return panel


def _tasks(
    request: _Request, metric: str, runs: Sequence[Run], best: Direction | None
) -> list[Curve]:
    """Draw a curve for each task; if these are too many, also or only their mean."""
    name, values, notes = harmless(metric), request.values, request.notes
    if len(runs) > MOST_FAINT:
        drawn, told = _everything(request, runs)
        told[0] = f"the line is their mean, and {told[0]}"
        notes.append(f"{len(runs):,} curves of {name} are too many to draw: {'; '.join(told)}")
        return drawn
    is_smooth = values["smooth"] is not None or values["window"] is not None
    with gathered(request.dataset, values, runs) as connection:
        raw = _thinned(connection, request.look, "value")
        smooth = _thinned(connection, request.look, "smoothed") if is_smooth else {}
    drawn = _drawn(request, runs, raw, smooth, best)
    if len({curve.colour for curve in drawn}) <= MOST_COLOURS:
        return drawn
    notes.append(
        f"{len(runs)} curves of {name} are too many to tell apart: they are faint, and the line is "
        "their mean"
    )
    means, _ = _everything(request, runs)
    return [*map(_faint, drawn), *(replace(mean, bands=()) for mean in means)]


def _groups(
    request: _Request, metric: str, runs: Sequence[Run], best: Direction | None
) -> list[Curve]:
    """Draw the mean of each group and its band; if these are too many, also or only all tasks'."""
    dataset, values, look, notes = request.dataset, request.values, request.look, request.notes
    if look.color != "task":
        raise UsageError(f"{setting('color')} has no effect on groups; omit it")
    found, told = group_curves(dataset, values, look, runs)
    found, of_best = with_best(dataset, values, look, runs, found, best)
    notes.extend(of_best)
    if look.top is not None and look.top < len(found):
        sign = 1 if best == "lowest" else -1
        found.sort(
            key=lambda group: (group.curve.best is None, sign * (group.curve.best or (0, 0))[1])
        )
        notes.append(f"{look.top} of {len(found)} groups, those with the {best} means")
        found = found[: look.top]
    drawn = labelled(found)
    if len(drawn) <= MOST_COLOURS:
        notes.extend(told)
        return [replace(curve, colour=number) for number, curve in enumerate(drawn)]
    groups = f"{len(drawn):,} groups of {harmless(metric)} are too many"
    means, told = _everything(request, runs)
    if len(drawn) > MOST_FAINT:
        told[0] = f"the line is the mean of all tasks, and {told[0]}"
        notes.append(f"{groups} to draw: {'; '.join(told)}")
        return means
    notes.append(
        f"{groups} to tell apart: their means are faint and have no bands, and the line is the "
        f"mean of all tasks; {setting('top')} or a filter draws fewer"
    )
    return [*map(_faint, drawn), *(replace(mean, bands=()) for mean in means)]


def _everything(request: _Request, runs: Sequence[Run]) -> tuple[list[Curve], list[str]]:
    """Draw the mean and the range of these runs, one curve per variant."""
    ids = {run.task_id for run in runs}
    with request.dataset.opened_again(only=sorted(ids)) as (inner, _connection):
        groups, told = group_curves(inner, of_everything(request.values), request.look, runs)
        return labelled(groups), told


def _title(metric: str, runs: Sequence[Run], common: str) -> str:
    """Name the metric, its variant if all curves have the same, and what all labels leave out."""
    [variant, *others] = {run.variant for run in runs}
    is_same = others or variant == metric
    title = metric if is_same else f"{metric}/{variant}"
    return harmless(f"{title} · {common}…" if common else title, LONGEST_TITLE)


def _thinned(connection: duckdb.DuckDBPyConnection, look: Look, column: str) -> dict[int, Points]:
    """Thin a column of the points, and divide it by curve."""
    with translating_errors():
        points = connection.table(POINTS).project(f"curve, x, {column} AS value")
        if column == "smoothed":
            points = points.filter("value IS NOT NULL")
        table = thinned(connection, points, look.columns, is_log=look.log_x)
    return by_curve(table)


def _drawn(
    request: _Request,
    runs: Sequence[Run],
    raw: Mapping[int, Points],
    smooth: Mapping[int, Points],
    best: Direction | None,
) -> list[Curve]:
    color, values = request.color, request.values
    has_places = is_iteration(values) and not values["offset_resumed"] and not smooth
    has_gaps = x_pair(values) is None
    shown = [run.task_id if color == "task" else grouped(run, color) for run in runs]
    colours = {value: number for number, value in enumerate(dict.fromkeys(shown))}
    if color == "task" and len({run.variant for run in runs}) > 1:
        colours = {}
    named = labels(runs)
    every = [x for points in raw.values() for x in (points.x[0], points.x[-1])]
    width = max(every, default=0.0) - min(every, default=0.0)
    drawn = []
    for number, (run, label, value) in enumerate(zip(runs, named, shown, strict=True)):
        points = smooth.get(run.curve, Points()) if smooth else raw.get(run.curve, Points())
        drawn.append(
            Curve(
                label if color == "task" else harmless(f"{value} · {label}"),
                colours.get(value, number),
                points,
                raw.get(run.curve) if smooth else None,
                best=_best(run, points, best, has_places=has_places),
                gap=usual_gap(points.x, width) if has_gaps else None,
            )
        )
    return drawn


def _best(
    run: Run, points: Points, best: Direction | None, *, has_places: bool
) -> tuple[float, float] | None:
    """Find the best of the points that are drawn.

    Args:
        run: the run.
        points: its points.
        best: which values are better.
        has_places: whether x and the values are the iterations and values that were logged.
    """
    if not run.is_corrected:
        return best_point(points, best)
    return run.best if has_places else None


def _faint(curve: Curve) -> Curve:
    return replace(curve, raw=None, bands=(), best=None, is_faint=True)
