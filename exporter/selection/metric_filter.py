"""Metric arguments and filters of metrics: one rule for export and queries. Pure, no I/O."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import (
    canonical,
    did_you_mean,
    is_glob,
    names_pattern,
    near_names,
    no_such,
)

MONITOR_PREFIX = ":monitor:"
"""ClearML's own machine statistics; hidden from answers unless named."""

_NAMED = 2
_WORD = re.compile(r"[^\W_]+")
"""Series that an error names."""

Series = Mapping[str, Collection[str]]
"""The variants that exist, by metric."""

Selector = dict[str, Any]
"""One entry of a request's ``metrics``: a metric, and its variants unless all are selected."""


@dataclass(frozen=True)
class MetricChoice:
    """One metric, and its selected variants; None selects all of them."""

    metric: str
    variants: frozenset[str] | None = None

    def includes(self, metric: str, variant: str) -> bool:
        """Return whether a series is selected."""
        return self.metric == metric and (self.variants is None or variant in self.variants)


@dataclass(frozen=True)
class MetricFilter:
    """The metrics that are selected for a task."""

    choices: tuple[MetricChoice, ...] | None = None
    """None selects every metric, an empty tuple none."""
    arguments: frozenset[str] = frozenset()
    """The metric arguments as typed: the metrics that they select depend on the task."""

    def merged(self, other: "MetricFilter") -> "MetricFilter":
        """Select the series that either of them selects."""
        if self.choices is None or other.choices is None:
            return EVERY_METRIC
        choices = _choices(metric_selectors([*self.choices, *other.choices]))
        return MetricFilter(choices, self.arguments | other.arguments)

    def intersection(self, other: "MetricFilter") -> "MetricFilter":
        """Select the series that both select; ``arguments`` is that of the other one."""
        if self.choices is None:
            return other
        if other.choices is None:
            return MetricFilter(self.choices, other.arguments)
        variants = {choice.metric: choice.variants for choice in self.choices}
        both = (
            MetricChoice(choice.metric, _common(choice.variants, variants[choice.metric]))
            for choice in other.choices
            if choice.metric in variants
        )
        left = tuple(choice for choice in both if choice.variants is None or choice.variants)
        return MetricFilter(left, other.arguments)

    def includes(self, metric: str, variant: str) -> bool:
        """Return whether a series is selected."""
        return is_included(self.choices, metric, variant)

    @property
    def text(self) -> str | None:
        """The filter as it is stored in ``tasks.metric_filter``."""
        if self.choices is None:
            return None
        written = {"asked": sorted(self.arguments), "metrics": metric_selectors(self.choices)}
        return json.dumps(written, ensure_ascii=False)

    @classmethod
    def read(cls, text: str | None) -> "MetricFilter":
        """Read ``tasks.metric_filter`` back.

        Raises:
            DatasetError: the text was not written by this tool.
        """
        if text is None:
            return EVERY_METRIC
        from clearml_snapshot.exporter.filter_text import read_filter  # queries do not need it

        written = read_filter(text)
        choices = tuple(
            MetricChoice(metric.metric, frozenset(metric.variants) if metric.variants else None)
            for metric in written.metrics
        )
        return cls(choices, frozenset(written.arguments))


EVERY_METRIC = MetricFilter()


def is_included(choices: Sequence[MetricChoice] | None, metric: str, variant: str) -> bool:
    """Return whether a series is among the selected ones; None selects every metric."""
    return choices is None or any(choice.includes(metric, variant) for choice in choices)


def _common(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    if first is None or second is None:
        return first if second is None else second
    return first & second


def resolve_metric(
    argument: str, series: Series, *, lone_variants: bool = False
) -> tuple[MetricChoice, ...]:
    """Resolve a metric argument: exact, else ``metric/variant``, else ignoring case, else a glob.

    Args:
        argument: what was typed.
        series: the metrics and variants that exist.
        lone_variants: whether a variant, or the name of a single value, that only one metric has
            is found too. Not for a filter that is remembered: another metric may have it later.

    Returns:
        One choice, or several from a glob, but at least one.

    Raises:
        UsageError: the argument is ambiguous; the text lists what it could mean.
        NoSuchNameError: nothing matches.
    """
    if argument in series:
        return (MetricChoice(argument),)
    for key in (canonical, _folded):
        readings = _readings(argument, series, key)
        if len(readings) > 1:
            raise UsageError(f"metric {argument!r} could be {_listed(readings)}; specify which")
        if readings:
            return readings
    globbed = _globbed(argument, series) if is_glob(argument) else ()
    if globbed:
        return globbed
    owners = _with_variant(argument, series)
    if len(owners) == 1 and lone_variants:
        return owners
    if owners:
        names = [f"{choice.metric}/{min(choice.variants or ())}" for choice in owners]
        raise _only_a_variant(argument, names)
    raise _no_metric(argument, series)


def resolve_variants(argument: str, series: Series) -> frozenset[str]:
    """Resolve a variant argument in the given series: exact, else ignoring case, else a glob.

    Raises:
        UsageError: it matches several variants if case is ignored.
        NoSuchNameError: nothing matches.
    """
    names = {name for variants in series.values() for name in variants}
    if argument in names:
        return frozenset({argument})
    same = sorted(name for name in names if canonical(name) == canonical(argument))
    same = same or sorted(name for name in names if _folded(name) == _folded(argument))
    if len(same) > 1:
        listed = " or ".join(map(repr, same))
        raise UsageError(f"variant {argument!r} could be {listed}; specify which")
    if not same and is_glob(argument):
        pattern = re.compile(names_pattern([argument]) or "")
        same = [name for name in names if pattern.search(name)]
    if not same:
        raise no_such("variant", argument, names, plural="variants")
    return frozenset(same)


def metric_selectors(choices: Iterable[MetricChoice]) -> tuple[Selector, ...]:
    """Make a request's ``metrics``: one entry per metric, as the server uses the last of two."""
    merged: dict[str, set[str] | None] = {}
    for choice in choices:
        variants = merged.get(choice.metric, set())
        selects_all = choice.variants is None or variants is None
        merged[choice.metric] = (
            None if selects_all else {*(variants or ()), *(choice.variants or ())}
        )
    return tuple(
        {"metric": metric} if names is None else {"metric": metric, "variants": sorted(names)}
        for metric, names in sorted(merged.items())
    )


def _choices(selectors: Iterable[Selector]) -> tuple[MetricChoice, ...]:
    return tuple(
        MetricChoice(
            selector["metric"],
            frozenset(selector["variants"]) if selector.get("variants") else None,
        )
        for selector in selectors
    )


def _folded(text: str) -> str:
    """Return a text so that neither case nor Unicode form matters."""
    return canonical(canonical(text).casefold())


def _with_variant(argument: str, series: Series) -> tuple[MetricChoice, ...]:
    """Return every metric that has a variant of this name: exact, else ignoring case."""
    for key in (canonical, _folded):
        owners = tuple(
            MetricChoice(metric, frozenset({variant}))
            for metric in sorted(series)
            for variant in sorted(series[metric])
            if argument and key(variant) == key(argument)
        )
        if owners:
            return owners
    return ()


def _no_metric(argument: str, series: Series) -> NoSuchNameError:
    """Make the error for a name that is neither a metric nor a variant."""
    pairs = [f"{metric}/{variant}" for metric, names in series.items() for variant in names]
    alike = [pair for pair in sorted(pairs) if _has_same_words(argument, pair)][:_NAMED]
    if alike:
        return NoSuchNameError(
            f"no metric {argument!r}; {did_you_mean(alike)}",
            kind="metric",
            name=argument,
            near=alike,
        )
    if "/" in argument:
        return no_such("metric", argument, (*series, *pairs), plural="metrics")
    variants = {variant for names in series.values() for variant in names}
    near = near_names(argument, {*series, *variants})[:_NAMED]
    if near and near[0] not in series:
        meant = did_you_mean(name if name in series else f"*/{name}" for name in near)
        return NoSuchNameError(
            f"no metric {argument!r}; {meant}", kind="metric", name=argument, near=near
        )
    return no_such("metric", argument, series, plural="metrics")


def _has_same_words(argument: str, pair: str) -> bool:
    """Return whether two names have the same words in any order: ``val_loss``, ``loss/validation``.

    A word may be the beginning of the other one. A single word is a matter of spelling.
    """
    typed, left = _WORD.findall(_folded(argument)), _WORD.findall(_folded(pair))
    if len(typed) < 2 or len(typed) != len(left):
        return False
    for word in typed:
        fitting = [each for each in left if each.startswith(word) or word.startswith(each)]
        if not fitting:
            return False
        left.remove(fitting[0])
    return True


def _only_a_variant(argument: str, names: Sequence[str]) -> NoSuchNameError:
    """Make the error for a variant without its metric."""
    if len(names) == 1:
        hint = f"did you mean {names[0]!r}?"
    else:
        some = " or ".join(map(repr, names[:2])) + (" …" if len(names) > 2 else "")
        hint = (
            f"it is a variant of {len(names)} metrics: did you mean {some}, or '*/{argument}' for "
            "all of them?"
        )
    return NoSuchNameError(
        f"no metric {argument!r}; {hint}", kind="metric", name=argument, near=names
    )


def _readings(argument: str, series: Series, key: Callable[[str], str]) -> tuple[MetricChoice, ...]:
    """Every metric that the argument could name, or metric/variant at one of its slashes."""
    name = key(argument)
    metrics = [MetricChoice(metric) for metric in series if key(metric) == name]
    if metrics:
        return tuple(metrics)
    cuts = [(name[:at], name[at + 1 :]) for at, mark in enumerate(name) if mark == "/"]
    return tuple(
        MetricChoice(metric, frozenset({variant}))
        for left, right in cuts
        for metric, variants in series.items()
        if key(metric) == left
        for variant in variants
        if key(variant) == right
    )


def _globbed(argument: str, series: Series) -> tuple[MetricChoice, ...]:
    pattern = re.compile(names_pattern([argument]) or "")
    metrics = tuple(MetricChoice(metric) for metric in sorted(series) if pattern.search(metric))
    if metrics:
        return metrics
    chosen = (
        (metric, frozenset(name for name in series[metric] if pattern.search(f"{metric}/{name}")))
        for metric in sorted(series)
    )
    return tuple(MetricChoice(metric, variants) for metric, variants in chosen if variants)


def _listed(readings: Iterable[MetricChoice]) -> str:
    return " or ".join(
        repr(choice.metric)
        if choice.variants is None
        else f"metric {choice.metric!r} variant {min(choice.variants)!r}"
        for choice in readings
    )
