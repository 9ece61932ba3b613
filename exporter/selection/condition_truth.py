"""Decides the conditions of ``--where`` from the values of tasks. Pure.

A task without the hyperparameter or the metric fulfils neither a comparison with it nor the
opposite (``not``), as NULL does in SQL; the same holds for a value that is not a number, where a
number is asked for. ``is null`` finds these tasks. NaN fulfils no comparison.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.condition import (
    Comparison,
    Condition,
    Exists,
    Joined,
    Not,
    Reference,
    Value,
    is_number,
)
from clearml_snapshot.exporter.selection.names import canonical
from clearml_snapshot.exporter.settings import setting

_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTHS: Final = frozenset({"true", "false"})


@dataclass(frozen=True)
class Truth:
    """The tasks of which a condition is known to be true and known to be false."""

    true: frozenset[str]
    false: frozenset[str]


ValuesOf = Callable[[Reference], Mapping[str, str | float | None]]
"""Returns the value of a reference for each task that has one: a text, or a number."""


def truth_of(condition: Condition, values_of: ValuesOf, task_ids: frozenset[str]) -> Truth:
    """Decide a condition.

    Args:
        condition: the condition.
        values_of: looks up values.
        task_ids: all tasks.

    Raises:
        UsageError: a value cannot be compared like this; what ``values_of`` raises.
    """
    if isinstance(condition, Not):
        inner = truth_of(condition.condition, values_of, task_ids)
        return Truth(inner.false, inner.true)
    if isinstance(condition, Joined):
        truths = [truth_of(part, values_of, task_ids) for part in condition.conditions]
        every, some = frozenset[str].intersection, frozenset[str].union
        trues, falses = [truth.true for truth in truths], [truth.false for truth in truths]
        if condition.word == "and":
            return Truth(every(*trues), some(*falses))
        return Truth(some(*trues), every(*falses))
    values = values_of(condition.reference)
    if isinstance(condition, Exists):
        having = frozenset(values)
        return Truth(having, task_ids - having)
    known = {
        task_id: held
        for task_id, value in values.items()
        if (held := _holds(condition, value)) is not None
    }
    true = frozenset(task_id for task_id, held in known.items() if held)
    return Truth(true, frozenset(known) - true)


def _holds(comparison: Comparison, value: str | float | None) -> bool | None:
    """Compare one value; None if that is not possible."""
    typed, compare = comparison.value, _HOLDS[comparison.operator]
    if isinstance(value, str):
        return _text_holds(comparison, value)
    if not typed.is_number:
        raise UsageError(
            f"{setting('where')}: {comparison.reference} is compared with {typed.text!r}, which is "
            "not a number"
        )
    if value is None or math.isnan(value):
        return None
    return compare(value, float(typed.text))


def _text_holds(comparison: Comparison, text: str) -> bool | None:
    """Compare a hyperparameter, which is stored as text: as numbers if both are."""
    typed, compare = comparison.value, _HOLDS[comparison.operator]
    if typed.is_number:
        stored = text.strip()
        if is_number(stored):
            return compare(Decimal(stored), Decimal(typed.text))  # exact, also for long seeds
        infinite = {"inf": math.inf, "infinity": math.inf}.get(stored.casefold().lstrip("+-"))
        if infinite is not None:
            return compare(-infinite if stored.startswith("-") else infinite, float(typed.text))
        return {"=": False, "!=": True}.get(comparison.operator)
    if comparison.operator not in ("=", "!="):
        raise UsageError(
            f"{setting('where')}: {comparison.reference} {comparison.operator} {typed.text!r}: "
            "a text can only be compared with = and !="
        )
    return compare(_comparable(text), _comparable(typed))


def _comparable(text: str | Value) -> str:
    """Return a text in the form in which equal ones are equal: True is true, é is é."""
    plain = canonical(text if isinstance(text, str) else text.text)
    return plain.casefold() if plain.casefold() in _TRUTHS else plain
