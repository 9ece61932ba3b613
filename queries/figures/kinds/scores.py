"""Reads the best value of each task, as the query ``leaderboard`` finds it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.best import Direction, guess, guess_note, why_no_guess
from clearml_snapshot.queries.ask.grouping import BY_PARAM
from clearml_snapshot.queries.ask.header import Query, find, read
from clearml_snapshot.queries.ask.parameters import (
    BEST,
    EXCLUDED,
    chosen_pairs,
    marks_of,
    texts,
)
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, Run, harmless, labels
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.notes.empty_answers import why_no_rows
from clearml_snapshot.queries.notes.suspect_zeros import suspect_points
from clearml_snapshot.queries.result import Rows

EVERY: Final = 2**63 - 1
"""The number of tasks or groups of an answer: all of them."""
_MOST_CHARTS: Final = 12
_MOST_NAMED: Final = 500
"""Tasks whose hyperparameters are read for their names."""


@dataclass(frozen=True)
class Asked:
    """A query, the values of its parameters and its answer, for the notes below a figure."""

    query: Query
    values: Mapping[str, Any]
    rows: Rows


@dataclass(frozen=True)
class Score:
    """A task and its best value."""

    task_id: str
    task: str
    value: float
    iteration: int | None = None
    """Where it is; None: a single value, or a smoothed one."""


@dataclass(frozen=True)
class Ranking:
    """The best values of the tasks that have a series."""

    metric: str
    variant: str
    best: Direction
    scores: tuple[Score, ...]
    """The best one first."""
    n_tasks: int
    """Tasks that have the series."""
    asked: Asked
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The series, as text that is safe to show."""
        is_same = self.variant == self.metric
        return harmless(self.metric if is_same else f"{self.metric}/{self.variant}", LONGEST_TITLE)

    @property
    def title(self) -> str:
        """What is compared, such as the highest accuracy."""
        return titled(self.asked.values, self.name, self.best)


def titled(values: Mapping[str, Any], name: str, best: Direction) -> str:
    """Say what of a series counts."""
    smooth = values["smooth"]
    return f"{best} {name}{'' if smooth is None else f', smoothed {smooth:g}'}"


def directed(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> list[tuple[str, str, Direction, bool]]:
    """List the series that were named, in their order, with which values are better.

    Returns:
        Metric, variant, direction, and whether it was guessed.

    Raises:
        NoSuchNameError: no such metric or variant.
        UsageError: there are too many, or a name does not tell which values are better.
    """
    pairs: dict[tuple[str, str], None] = {}
    for text in texts(typed.get("metric")):
        chosen = chosen_pairs(
            [text],
            texts(typed.get("variant")),
            dataset.series_names,
            excluded=texts(typed.get(EXCLUDED)),
        )
        pairs.update(dict.fromkeys(chosen))
    if len(pairs) > _MOST_CHARTS:
        raise UsageError(
            f"a figure of this kind has at most {_MOST_CHARTS} metrics, each variant counted, and "
            f"{len(pairs)} match; name fewer"
        )
    unknown = [pair for pair in pairs if look.best is None and guess(*pair) is None]
    if unknown:
        raise UsageError(
            f"{setting('kind', look.kind)} needs {setting(BEST, 'max')} or {setting(BEST, 'min')}: "
            f"{why_no_guess([(harmless(m), harmless(v)) for m, v in unknown])}"
        )
    found = []
    for metric, variant in pairs:
        better = look.best or guess(metric, variant)
        assert better is not None
        found.append((metric, variant, better, look.best is None))
    return found


def rankings(dataset: Dataset, typed: Mapping[str, Any], look: Look) -> list[Ranking]:
    """Read the best values of each series that was named, in the order of their names.

    Args:
        dataset: the dataset.
        typed: ``metric``, ``variant``, ``smooth`` and other arguments of ``leaderboard``.
        look: which values are better, and how many tasks are drawn.

    Raises:
        NoSuchNameError: no such metric or variant.
        UsageError: a name does not tell which values are better.
        SnapshotError: no selected task has a finite value.
    """
    query = find("leaderboard")
    series = directed(dataset, typed, look)
    bound = dataset.bound(query, **{**typed, BEST: "highest", "top": EVERY})
    return [_ranking(dataset, query, bound, look, *each) for each in series]


def _ranking(
    dataset: Dataset,
    query: Query,
    bound: Mapping[str, Any],
    look: Look,
    metric: str,
    variant: str,
    best: Direction,
    is_guess: bool,
) -> Ranking:
    values = {**bound, "metric": [metric], "variant": [variant], BEST: best}
    rows = dataset.rows(dataset.ask(query, values))
    listed = rows.as_dicts()
    scores = tuple(
        Score(row["task_id"], row["task"] or "", row["value"], row["iteration"])
        for row in listed
        if row["value"] is not None
    )
    made = Ranking(metric, variant, best, scores, len(listed), Asked(query, values, rows))
    if not scores:
        reason = why_no_rows(dataset, query, values) if not listed else None
        raise SnapshotError(f"nothing to draw: {reason or f'{made.name} has no finite value'}")
    notes = [*guessed(made.name, best)] if is_guess else []
    if lost := len(listed) - len(scores):
        notes.append(
            f"{made.name}: {counted(lost, len(listed))} no finite value and {not_drawn(lost)}"
        )
    if look.top is not None and look.top < len(scores):
        notes.append(f"{made.name}: the best {look.top:,} of {len(scores):,} tasks are drawn")
        scores = scores[: look.top]
    return Ranking(metric, variant, best, scores, len(listed), made.asked, tuple(notes))


def best_of(dataset: Dataset, ranking: Ranking, scores: Sequence[Score]) -> Score | None:
    """Return the best of some scores; a zero that is probably a NaN is not one."""
    marks = marks_of(ranking.asked.values)
    if scores[0].value not in marks:
        return scores[0]
    points = {
        score: (score.task_id, ranking.metric, ranking.variant, score.iteration)
        for score in scores
        if score.value in marks and score.iteration is not None
    }
    suspect = suspect_points(dataset, points.values(), marks)
    return next((score for score in scores if points.get(score) not in suspect), None)


def guessed(name: str, best: Direction) -> tuple[str, ...]:
    """Say which values are better, if the name of the series told."""
    return tuple(f"{name}: {line}" for line in guess_note({BEST: best}))


def counted(number: int, of: int) -> str:
    """Count tasks that have or lack something, in words that a verb's object follows."""
    return f"{number:,} of {of:,} tasks {'has' if number == 1 else 'have'}"


def not_drawn(number: int) -> str:
    """Say that some tasks are not drawn."""
    return f"{'is' if number == 1 else 'are'} not drawn"


def named(dataset: Dataset, scores: Sequence[Score]) -> list[str]:
    """Name tasks by what differs between them; no two have the same name."""
    ids = [score.task_id for score in scores]
    params: dict[str, dict[str, str | None]] = {}
    names = {score.task for score in scores}
    if len(ids) <= _MOST_NAMED and len(names) * 2 < len(ids):
        listed = dataset.rows(dataset.sql(read("figures/parameters.sql"), {"task_ids": ids}))
        for param, task_id, value in listed.rows:
            params.setdefault(task_id, {})[param] = value
    return labels(
        [
            Run(at, "", "", score.task_id, score.task, params=params.get(score.task_id, {}))
            for at, score in enumerate(scores)
        ]
    )


def valued(name: str, value: str | None) -> str:
    """Write a value of a group; that of a hyperparameter needs its name."""
    shown = "(none)" if value is None else value
    section, _, end = name.removeprefix(BY_PARAM).partition("/")
    return f"{end}={shown}" if end and section else shown


def distinct(notes: Iterable[str]) -> tuple[str, ...]:
    """Say each thing once."""
    return tuple(dict.fromkeys(notes))
