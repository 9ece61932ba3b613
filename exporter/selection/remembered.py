"""Writes the selections that a dataset remembers as the options of ``export``. Pure, no I/O.

Works on what ``snapshot.json`` holds, without the code that exports, so that ``status`` is fast.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from clearml_snapshot.exporter.selection.task_filter import NARROW_NOTHING, TaskFilter
from clearml_snapshot.exporter.settings import option_of, typed_as


@dataclass(frozen=True, slots=True)
class ListedSelection:
    """One remembered selection."""

    number: int
    """Counts from 1, in the order of the exports; changes if an earlier one is removed."""
    selection: str
    """The options of ``export`` that select the same."""
    matched: int | None
    """The tasks that it matched when it last matched any; None if unknown."""
    metrics: str
    """The selected metrics: ``all``, or the metric arguments."""


def remembered(selections: object) -> tuple[ListedSelection, ...]:
    """List the selections that an ``export`` without a filter repeats.

    Args:
        selections: ``selections`` of ``snapshot.json``; None in a dataset of format version 1.
    """
    written: Sequence[Mapping[str, Any]] = selections if isinstance(selections, list) else ()
    return tuple(_listed(number, entry) for number, entry in enumerate(written, 1))


def words(written: Mapping[str, Any]) -> str:
    """Write a selection of ``snapshot.json`` as options of ``export``."""
    narrowing = dict(written.get("filter", {}))
    typed: list[str] = []
    for field in fields(TaskFilter):
        if field.name in narrowing:
            typed += _typed(field.name, narrowing[field.name])
    for name in ("metrics", "exclude_metrics"):
        typed += _with_values(option_of(name), written.get(name, ()))
    if not _asks_by_itself(written):
        typed.insert(0, option_of("everything"))
    return shlex.join(typed)


def _asks_by_itself(written: Mapping[str, Any]) -> bool:
    """Return whether the options count as a filter of ``export``, without ``--all``."""
    narrowing = set(written.get("filter", {})) - NARROW_NOTHING
    return bool(narrowing or written.get("metrics") or written.get("exclude_metrics"))


def _typed(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return list(typed_as(name, value))
    return _with_values(option_of(name), value if isinstance(value, list | tuple) else [value])


def _with_values(option: str, values: Sequence[Any]) -> list[str]:
    """Repeat an option; a value such as the tag ``-x`` is joined with ``=``."""
    typed: list[str] = []
    for value in map(str, values):
        typed += [f"{option}={value}"] if value.startswith("-") else [option, value]
    return typed


def _listed(number: int, written: Mapping[str, Any]) -> ListedSelection:
    metrics = list(written.get("metrics", ())) or ["all"]
    excluded = [f"not {metric}" for metric in written.get("exclude_metrics", ())]
    # An export writes null for one that has never matched a task; other writers omit the key.
    matched = (written["matched"] or 0) if "matched" in written else None
    return ListedSelection(number, words(written), matched, ", ".join([*metrics, *excluded]))
