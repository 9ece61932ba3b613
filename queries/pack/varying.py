"""Finds the hyperparameters that vary between the tasks of a pack, and their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset

COLUMNS: Final = 100
"""Maximum number of hyperparameters that are columns of summary.csv."""

LONGEST: Final = 500
"""Maximum characters of a value there; a text can be a complete file, in every row of its task."""

_SHORT: Final = 24
"""Maximum characters of a value that is shown before longer ones, such as paths."""

_CHARACTERS: Final = 100_000_000
"""Maximum characters that these columns add to summary.csv."""


@dataclass(frozen=True, slots=True)
class Varying:
    """The hyperparameters that are not equal in all tasks."""

    names: tuple[str, ...]
    """Those that are shown, as ``section/name``; first are those with different values, short ones
    before long ones, then what most tasks have."""
    total: int
    """How many there are."""


def varying(dataset: Dataset) -> Varying:
    """Find the hyperparameters that vary, as many of them as are columns of summary.csv.

    Those are left out that would make the file too large: at most 100, and 100 million characters.
    """
    parameters = {"top": COLUMNS, "longest": LONGEST, "short": _SHORT}
    found = dataset.rows(dataset.sql(read("pack/varying.sql"), parameters)).rows
    names, room = [], _CHARACTERS
    for name, _, n_characters, _ in found:
        if n_characters <= room:
            names.append(name)
            room -= n_characters
    return Varying(tuple(names), found[0][3] if found else 0)


def settings(
    dataset: Dataset, names: Sequence[str], task_ids: Sequence[str]
) -> dict[str, list[str | None]]:
    """Read the values of hyperparameters in some tasks, each list in the order of the names.

    A value that is too long ends with ``…``; None: the task does not have it.
    """
    values: dict[str, list[str | None]] = {}
    if not names:
        return values
    parameters = {"keys": [*names], "task_ids": [*task_ids], "longest": LONGEST}
    for task_id, place, value in dataset.rows(
        dataset.sql(read("pack/settings.sql"), parameters)
    ).rows:
        of_task = values.setdefault(task_id, [None] * len(names))
        of_task[place] = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return values
