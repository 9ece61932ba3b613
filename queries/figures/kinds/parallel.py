"""Makes parallel coordinates: a line per task through its hyperparameters to its best values."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.parameters import texts
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.scores import Asked, Ranking, named, rankings
from clearml_snapshot.queries.figures.kinds.settings import numeric_axis, placed, settings_of
from clearml_snapshot.queries.figures.labels import harmless
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import NOWHERE, Axis, Line, Parallel, Scale
from clearml_snapshot.queries.figures.outputs.ticks import ticks

_MOST_SCALES: Final = 10
"""Hyperparameters that a figure has room for."""
_MOST_LINES: Final = 500
"""Lines that are drawn; a PNG of so many takes seconds."""
_MOST_TICKS: Final = 6
_CLOSEST: Final = 0.03
"""Of the height, between two texts beside an axis."""


def parallel(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[list[Parallel], list[Asked], list[str]]:
    """Make one chart: the hyperparameters, then the metrics; the first metric gives the colours.

    Args:
        dataset: the dataset.
        typed: arguments of ``leaderboard``.
        look: the hyperparameters, if not all that differ, and how many tasks are drawn.

    Returns:
        The chart, the answers it is made of, and what a reader must know.

    Raises:
        NoSuchNameError: no such metric or hyperparameter.
        UsageError: there is no hyperparameter to draw.
    """
    first, *others = rankings(dataset, typed, look)
    notes = [note for ranking in (first, *others) for note in ranking.notes]
    scores = first.scores[:_MOST_LINES]
    if len(scores) < len(first.scores):
        notes.append(
            f"{first.name}: lines of the best {len(scores):,} of {len(first.scores):,} tasks"
        )
    ids = [score.task_id for score in scores]
    scales, places = _params(dataset, look, first, ids, notes)
    for ranking in (first, *others):
        scale, at = _result(ranking, ids, notes)
        scales.append(scale)
        places.append(at)
    values = [score.value for score in scores]
    low, high = min(values), max(values)
    drawn = [
        Line(
            label,
            tuple(at.get(score.task_id) for at in places),
            _worth(score.value, low, high, first),
        )
        for label, score in zip(named(dataset, scores), scores, strict=True)
    ]
    notes.append(f"the thick line is the {first.title}: {values[0]:.6g}, of {drawn[0].label}")
    title = f"{first.title} of {len(drawn):,} tasks"
    chart = Parallel(title, tuple(scales), tuple(drawn[::-1]))
    return [chart], [ranking.asked for ranking in (first, *others)], notes


def _worth(value: float, low: float, high: float, ranking: Ranking) -> float:
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 1.0
    return share if ranking.best == "highest" or high <= low else 1.0 - share


def _params(
    dataset: Dataset, look: Look, first: Ranking, ids: Sequence[str], notes: list[str]
) -> tuple[list[Scale], list[Mapping[str, float]]]:
    """Choose the hyperparameters, and place the tasks on each."""
    typed = texts(look.param)
    if typed:
        found = [name for text in typed for name in find_params(text, dataset.param_names)]
        names = list(dict.fromkeys(found))
        if len(names) > _MOST_SCALES:
            raise UsageError(
                f"{setting('param')} matches {len(names):,} hyperparameters, and a figure has room "
                f"for {_MOST_SCALES}; name fewer"
            )
    else:
        about = {"metric": [first.metric], "variant": [first.variant], "all_metrics": None}
        names = [*dataset.differing_params({**about, "by_all_except": []})]
    settings = settings_of(dataset, names)
    made: list[tuple[int, Scale, Mapping[str, float]]] = []
    lost: list[str] = []
    for name in names:
        try:
            at = placed(name, settings[name], ids)
        except UsageError:
            if typed:
                raise
            lost.append(harmless(name))
            continue
        if len({*at.places.values()}) < 2 and not typed and len(at.places) == len(ids):
            continue  # it differs only between tasks that are not drawn
        lacking = len(ids) - len(at.places)
        made.append((lacking, *_scale(at.axis, at.places, has_none=lacking > 0)))
        notes += [note.replace("not drawn", 'at "(none)"') for note in at.notes]
    if lost:
        notes.append(f"too many different texts for an axis: {', '.join(lost[:5])}")
    if len(made) > _MOST_SCALES:
        # Those that most tasks have; the others are named, so that they can be chosen.
        kept = sorted(made, key=lambda each: each[0])[:_MOST_SCALES]
        left = [harmless(each[1].title) for each in made if each not in kept]
        notes.append(
            f"{len(made)} hyperparameters differ, drawn are {_MOST_SCALES} that most tasks have; "
            f"not {', '.join(left[:5])}{' …' if len(left) > 5 else ''}; {setting('param')} chooses"
        )
        made = [each for each in made if each in kept]
    if not made:
        raise UsageError(
            f"{setting('kind', 'parallel')}: the tasks differ in no hyperparameter; name one with "
            f"{setting('param')}"
        )
    return [scale for _, scale, _ in made], [places for _, _, places in made]


def _result(
    ranking: Ranking, ids: Sequence[str], notes: list[str]
) -> tuple[Scale, Mapping[str, float]]:
    """Place the tasks by their best value of a metric."""
    values = {score.task_id: score.value for score in ranking.scores}
    chosen = {task_id: values[task_id] for task_id in ids if task_id in values}
    lacking = len(ids) - len(chosen)
    if lacking:
        has, is_ = ("has", "is") if lacking == 1 else ("have", "are")
        notes.append(
            f"{lacking:,} of {len(ids):,} tasks {has} no finite value of {ranking.name} and {is_} "
            'at "(none)"'
        )
    low, high = (min(chosen.values()), max(chosen.values())) if chosen else (0.0, 1.0)
    axis = Axis(ranking.title, low, high)
    return _scale(axis, chosen, has_none=lacking > 0, is_result=True)


def _scale(
    axis: Axis, places: Mapping[str, float], *, has_none: bool, is_result: bool = False
) -> tuple[Scale, Mapping[str, float]]:
    """Write places as parts of an axis that ends at its outermost values."""
    drawn = axis
    if not axis.names and places:
        low, high = min(places.values()), max(places.values())
        drawn = Axis(axis.title, low, high, axis.is_log, ticks=axis.ticks)
        if low == high:
            drawn = numeric_axis(axis.title, [low], False)
    named_ticks = [(float(at), name) for at, name in enumerate(axis.names)]
    written = [(_part(drawn, at), text) for at, text in named_ticks or ticks(drawn, _MOST_TICKS)]
    if not axis.ticks and not axis.names and places and len(written) < 2:
        written = [(_part(drawn, value), f"{value:.4g}") for value in (drawn.low, drawn.high)]
    kept: list[tuple[float, str]] = []
    for at, text in sorted(written):
        if 0 <= at <= 1 and (not kept or at - kept[-1][0] >= _CLOSEST):
            kept.append((at, text))
    if has_none:
        kept.insert(0, (NOWHERE, "(none)"))
    parts = {task_id: _part(drawn, value) for task_id, value in places.items()}
    return Scale(axis.title, tuple(kept), is_result), parts


def _part(axis: Axis, value: float) -> float:
    low, high = axis.low, axis.high
    if axis.names:
        last = len(axis.names) - 1
        return value / last if last else 0.5
    if axis.is_log:
        low, high, value = log10(low), log10(high), log10(value)
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
