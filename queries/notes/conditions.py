"""Notes on values that a condition of ``--where`` compared: a 0 that may be NaN."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.single_zeros import single_zeros
from clearml_snapshot.queries.notes.suspect_notes import logged
from clearml_snapshot.queries.notes.suspect_zeros import suspect_points

_LOOKED_AT: Final = 20_000_000
"""Points of the series with a compared value of 0 that are examined; a few seconds."""
_WORDS: Final = {"max": "highest", "min": "lowest", "last": "last"}
_PLAIN_NAME: Final = re.compile(r"[^\s()<>=!,'\"]+")
"""A name that needs no quotes in a condition."""


def condition_notes(dataset: Dataset, marks: Sequence[float] = (0.0,)) -> Iterator[str]:
    """Report what names in conditions mean, and compared values that may be NaN.

    Tasks that the conditions exclude count too: they may have been excluded for that reason.

    Args:
        dataset: the dataset, with its filter.
        marks: the values that replace NaN.
    """
    if dataset.filter is None:
        return
    yield from dataset.filter.notes
    for metric, variant, which, numbers in dataset.filter.compared:
        for mark in marks:
            if mark in numbers:
                continue  # a condition decides about it
            yield from _about(dataset, metric, variant, which, mark)


def _about(dataset: Dataset, metric: str, variant: str, which: str, mark: float) -> Iterator[str]:
    """Report the tasks whose value of a series is a mark that may be NaN."""
    parameters = {"metric": metric, "variant": variant, "which": which, "mark": mark}
    rows = dataset.rows(dataset.sql(read("notes/conditions.sql"), parameters)).rows
    number = f"{mark:g}" if float(f"{mark:g}") == mark else repr(mark)
    value = f"where: the {_WORDS[which]} value of {metric}/{variant} is {number} in"
    aliases = dataset.aliased.renames.aliases if dataset.aliased else None
    if sum(row[-1] for row in rows) > _LOOKED_AT:
        yield f"{value} {len(rows):,} tasks; whether it is a NaN was not examined"
        return
    if not rows:
        return
    with Dataset(dataset.unpacked(), aliases=aliases) as every:
        points = (row[:-1] for row in rows if row[3] is not None)
        probable = {point[0] for point in suspect_points(every, points, (mark,))}
        alone = single_zeros(every, [metric], [variant], marks=[mark])
    for likely, zeros in (
        ("probably", probable),
        ("perhaps", {row["task_id"] for row in alone}),
    ):
        chosen = dataset.filter.fulfilling_ids if dataset.filter else None
        selected = zeros & (chosen or frozenset())
        nan = f"{likely} a NaN ({logged(mark)})"
        same = f"{which}({_quoted(f'{metric}/{variant}')})"
        if selected:
            tasks, them = _counted(len(selected), "selected ")
            condition = f"{same} != {number}"
            instead = setting("where", condition, typed=shlex.quote(condition))
            yield f"{value} {tasks}, {nan}; {instead} leaves {them} out"
        if zeros - selected:
            tasks, them = _counted(len(zeros - selected))
            be = "is" if them == "it" else "are"
            instead = f"`or {same} = {number}`"
            yield f"{value} {tasks} that {be} left out, {nan}; {instead} selects {them}"


def _counted(count: int, kind: str = "") -> tuple[str, str]:
    """Return a number of tasks in words, and the pronoun for them."""
    return f"{count:,} {kind}task{'s' * (count != 1)}", "it" if count == 1 else "them"


def _quoted(name: str) -> str:
    """Write a name as a condition reads it."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'
