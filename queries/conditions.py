"""Finds the stored tasks that fulfil the conditions of ``--where``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.condition import (
    Comparison,
    Condition,
    Joined,
    Not,
    Reference,
    parse,
)
from clearml_snapshot.exporter.selection.condition_truth import truth_of
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.best import guess
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.ask.parameters import chosen_pairs
from clearml_snapshot.queries.names import StoredNames

_PARAM: Final = "param:"
_NAMED: Final = 3


@dataclass(frozen=True)
class Chosen:
    """The tasks that fulfil conditions."""

    task_ids: frozenset[str]
    notes: tuple[str, ...] = ()
    """What names were taken to mean where that is not obvious."""
    compared: tuple[tuple[str, str, str, frozenset[float]], ...] = ()
    """Metric, variant, and ``max``, ``min`` or ``last`` of each value that conditions compared.

    With the numbers that a condition says it is or is not: it decides about a NaN logged as one.
    """


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
    task_ids = evaluation.all_tasks()
    parsed = [parse(text) for text in conditions]
    truths = [truth_of(condition, evaluation.values_of, task_ids) for condition in parsed]
    fulfilling = frozenset.intersection(*(truth.true for truth in truths))
    numbers: dict[tuple[str, str, str], set[float]] = {}
    for series in evaluation.compared.values():
        numbers.setdefault(series, set())
    for reference, number in _equal_to(parsed):
        if reference in evaluation.compared:
            numbers[evaluation.compared[reference]].add(number)
    compared = tuple((*series, frozenset(named)) for series, named in numbers.items())
    return Chosen(fulfilling, tuple(dict.fromkeys(evaluation.notes)), compared)


def _equal_to(conditions: Iterable[Condition]) -> Iterator[tuple[Reference, float]]:
    """Yield what conditions say is a number, or is not."""
    for condition in conditions:
        if isinstance(condition, Joined):
            yield from _equal_to(condition.conditions)
        elif isinstance(condition, Not):
            yield from _equal_to([condition.condition])
        elif isinstance(condition, Comparison):
            typed = condition.value
            if condition.operator in ("=", "!=") and typed.is_number:
                yield condition.reference, float(typed.text)


@dataclass
class _Evaluation:
    """Evaluates conditions on all stored tasks; every name and value is bound."""

    connection: duckdb.DuckDBPyConnection
    names: StoredNames
    notes: list[str] = field(default_factory=list)
    compared: dict[Reference, tuple[str, str, str]] = field(default_factory=dict)
    """Metric, variant and which value of a series each reference means."""
    _values: dict[Reference, dict[str, Any]] = field(default_factory=dict)

    def values_of(self, reference: Reference) -> dict[str, Any]:
        """Read the value of a reference for each task that has one: text, or a number."""
        if reference not in self._values:
            self._values[reference] = dict(self._read(*self._lookup(reference)))
        return self._values[reference]

    def _lookup(self, reference: Reference) -> tuple[str, dict[str, Any]]:
        """Decide what a name means; return the file of SQL and its parameters."""
        params, series = self._meanings(reference)
        if params and series:
            metric = "/".join(series[0])
            raise UsageError(
                f"{setting('where')}: {reference.name!r} is the hyperparameter {params[0]} and the "
                f"metric {metric}; write {_PARAM}{params[0]}, or max({metric}) and so on"
            )
        if len(params) > 1 or len(series) > 1:
            several = [*params, *("/".join(pair) for pair in series)]
            listed = ", ".join(several[:_NAMED]) + " …" * (len(several) > _NAMED)
            raise UsageError(
                f"{setting('where')}: {reference.name!r} could be {listed}; choose one"
            )
        if params:
            return "values_of_param", {"param": params[0]}
        metric, variant = series[0]
        which: str = reference.statistic or "best"
        if which == "best":
            which = self._best(metric, variant)
        self.compared[reference] = (metric, variant, which)
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
                f"{setting('where')}: {name} could mean its highest, lowest or last value; write "
                f"max({name}), min({name}) or last({name})"
            )
        self.notes.append(f"where: {name} means its {direction} value in each task")
        return "max" if direction == "highest" else "min"

    def all_tasks(self) -> frozenset[str]:
        """List every stored task."""
        return frozenset(task_id for (task_id,) in self._read("stored_ids", {}))

    def _read(self, lookup: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self.connection.execute(read(f"lookups/{lookup}.sql"), parameters).fetchall()
