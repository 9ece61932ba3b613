"""Makes histograms: how many tasks have which best value, perhaps one per group."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import Any, Final

import numpy as np

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.grouping import DIFFERING
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.outliers import usual_range
from clearml_snapshot.queries.figures.kinds.scores import (
    Asked,
    Ranking,
    not_drawn,
    rankings,
    valued,
)
from clearml_snapshot.queries.figures.labels import harmless, unique
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Axis, Histogram

_MOST_CHARTS: Final = 12
_FEWEST_BINS: Final = 5
_MOST_BINS: Final = 40
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_LONGEST: Final = 60


def histograms(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[list[Histogram], list[Asked], list[str]]:
    """Make a histogram per series, or per series and group, with axes in common.

    Args:
        dataset: the dataset.
        typed: arguments of ``leaderboard``, and ``by`` and ``by_all_except`` as in ``group``.
        look: how it is drawn.

    Returns:
        The charts, the answers they are made of, and what a reader must know.

    Raises:
        UsageError: there are too many groups to draw.
    """
    arguments = {n: value for n, value in typed.items() if n not in ("by", "by_all_except")}
    found = rankings(dataset, arguments, look)
    charts: list[Histogram] = []
    notes: list[str] = []
    for ranking in found:
        notes += ranking.notes
        values = {score.task_id: score.value for score in ranking.scores}
        if look.log_x and (low := {each for each, value in values.items() if value <= 0}):
            has = "1 task has" if len(low) == 1 else f"{len(low):,} tasks have"
            notes.append(
                f"{ranking.name}: {has} a value of 0 or below, which has no place on a logarithmic "
                f"axis, and {not_drawn(len(low))}"
            )
            values = {each: value for each, value in values.items() if each not in low}
        if not values:
            raise SnapshotError(f"nothing to draw: {ranking.name} has no value above 0")
        groups = _groups(dataset, typed, ranking, values)
        charts += _charts(ranking, [*values.values()], groups, look, notes)
    if len(charts) > _MOST_CHARTS:
        raise UsageError(
            f"a figure has at most {_MOST_CHARTS} histograms, and these are {len(charts):,}; group "
            "by something with fewer values, or select fewer tasks"
        )
    return charts, [ranking.asked for ranking in found], notes


def _groups(
    dataset: Dataset, typed: Mapping[str, Any], ranking: Ranking, values: Mapping[str, float]
) -> dict[str, list[float]]:
    """Divide the values by group; without groups all are in one without a name."""
    if typed.get("by") is None and typed.get("by_all_except") is None:
        return {"": [*values.values()]}
    grouped = dataset.bound(
        "curve",
        metric=[ranking.metric],
        variant=[ranking.variant],
        by=typed.get("by"),
        by_all_except=typed.get("by_all_except"),
    )
    chosen = {"by": grouped["by"], DIFFERING: grouped[DIFFERING]}
    members = dataset.rows(dataset.sql(read("figures/kinds/members.sql"), chosen)).rows
    found: dict[tuple[str | None, ...], list[float]] = {}
    for task_id, labels in members:
        if task_id in values:
            found.setdefault(tuple(labels), []).append(values[task_id])
    names = [*(grouped["by"] or ()), *(grouped[DIFFERING] or ())]
    shown = unique(
        [
            harmless(
                " · ".join(valued(name, value) for name, value in zip(names, labels, strict=True))
                or "all tasks",
                _LONGEST,
            )
            for labels in found
        ]
    )
    return dict(zip(shown, found.values(), strict=True))


def _charts(
    ranking: Ranking,
    values: Sequence[float],
    groups: Mapping[str, Sequence[float]],
    look: Look,
    notes: list[str],
) -> list[Histogram]:
    edges = edges_of(values, is_log=look.log_x, clips=look.clips)
    below, above = sum(v < edges[0] for v in values), sum(v > edges[-1] for v in values)
    if below or above:
        number = below + above
        far = [value for value in values if not edges[0] <= value <= edges[-1]]
        them = "1 task is" if number == 1 else f"{number:,} tasks are"
        notes.append(
            f"{ranking.name}: {them} outside, far from the others ({min(far):.6g}"
            + (f" to {max(far):.6g}" if max(far) > min(far) else "")
            + f"), and counted at the edge; {setting('clips', False)} shows all"
        )
    counts = {label: _counts(part, edges) for label, part in groups.items()}
    sides = [sum(v < edges[0] for v in p) for p in groups.values()]
    sides += [sum(v > edges[-1] for v in p) for p in groups.values()]
    most = max(max(each) for each in (*counts.values(), sides))
    axis = Axis(ranking.title, edges[0], edges[-1], look.log_x)
    return [
        Histogram(
            f"{label} (n = {len(groups[label]):,})" if label else ranking.title,
            axis,
            edges,
            tuple(each),
            most,
            sum(value < edges[0] for value in groups[label]),
            sum(value > edges[-1] for value in groups[label]),
        )
        for label, each in counts.items()
    ]


def edges_of(values: Sequence[float], *, is_log: bool, clips: bool) -> tuple[float, ...]:
    """Choose the edges of intervals: round numbers, or equal parts of a logarithmic axis.

    Args:
        values: finite ones, at least one; all above 0 if the axis is logarithmic.
        is_log: whether it is.
        clips: whether a few values far from all others are left outside.
    """
    low, high = (min(values), max(values)) if is_log else usual_range(values, clips)
    inside = np.array([value for value in values if low <= value <= high])
    if is_log:
        low, high, inside = log10(low), log10(high), np.log10(inside)
    if not high > low:
        reach = abs(low) * 0.01 or 0.5
        edges = (low - reach, low + reach) if isfinite(low + reach) else (low, low)
        return tuple(10**edge for edge in edges) if is_log else edges
    width = _width(inside, high / 2 - low / 2)
    if is_log:
        n_bins = max(1, ceil((high - low) / width))
        made = [low + (high - low) * at / n_bins for at in range(n_bins + 1)]
        powers = [10**power for power in made]
        return (min(min(values), powers[0]), *powers[1:-1], max(max(values), powers[-1]))
    first = floor(low / width)
    n_bins = max(1, ceil(high / width) - first)
    # Multiples of a power of ten are computed by division, where this is exact: 0.3, not 3 * 0.1.
    power = round(-log10(width)) + 2
    made = [_multiple(first + at, width, power) for at in range(n_bins + 1)]
    made[0], made[-1] = min(made[0], low), max(made[-1], high)
    return tuple(made)


def _multiple(number: int, width: float, power: int) -> float:
    return number * round(width * 10.0**power) / 10.0**power if 0 < power < 15 else number * width


def _width(values: np.ndarray, half: float) -> float:
    """Return a round width of intervals, after the rule of Freedman and Diaconis."""
    first, third = np.percentile(values, [25, 75], method="closest_observation").tolist()
    wanted = 2 * (third - first) / len(values) ** (1 / 3)
    wanted = min(max(wanted, 2 * half / _MOST_BINS), 2 * half / _FEWEST_BINS)
    power = 10.0 ** floor(log10(wanted))
    return next(step * power for step in _STEPS if step * power >= wanted * 0.999)


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    inside = [value for value in values if edges[0] <= value <= edges[-1]]
    return [int(count) for count in np.histogram(inside, bins=np.array(edges))[0]]
