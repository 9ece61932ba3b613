"""What was typed for a query's parameters, as values to bind."""

from collections.abc import Iterable, Mapping
from typing import Any

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.filters import no_such
from clearml_snapshot.exporter.metrics import (
    MONITOR_PREFIX,
    MetricChoice,
    Series,
    resolve_metric,
    resolve_variants,
)
from clearml_snapshot.queries.catalogue import Param, Query

EXCLUDED = "exclude_metric"
"""A parameter that every query takes beside those of its header."""

Pairs = tuple[tuple[str, str], ...]
"""Metrics with one variant each."""


def bound(query: Query, typed: Mapping[str, Any], series: Series) -> dict[str, Any]:
    """Check what was typed against a query's header and make every parameter's value.

    ``metric``, ``variant`` and ``exclude_metric`` are read as metric arguments: where the query
    takes lists they become two parallel ones, where it takes one text there must be one.

    Args:
        query: the query.
        typed: values by parameter; None is the same as left out.
        series: the variants that exist, by metric; only looked at when one is typed.

    Raises:
        UsageError: an unknown parameter, a missing one, or a value that is no choice.
        NoSuchNameError: a metric or variant that does not exist.
    """
    given = {name: value for name, value in typed.items() if value is not None}
    excluded = _texts(given.pop(EXCLUDED, None))
    for name, value in given.items():
        _check_choice(query.param(name), value)
    for param in query.params:
        if param.name not in given and not param.optional:
            raise UsageError(f"query {query.name} needs {param.name}: {param.text}")
    values: dict[str, Any] = {param.name: given.get(param.name) for param in query.params}
    if excluded or given.keys() & {"metric", "variant"}:
        values.update(_series_values(query, given, series, excluded))
    return values


def chosen_pairs(
    metrics: Iterable[str], variants: Iterable[str], series: Series, *, all_metrics: bool = False
) -> Pairs:
    """Read metric and variant arguments into the series that they mean.

    Args:
        metrics: metric arguments, joined with OR; none is every metric but ``:monitor:``.
        variants: variant arguments, joined with OR; none is every variant.
        series: the variants that exist, by metric.
        all_metrics: whether ``:monitor:`` belongs to every metric.

    Raises:
        NoSuchNameError: nothing fits.
        UsageError: several readings are possible.
    """
    choices = [choice for argument in metrics for choice in resolve_metric(argument, series)]
    if not choices:
        visible = sorted(m for m in series if all_metrics or not m.startswith(MONITOR_PREFIX))
        choices = [MetricChoice(metric) for metric in visible]
    among: dict[str, set[str]] = {}
    for choice in choices:
        taken = series[choice.metric] if choice.variants is None else choice.variants
        among.setdefault(choice.metric, set()).update(taken)
    wanted: set[str] = set()
    for argument in variants:
        wanted |= resolve_variants(argument, among)
    return tuple(
        (metric, variant)
        for metric in sorted(among)
        for variant in sorted(among[metric])
        if not wanted or variant in wanted
    )


def _series_values(
    query: Query, given: Mapping[str, Any], series: Series, excluded: Iterable[str]
) -> dict[str, Any]:
    pairs = chosen_pairs(
        _texts(given.get("metric")),
        _texts(given.get("variant")),
        series,
        all_metrics=bool(given.get("all_metrics")),
    )
    unwanted = set(chosen_pairs(excluded, (), series)) if excluded else set()
    pairs = tuple(pair for pair in pairs if pair not in unwanted)
    if not pairs:
        raise UsageError("no metric is left; leave out --exclude-metric, or take fewer with it")
    if query.param("metric").many:
        return {"metric": [m for m, _ in pairs], "variant": [v for _, v in pairs]}
    values = {"metric": _only({m for m, _ in pairs}, "metric", query)}
    if "variant" in given:
        values["variant"] = _only({v for _, v in pairs}, "variant", query)
    return values


def _only(found: set[str], what: str, query: Query) -> str:
    if len(found) > 1:
        listed = ", ".join(map(repr, sorted(found)[:5]))
        raise UsageError(f"query {query.name} takes one {what}, but that fits {listed}; say which")
    return next(iter(found))


def _texts(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _check_choice(param: Param, value: object) -> None:
    if param.choices and value not in param.choices:
        raise no_such(param.name, str(value), param.choices)
    if param.name == "top" and isinstance(value, int) and value < 1:
        raise UsageError(f"top {value}: give a number of at least 1")
