"""Makes bars: the best value of each task, or the mean of each group with its spread."""

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from typing import Any, Final

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.best import Direction
from clearml_snapshot.queries.ask.header import find, read
from clearml_snapshot.queries.ask.parameters import BEST
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.outliers import usual_range
from clearml_snapshot.queries.figures.kinds.scores import (
    EVERY,
    Asked,
    directed,
    guessed,
    named,
    rankings,
    titled,
    valued,
)
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, harmless, unique
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Axis, Bar, Bars
from clearml_snapshot.queries.notes.empty_answers import why_no_rows

MOST: Final = 50
"""Bars that are drawn unless ``top`` gives a number."""
_MOST_DRAWABLE: Final = 500
_LONGEST: Final = 60

_SPREADS: Final[Mapping[str | None, str]] = {
    None: "mean ± standard deviation",
    "std": "mean ± standard deviation",
    "minmax": "mean (lowest to highest)",
    "ci": "mean (95 % interval)",
}


def bars_of_tasks(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[list[Bars], list[Asked], list[str]]:
    """Make a bar per task, for each series that was named.

    Returns:
        The charts, the answers they are made of, and what a reader must know.
    """
    charts: list[Bars] = []
    asked: list[Asked] = []
    notes: list[str] = []
    for ranking in rankings(dataset, typed, look):
        scores = ranking.scores[: _most(look)]
        notes += ranking.notes
        notes += _left_out(ranking.name, len(scores), len(ranking.scores), "tasks")
        bars = [
            Bar(label, score.value, text=f"{score.value:.6g}")
            for label, score in zip(named(dataset, scores), scores, strict=True)
        ]
        charts.append(_chart(ranking.title, f"{ranking.best} value", bars, look, notes))
        asked.append(ranking.asked)
    return charts, asked, notes


def bars_of_groups(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[list[Bars], list[Asked], list[str]]:
    """Make a bar per group of tasks, its mean, as the query ``group`` has it.

    Returns:
        The charts, the answers they are made of, and what a reader must know.

    Raises:
        SnapshotError: no group has a finite value.
    """
    query = find("group")
    band = typed.get("band")
    arguments = {name: value for name, value in typed.items() if name != "band"}
    series = directed(dataset, arguments, look)
    bound = dataset.bound(query, **{**arguments, BEST: "highest", "top": EVERY})
    charts: list[Bars] = []
    asked: list[Asked] = []
    notes: list[str] = []
    for metric, variant, best, is_guess in series:
        same = variant == metric
        name = harmless(metric if same else f"{metric}/{variant}", LONGEST_TITLE)
        values = {**bound, "metric": [metric], "variant": [variant], BEST: best}
        values["value"] = "max" if best == "highest" else "min"
        answer = dataset.rows(dataset.sql(query.sql, values))
        asked.append(Asked(query, values, answer))
        rows = answer.as_dicts()
        chosen = [row for row in rows if row["mean"] is not None]
        if not chosen:
            reason = why_no_rows(dataset, query, values) if not rows else None
            raise SnapshotError(f"nothing to draw: {reason or f'{name} has no finite value'}")
        if is_guess:
            notes += guessed(name, best)
        notes += _not_finite(name, rows)
        shown = chosen[: _most(look)]
        notes += _left_out(name, len(shown), len(chosen), "groups")
        spreads = _spreads(dataset, values, band, best)
        made = [
            _bar(label, row, spreads, band)
            for label, row in zip(_labels(shown, values["by"]), shown, strict=True)
        ]
        title = f"mean of the {titled(values, name, best)} per task"
        charts.append(_chart(title, _SPREADS[band], made, look, notes))
    notes += _alone(charts)
    return charts, asked, notes


def _most(look: Look) -> int:
    if look.top is not None and look.top > _MOST_DRAWABLE:
        raise UsageError(f"{setting('top', look.top)}: at most {_MOST_DRAWABLE} bars can be drawn")
    return look.top or MOST


def _left_out(name: str, n_drawn: int, of: int, what: str) -> list[str]:
    if n_drawn == of:
        return []
    more = f"; {setting('top', min(of, _MOST_DRAWABLE))} draws more" if n_drawn == MOST else ""
    return [f"{name}: bars of the best {n_drawn:,} of {of:,} {what}{more}"]


def _not_finite(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Count the tasks of groups that have the metric, but no finite value."""
    lost, total = (sum(row["n_tasks"] - row["n"] for row in rows), sum(r["n_tasks"] for r in rows))
    if not lost:
        return []
    has, is_ = ("has", "is") if lost == 1 else ("have", "are")
    return [f"{name}: {lost:,} of {total:,} tasks {has} no finite value and {is_} in no mean"]


_Spread = tuple[float, float]
_Key = tuple[Any, ...]


def _spreads(
    dataset: Dataset, values: Mapping[str, Any], band: str | None, best: Direction
) -> dict[_Key, _Spread]:
    """Compute the ends of the spread of each group; a group of one task has none, but minmax."""
    if band == "minmax":
        # The best value of a group in both directions; the value that counts stays the same.
        ends = []
        for direction in ("lowest", "highest"):
            both = {**values, BEST: direction}
            rows = dataset.rows(dataset.sql(find("group").sql, both)).as_dicts()
            ends.append({_key(row): row["best"] for row in rows if row["best"] is not None})
        lowest, highest = ends
        return {key: (lowest[key], highest[key]) for key in lowest}
    rows = dataset.rows(dataset.sql(find("group").sql, values)).as_dicts()
    rows = [row for row in rows if row["std"] is not None]
    reaches = [row["std"] for row in rows]
    if band == "ci" and rows:
        listed = {"degrees": [row["n"] - 1 for row in rows]}
        quantiles = dataset.rows(dataset.sql(read("figures/kinds/quantiles.sql"), listed)).rows
        reaches = [
            t * row["std"] / sqrt(row["n"]) for (_, t), row in zip(quantiles, rows, strict=True)
        ]
    return {
        _key(row): (row["mean"] - reach, row["mean"] + reach)
        for row, reach in zip(rows, reaches, strict=True)
    }


def _key(row: Mapping[str, Any]) -> _Key:
    parameters = row["parameters"]
    return (tuple(row["group"] or ()), tuple(parameters.items()) if parameters else ())


def _bar(
    label: str, row: Mapping[str, Any], spreads: Mapping[_Key, _Spread], band: str | None
) -> Bar:
    mean, n = row["mean"], row["n"]
    low, high = spreads.get(_key(row), (None, None))
    text = f"{mean:.5g}"
    if low is not None and high is not None:
        is_std = band in (None, "std")
        text += f" ± {row['std']:.2g}" if is_std else f" ({low:.5g} to {high:.5g})"
    return Bar(label, mean, low, high, f"{text}, n = {n:,}")


def _alone(charts: Sequence[Bars]) -> list[str]:
    lonely = sum(bar.low is None for chart in charts for bar in chart.bars)
    if not lonely:
        return []
    them = "1 group has" if lonely == 1 else f"{lonely:,} groups have"
    return [f"{them} a single value and therefore no spread"]


def _labels(rows: Sequence[Mapping[str, Any]], by: Sequence[str] | None) -> list[str]:
    """Name groups by their values; of many hyperparameters, as few as tell the groups apart."""
    groups = []
    for row in rows:
        named_values = dict(zip(by or (), row["group"] or (), strict=True))
        groups.append(named_values | (row["parameters"] or {}))
    names = dict.fromkeys(name for group in groups for name in group)
    kinds = {name: len({group.get(name) for group in groups}) for name in names}
    shown = list(by or ())
    for name in sorted(names, key=lambda name: -kinds[name]):
        if len({tuple(group.get(each) for each in shown) for group in groups}) == len(groups):
            break
        if kinds[name] > 1 and name not in shown:
            shown.append(name)
    made = [
        harmless(
            " · ".join(valued(each, group.get(each)) for each in shown) or "all tasks", _LONGEST
        )
        for group in groups
    ]
    return unique(made)


def _chart(title: str, heading: str, bars: Sequence[Bar], look: Look, notes: list[str]) -> Bars:
    """Make the chart; its axis has a zero, and bars that would make all others flat are cut."""
    values = [bar.value for bar in bars]
    low, high = usual_range(values, look.clips)
    kept = [bar for bar in bars if low <= bar.value <= high]
    cut = len(bars) - len(kept)
    if cut:
        far = max(values, key=abs)
        are = "bar is" if cut == 1 else "bars are"
        notes.append(
            f"{title}: {cut:,} {are} cut at the edge, up to {far:.6g}; {setting('clips', False)} "
            "draws all of it"
        )
    ends = [end for bar in kept for end in (bar.value, bar.low, bar.high) if end is not None]
    usual = [0.0, *(end for end in ends if isfinite(end))]
    least, most = min(usual), max(usual)
    if look.clips:  # a spread much longer than all bars would make them flat
        reach = 2 * max(abs(bar.value) for bar in kept)
        if most > reach > 0 or least < -reach:
            notes.append(
                f"{title}: a spread is cut at the edge; {setting('clips', False)} draws it"
            )
            least, most = max(least, -reach), min(most, reach)
    margin = (most / 2 - least / 2) * 2 * 0.03 or 0.5
    axis = Axis(
        title,
        least - margin if least < 0 else 0.0,
        most + margin if most > 0 or least == 0 else 0.0,
    )
    return Bars(title, axis, heading, tuple(bars))
