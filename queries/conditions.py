"""Finds the tasks that fulfil the conditions of ``--where``.

A task without the hyperparameter or the metric fulfils neither a comparison with it nor the
opposite (``not``), as NULL does in SQL; the same holds for a value that is not a number, where a
number is asked for. ``is null`` finds these tasks. NaN fulfils no comparison.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.condition import (
    Comparison,
    Condition,
    Exists,
    Joined,
    Not,
    Reference,
    Value,
    is_number,
    parse,
)
from clearml_snapshot.exporter.selection.names import canonical, no_such
from clearml_snapshot.queries.ask.best import guess
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.ask.parameters import chosen_pairs, find_params
from clearml_snapshot.queries.names import StoredNames

_PARAM: Final = "param:"
_NAMED: Final = 3
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
class Chosen:
    """The tasks that fulfil conditions."""

    task_ids: frozenset[str]
    notes: tuple[str, ...] = ()
    """What names were taken to mean where that is not obvious."""
    extremes: tuple[tuple[str, str, str], ...] = ()
    """Metric, variant and ``max`` or ``min`` of each extreme that was compared."""


@dataclass(frozen=True)
class _Truth:
    """The tasks of which a condition is known to be true and known to be false."""

    true: frozenset[str]
    false: frozenset[str]


def find_fulfilling(connection: duckdb.DuckDBPyConnection, conditions: Iterable[str]) -> Chosen:
    """Find the tasks that fulfil every one of the conditions.

    Args:
        connection: sees ``files``.
        conditions: as typed.

    Raises:
        UsageError: a condition cannot be read, or a name in it is ambiguous.
        NoSuchNameError: there is no such hyperparameter or metric.
    """
    evaluation = _Evaluation(connection, StoredNames(connection))
    truths = [evaluation.truth(parse(text)) for text in conditions]
    fulfilling = frozenset.intersection(*(truth.true for truth in truths))
    notes, extremes = dict.fromkeys(evaluation.notes), dict.fromkeys(evaluation.extremes)
    return Chosen(fulfilling, tuple(notes), tuple(extremes))


@dataclass
class _Evaluation:
    """Evaluates conditions on all stored tasks; every name and value is bound."""

    connection: duckdb.DuckDBPyConnection
    names: StoredNames
    notes: list[str] = field(default_factory=list)
    extremes: list[tuple[str, str, str]] = field(default_factory=list)
    _values: dict[Reference, dict[str, Any]] = field(default_factory=dict)

    def truth(self, condition: Condition) -> _Truth:
        if isinstance(condition, Not):
            inner = self.truth(condition.condition)
            return _Truth(inner.false, inner.true)
        if isinstance(condition, Joined):
            truths = [self.truth(part) for part in condition.conditions]
            every, some = frozenset[str].intersection, frozenset[str].union
            trues, falses = [t.true for t in truths], [t.false for t in truths]
            if condition.word == "and":
                return _Truth(every(*trues), some(*falses))
            return _Truth(some(*trues), every(*falses))
        values = self._values_of(condition.reference)
        if isinstance(condition, Exists):
            having = frozenset(values)
            return _Truth(having, self._all_tasks() - having)
        known = {
            task_id: held
            for task_id, value in values.items()
            if (held := _holds(condition, value)) is not None
        }
        return _Truth(
            frozenset(task_id for task_id, held in known.items() if held),
            frozenset(task_id for task_id, held in known.items() if not held),
        )

    def _values_of(self, reference: Reference) -> dict[str, Any]:
        """Read the value of a reference for each task that has one: text, or a number."""
        if reference not in self._values:
            self._values[reference] = dict(self._read(*self._lookup(reference)))
        return self._values[reference]

    def _lookup(self, reference: Reference) -> tuple[str, dict[str, Any]]:
        """Decide what a name means; return the file of SQL and its parameters."""
        params, series = self._meanings(reference)
        if params and series:
            raise UsageError(
                f"--where: {reference.name!r} is a hyperparameter and a metric; write "
                f"{_PARAM}{reference.name}, or max({reference.name}) and so on"
            )
        if len(params) > 1 or len(series) > 1:
            several = [*params, *("/".join(pair) for pair in series)]
            listed = ", ".join(several[:_NAMED]) + " …" * (len(several) > _NAMED)
            raise UsageError(f"--where: {reference.name!r} could be {listed}; choose one")
        if params:
            return "values_of_param", {"param": params[0]}
        metric, variant = series[0]
        which: str = reference.statistic or "best"
        if which == "best":
            which = self._best(metric, variant)
        if which != "last":
            self.extremes.append((metric, variant, which))
        return "values_of_series", {"metric": metric, "variant": variant, "which": which}

    def _meanings(self, reference: Reference) -> tuple[list[str], list[tuple[str, str]]]:
        """List the hyperparameters and the series that a name can mean."""
        name = reference.name.removeprefix(_PARAM)
        is_param = name != reference.name
        params: list[str] = []
        series: list[tuple[str, str]] = []
        if reference.statistic is None:
            try:
                params = find_params(name, self.names.param_names)
            except NoSuchNameError:
                if is_param:
                    raise
        if not is_param:
            try:
                series = [*chosen_pairs([name], (), self.names.series_names)]
            except NoSuchNameError:
                if reference.statistic is not None:
                    raise
        if not params and not series:
            pairs = ("/".join(pair) for pair in chosen_pairs((), (), self.names.series_names))
            known = (*self.names.param_names, *self.names.series_names, *pairs)
            raise no_such("hyperparameter or metric", name, known)
        return params, series

    def _best(self, metric: str, variant: str) -> str:
        direction = guess(metric, variant)
        name = f"{metric}/{variant}"
        if direction is None:
            raise UsageError(
                f"--where: the name of {name} does not tell which values are better; write "
                f"max({name}), min({name}) or last({name})"
            )
        self.notes.append(f"where: {name} means its {direction} value in each task")
        return "max" if direction == "highest" else "min"

    def _all_tasks(self) -> frozenset[str]:
        return frozenset(task_id for (task_id,) in self._read("stored_ids", {}))

    def _read(self, lookup: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self.connection.execute(read(f"lookups/{lookup}.sql"), parameters).fetchall()


def _holds(comparison: Comparison, value: str | float | None) -> bool | None:
    """Compare one value; None if that is not possible."""
    typed, compare = comparison.value, _HOLDS[comparison.operator]
    if isinstance(value, str):
        return _text_holds(comparison, value)
    if not typed.is_number:
        raise UsageError(
            f"--where: {comparison.reference} is compared with {typed.text!r}, which is not a "
            "number"
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
            f"--where: {comparison.reference} {comparison.operator} {typed.text!r}: a text can "
            "only be compared with = and !="
        )
    return compare(_comparable(text), _comparable(typed))


def _comparable(text: str | Value) -> str:
    """Return a text in the form in which equal ones are equal: True is true, é is é."""
    plain = canonical(text if isinstance(text, str) else text.text)
    return plain.casefold() if plain.casefold() in _TRUTHS else plain
