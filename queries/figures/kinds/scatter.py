"""Makes a scatter plot: a dot per task, its best value over a hyperparameter or another metric."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log10
from typing import Any, Final

from clearml_snapshot.exporter.errors import NoSuchNameError, SnapshotError, UsageError
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.grouping import BY_PARAM
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.outliers import usual_range
from clearml_snapshot.queries.figures.kinds.scores import (
    Ranking,
    Score,
    best_of,
    named,
    not_drawn,
    rankings,
)
from clearml_snapshot.queries.figures.kinds.settings import (
    Placed,
    Setting,
    numeric_axis,
    placed,
    settings_of,
)
from clearml_snapshot.queries.figures.labels import harmless, unique
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Axis, Curve, Panel, Points

MOST_COLOURS: Final = 12
_RAMP: Final = 6
"""Intervals of numbers that are coloured in order."""
_PROPERTIES: Final = ("project", "user", "tag")


def scatter(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[list[Panel], list[Ranking], list[str]]:
    """Make a panel per metric.

    Args:
        dataset: the dataset.
        typed: arguments of ``leaderboard``, and ``x``: a hyperparameter or a metric.
        look: how it is drawn.

    Returns:
        The panels, every answer they are made of, and what a reader must know.

    Raises:
        NoSuchNameError: no such metric or hyperparameter.
        UsageError: it is not said what x is, or a name does not tell which values are better.
        SnapshotError: no task has both values.
    """
    arguments = {name: value for name, value in typed.items() if name != "x"}
    x = typed.get("x")
    param = None if x is None else _param(dataset, x)
    across: Ranking | None = None
    if x is None:
        across, *over = rankings(dataset, arguments, look)
        if len(over) != 1:
            raise UsageError(
                f"{setting('kind', 'scatter')} needs {setting('x')} with a hyperparameter such as "
                "Args/lr, or two metrics, and these match "
                f"{'only 1 series' if not over else f'{len(over) + 1} series'}"
            )
    else:
        over = rankings(dataset, arguments, look)
        across = None if param else _metric_of_x(dataset, arguments, look, x)
    settings = {} if param is None else settings_of(dataset, [param])[param]
    colours, notes = _colours(dataset, look, over)
    panels = []
    for ranking in over:
        notes += ranking.notes
        ids = [score.task_id for score in ranking.scores]
        if param is not None:
            at = placed(param, settings, ids, is_log=look.log_x)
        else:
            assert across is not None
            at = _by_metric(across, ids, look)
        notes += at.notes
        panels.append(_panel(dataset, ranking, at, colours, look, notes))
    return panels, ([across] if across else []) + over, notes


def _param(dataset: Dataset, x: str) -> str | None:
    """Return the hyperparameter that x is; None if it is a metric."""
    try:
        found = find_params(x.removeprefix(BY_PARAM), dataset.param_names)
    except NoSuchNameError:
        if x.startswith(BY_PARAM):
            raise
        return None
    if len(found) > 1:
        raise UsageError(f"{setting('x', x)} matches {len(found)} hyperparameters; name one")
    return found[0]


def _metric_of_x(dataset: Dataset, arguments: Mapping[str, Any], look: Look, x: str) -> Ranking:
    """Read the best values of the metric that x is; its name tells which are better, if it can."""
    others = {name: value for name, value in arguments.items() if name not in _ABOUT_Y}
    every = replace(look, top=None)
    try:
        found = rankings(dataset, {**others, "metric": [x]}, replace(every, best=None))
    except UsageError:
        if look.best is None:
            raise
        found = rankings(dataset, {**others, "metric": [x]}, every)
    if len(found) > 1:
        listed = ", ".join(ranking.name for ranking in found[:3])
        raise UsageError(f"{setting('x', x)} matches several series: {listed}; name one")
    return found[0]


_ABOUT_Y: Final = ("metric", "variant", "exclude_metric")


def _by_metric(ranking: Ranking, task_ids: Sequence[str], look: Look) -> Placed:
    """Place tasks by their best value of a metric."""
    values = {score.task_id: score.value for score in ranking.scores}
    found = {task_id: values[task_id] for task_id in task_ids if task_id in values}
    notes = [*ranking.notes]
    if lost := len(task_ids) - len(found):
        have = "has" if lost == 1 else "have"
        notes.append(
            f"{lost:,} of {len(task_ids):,} tasks {have} no finite value of {ranking.name} and "
            f"{not_drawn(lost)}"
        )
    if look.log_x and (low := {task_id for task_id, value in found.items() if value <= 0}):
        notes.append(f"{ranking.name}: {_without_place(len(low))}")
        found = {task_id: value for task_id, value in found.items() if task_id not in low}
    axis = _value_axis(ranking.title, [*found.values()], look.log_x, look.clips)
    return Placed(axis, found, tuple(notes))


def _without_place(number: int) -> str:
    has = "1 task has" if number == 1 else f"{number:,} tasks have"
    return (
        f"{has} a value of 0 or below, which has no place on a logarithmic axis, and "
        f"{not_drawn(number)}"
    )


def _value_axis(title: str, values: Sequence[float], is_log: bool, clips: bool) -> Axis:
    """Make an axis of the best values; it is only logarithmic if that was asked for."""
    if not values:
        return Axis(title, 0.0, 1.0)
    low, high = (min(values), max(values)) if is_log else usual_range(values, clips)
    if is_log:
        margin = (log10(high) - log10(low)) * 0.05 or 0.1
        return Axis(title, low / 10**margin, high * 10**margin, is_log=True)
    made = numeric_axis(title, [0.0], False)
    margin = (high / 2 - low / 2) * 2 * 0.05 or abs(high) * 0.05 or 0.5
    ends = (low - margin, high + margin) if high + margin - low < float("inf") else (low, high)
    return replace(made, low=ends[0], high=ends[1], ticks=())


def _panel(
    dataset: Dataset,
    ranking: Ranking,
    at: Placed,
    colours: "_Colours",
    look: Look,
    notes: list[str],
) -> Panel:
    scores = [score for score in ranking.scores if score.task_id in at.places]
    if look.log_y and (low := [score for score in scores if score.value <= 0]):
        notes.append(f"{ranking.name}: {_without_place(len(low))}")
        scores = [score for score in scores if score.value > 0]
    if not scores:
        raise SnapshotError(f"nothing to draw: {'; '.join(at.notes) or 'no task has both values'}")
    y = _value_axis("", [score.value for score in scores], look.log_y, look.clips)
    x = at.axis
    outside = [
        score
        for score in scores
        if not (y.low <= score.value <= y.high and x.low <= at.places[score.task_id] <= x.high)
    ]
    if outside:
        far = max(outside, key=lambda score: abs(score.value))
        are = "dot is" if len(outside) == 1 else "dots are"
        notes.append(
            f"{ranking.name}: {len(outside):,} {are} outside, far from the others (such as "
            f"{far.value:.6g}), and marked at the edge; {setting('clips', False)} shows all"
        )
    best = best_of(dataset, ranking, scores)
    if best is not None:
        [name] = named(dataset, [best])
        notes.append(f"◆ is the {ranking.title}: {best.value:.6g}, of {name}")
    curves = _dots(scores, at, colours, best)
    above = sum(score.value > y.high for score in scores)
    below = sum(score.value < y.low for score in scores)
    return Panel(ranking.title, x, y, tuple(curves), above, below, colours.is_ramp)


def _dots(
    scores: Sequence[Score], at: Placed, colours: "_Colours", best: Score | None
) -> list[Curve]:
    """Divide the dots by colour."""
    parts: dict[str, list[Score]] = {label: [] for label in colours.labels}
    for score in scores:
        parts[colours.of(score.task_id)].append(score)
    drawn = []
    place = None if best is None else (at.places[best.task_id], best.value)
    for number, (label, part) in enumerate(parts.items()):
        if not part:
            continue
        dots = sorted((at.places[score.task_id], score.value) for score in part)
        drawn.append(
            Curve(
                f"{label or 'tasks'} (n = {len(part):,})",
                number,
                Points(tuple(x for x, _ in dots), tuple(value for _, value in dots)),
                best=place if best in part else None,
                is_dots=True,
            )
        )
    return drawn


class _Colours:
    """The label of each task, which has a colour."""

    def __init__(self, by_task: Mapping[str, str], labels: Sequence[str], is_ramp: bool) -> None:
        self._by_task, self.labels, self.is_ramp = by_task, tuple(labels), is_ramp

    def of(self, task_id: str) -> str:
        return self._by_task.get(task_id, self.labels[-1])


def _colours(dataset: Dataset, look: Look, over: Sequence[Ranking]) -> tuple[_Colours, list[str]]:
    """Find the label of each task; more colours than can be told apart are none."""
    if look.color == "task":
        return _Colours({}, [""], False), []
    ids = list(dict.fromkeys(score.task_id for ranking in over for score in ranking.scores))
    if look.color in _PROPERTIES:
        name, settings = look.color, _properties(dataset, look.color)
    else:
        found = find_params(look.color.removeprefix(BY_PARAM), dataset.param_names)
        if len(found) > 1:
            raise UsageError(f"{look.color!r} matches {len(found)} hyperparameters; name one")
        name = found[0].partition("/")[2] or found[0]
        settings = settings_of(dataset, found)[found[0]]
    chosen = {task_id: settings[task_id] for task_id in ids if task_id in settings}
    order = sorted({(s.number is None, s.number or 0.0, s.text) for s in chosen.values()})
    lacking = [] if len(chosen) == len(ids) else [f"without {harmless(name)}"]
    if len(order) <= MOST_COLOURS:
        is_param = look.color not in _PROPERTIES
        texts = [text for _, _, text in order]
        shown = unique([harmless(f"{name}={text}" if is_param else text) for text in texts])
        labels = dict(zip(texts, shown, strict=True))
        by_task = {task_id: labels[setting.text] for task_id, setting in chosen.items()}
        is_ramp = is_param and len(order) > 2 and not any(is_text for is_text, _, _ in order)
        return _Colours(by_task, [*shown, *lacking], is_ramp and not lacking), []
    if any(is_text for is_text, _, _ in order):
        note = f"{len(order):,} values of {harmless(name)} are too many to tell apart by colour"
        return _Colours({}, [""], False), [f"{note}: the dots have one"]
    return _intervals(harmless(name), chosen, lacking), []


def _intervals(name: str, chosen: Mapping[str, Setting], lacking: list[str]) -> _Colours:
    """Divide numbers into intervals with about as many tasks each."""
    numbers = sorted(setting.number or 0.0 for setting in chosen.values())
    firsts = sorted({numbers[len(numbers) * part // _RAMP] for part in range(_RAMP)})
    lasts = [max(n for n in numbers if n < after) for after in firsts[1:]] + [numbers[-1]]
    labels = [
        f"{name} {first:.4g}" + (f" to {last:.4g}" if last > first else "")
        for first, last in zip(firsts, lasts, strict=True)
    ]
    labels = unique(labels)
    by_task = {
        task_id: labels[sum(first <= (setting.number or 0.0) for first in firsts) - 1]
        for task_id, setting in chosen.items()
    }
    return _Colours(by_task, [*labels, *lacking], not lacking)


def _properties(dataset: Dataset, color: str) -> dict[str, Setting]:
    relation = dataset.sql(read("figures/kinds/properties.sql"), {"property": color})
    return {task_id: Setting(text, None) for task_id, text in dataset.rows(relation).rows}
