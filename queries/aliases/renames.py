"""Decides which stored series the rules of aliases rename, and to what; pure functions."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import Series
from clearml_snapshot.exporter.selection.names import (
    canonical,
    did_you_mean,
    near_names,
    same_names,
)
from clearml_snapshot.queries.aliases import Aliases
from clearml_snapshot.queries.aliases.rules import Name, Rule

Pair = tuple[str, str]
"""A metric and a variant."""

_LISTED: Final = 3


@dataclass(frozen=True)
class Rename:
    """A stored series that is shown under another name."""

    stored: Pair
    shown: Pair
    rule: Rule
    is_of_metric: bool = False
    """Whether the rule names the metric, and so all of its variants."""


@dataclass(frozen=True)
class Renames:
    """What aliases change in a snapshot."""

    aliases: Aliases
    renames: tuple[Rename, ...]
    """In the order of the rules; without series that keep their name."""
    unmatched: Mapping[Rule, str]
    """A sentence for each rule that matches nothing."""

    def explained(self, error: NoSuchNameError) -> NoSuchNameError:
        """Say what a metric is called now if an error is about its stored name, or a similar one.

        If it is about the new name of a rule that matches nothing, say that.
        """
        if "metric" not in error.kind:
            return error
        reasons: dict[str, str] = {}
        for name, reason in self._reasons():
            reasons.setdefault(name, reason)
        about = f"no {error.kind} {error.name!r}"
        if error.name in reasons:
            return NoSuchNameError(f"{about}; {reasons[error.name]}")
        stored = {name: shown for rename in self.renames for name, shown in [named(rename)]}
        near = near_names(error.name, [*stored, *error.near])
        if not near or near[0] not in stored or near[0] in error.near:
            return error
        meant = f"{near[0]!r}, which is shown as {stored[near[0]]!r}, by {self.aliases.source}"
        return NoSuchNameError(f"{about}; did you mean {meant}?")

    def _reasons(self) -> Iterator[tuple[str, str]]:
        source = self.aliases.source
        for stored, shown in map(named, self.renames):
            yield stored, f"it is shown as {shown!r}, by {source}"
        for rename in self.renames:
            stored, shown = named(rename)
            yield rename.stored[0], f"{stored} is shown as {shown!r}, by {source}"
        for rule, sentence in self.unmatched.items():
            yield rule.new.text, sentence


def find_renames(aliases: Aliases, series: Series) -> Renames:
    """Find the stored series that aliases rename.

    A name is that of a metric or, if there is none, ``metric/variant``; exact, else a glob. The
    rules are applied once and at the same time, so their order does not matter.

    Args:
        aliases: the rules.
        series: the stored variants by metric.

    Raises:
        UsageError: two rules contradict each other, or a name could be several things.
    """
    found: dict[Pair, Rename] = {}
    unmatched = {}
    for rule in aliases.rules:
        pairs = list(_renamed_pairs(rule, series, series))
        if not pairs:
            unmatched[rule] = _unmatched(rule, series)
        of_metric = bool(_fitting_metrics(rule, series))
        for stored, shown in pairs:
            first = found.setdefault(stored, Rename(stored, shown, rule, of_metric))
            if first.shown != shown:
                raise UsageError(
                    f"{rule.place}: {'/'.join(stored)} is already shown as "
                    f"{'/'.join(first.shown)} by {first.rule.place}; remove one of them"
                )
    changed = tuple(rename for rename in found.values() if rename.stored != rename.shown)
    _refuse_chains(aliases, changed, series)
    return Renames(aliases, changed, unmatched)


def named(rename: Rename) -> tuple[str, str]:
    """Return what is renamed to what: a metric with its variants, or one series."""
    (metric, variant), (new_metric, new_variant) = rename.stored, rename.shown
    if not rename.is_of_metric:
        return f"{metric}/{variant}", f"{new_metric}/{new_variant}"
    kept = new_variant == variant or (variant, new_variant) == (metric, new_metric)
    return metric, new_metric if kept else f"{new_metric}/{new_variant}"


def shown_pairs(aliases: Aliases, stored: Iterable[Pair]) -> list[Pair]:
    """Return the names of series as they are shown, in alphabetical order.

    Raises:
        UsageError: two rules contradict each other, or a name could be several things.
    """
    series: dict[str, list[str]] = {}
    pairs = list(stored)
    for metric, variant in pairs:
        series.setdefault(metric, []).append(variant)
    new_names = {one.stored: one.shown for one in find_renames(aliases, series).renames}
    return sorted({new_names.get(pair, pair) for pair in pairs})


def _renamed_pairs(rule: Rule, among: Series, series: Series) -> Iterator[tuple[Pair, Pair]]:
    """List the series that a rule fits, each with its new name.

    Args:
        rule: the rule.
        among: the series that it may fit.
        series: the stored series, which decide how a new name is read.
    """
    metrics = _fitting_metrics(rule, among)
    if metrics:
        for metric in metrics:
            shown = _new_name(rule, series, metric)
            if shown[1] is not None:
                _refuse_several(rule, metric, among[metric])
            for variant in sorted(among[metric]):
                # A tag without a slash is the name of the metric and of its variant.
                own = shown[0] if variant == metric else variant
                yield (metric, variant), (shown[0], own if shown[1] is None else shown[1])
        return
    for metric, variant in _fitting_pairs(rule, among):
        shown = _new_name(rule, series, f"{metric}/{variant}")
        yield (
            (metric, variant),
            (shown[0], _only_variant(rule, shown[0], series) if shown[1] is None else shown[1]),
        )


def _fitting_metrics(rule: Rule, series: Series) -> list[str]:
    stored = rule.stored
    if stored.is_divided and stored.variant is not None:
        return []
    same = sorted(same_names(stored.metric, series)) if not rule.is_regex else []
    if same or rule.pattern is None or _fitting_exactly(stored, series):
        return same
    return sorted(metric for metric in series if rule.pattern.fullmatch(metric))


def _fitting_pairs(rule: Rule, series: Series) -> list[Pair]:
    exact = [] if rule.is_regex else _fitting_exactly(rule.stored, series)
    if len({canonical(metric) for metric, _ in exact}) > 1:
        several = " or ".join(f'"{metric}"/"{variant}"' for metric, variant in exact[:_LISTED])
        raise UsageError(f"{rule.place}: {rule.stored.text} could be {several}; write one of them")
    if exact or rule.pattern is None:
        return exact
    return sorted(
        (metric, variant)
        for metric, variants in series.items()
        for variant in variants
        if rule.pattern.fullmatch(f"{metric}/{variant}")
    )


def _fitting_exactly(name: Name, series: Series) -> list[Pair]:
    """List the series that a name is: divided at one of its slashes, in any Unicode form."""
    return sorted(
        (stored_metric, stored_variant)
        for metric, variant in _divisions(name)
        for stored_metric in same_names(metric, series)
        for stored_variant in same_names(variant, series[stored_metric])
    )


def _divisions(name: Name) -> list[Pair]:
    if name.variant is not None:
        return [(name.metric, name.variant)]
    if name.is_divided:
        return []
    text = name.metric
    return [(text[:at], text[at + 1 :]) for at, mark in enumerate(text) if mark == "/"]


def _new_name(rule: Rule, series: Series, matched: str) -> tuple[str, str | None]:
    """Return the new metric and variant; the variant is None if the rule has none."""
    metric, variant = _divided(rule, series)
    if rule.is_regex and rule.pattern is not None:
        match = rule.pattern.fullmatch(matched)
        assert match is not None
        metric = match.expand(metric)
        variant = None if variant is None else match.expand(variant)
    metric = _as_stored(metric, series)
    return metric, None if variant is None else _as_stored(variant, series.get(metric, ()))


def _divided(rule: Rule, series: Series) -> tuple[str, str | None]:
    """Divide a new name into metric and variant: as a stored name is, else at its only slash."""
    new = rule.new
    if new.is_divided or "/" not in new.metric or same_names(new.metric, series):
        return new.metric, new.variant
    divisions = _divisions(new)
    known = [pair for pair in divisions if same_names(pair[0], series)]
    choices = known if len(known) == 1 else divisions
    if len(choices) > 1:
        example = " or ".join(f'"{metric}"/"{variant}"' for metric, variant in choices[:_LISTED])
        raise UsageError(
            f"{rule.place}: {new.text} has several slashes; write {example}, or "
            f'"{new.text}" if it is all one metric'
        )
    return choices[0]


def _as_stored(text: str, names: Collection[str]) -> str:
    """Return a name in the Unicode form in which it is stored, if it is."""
    same = same_names(text, names)
    return min(same) if len(same) == 1 else text


def _only_variant(rule: Rule, metric: str, series: Series) -> str:
    """Return the variant of a new name that has none: the only stored one, else the metric's name.

    Raises:
        UsageError: the metric is stored with several variants.
    """
    stored = sorted(series.get(metric, ()))
    if len(stored) > 1:
        some = " or ".join(f"{metric}/{variant}" for variant in stored[:_LISTED])
        raise UsageError(
            f"{rule.place}: the metric {metric} has {len(stored)} variants; write {some}"
        )
    return stored[0] if stored else metric


def _refuse_several(rule: Rule, metric: str, variants: Collection[str]) -> None:
    """Refuse to show all variants of a metric as one.

    Raises:
        UsageError: it has several.
    """
    if len(variants) > 1:
        some = " or ".join(f"{metric}/{variant}" for variant in sorted(variants)[:_LISTED])
        raise UsageError(
            f"{rule.place}: the metric {metric} has {len(variants)} variants, which cannot all be "
            f"{rule.new.text}; write {some} on the right"
        )


def _refuse_chains(aliases: Aliases, changed: Iterable[Rename], series: Series) -> None:
    """Refuse a new name that another rule renames again.

    Raises:
        UsageError: there is one.
    """
    by_name: dict[Pair, Rename] = {rename.shown: rename for rename in changed}
    for shown, rename in by_name.items():
        only = {shown[0]: [shown[1]]}
        for rule in aliases.rules:
            if rule is rename.rule:
                continue
            again = [new for _, new in _renamed_pairs(rule, only, series) if new != shown]
            if again:
                raise UsageError(
                    f"{rule.place}: {'/'.join(shown)}, the new name in {rename.rule.place}, would "
                    f"become {'/'.join(again[0])}; write the final name in both"
                )


def _unmatched(rule: Rule, series: Series) -> str:
    text = rule.stored.text
    if rule.is_regex:
        return f"{rule.place}: no metric matches {text}"
    pairs = (f"{metric}/{variant}" for metric, variants in series.items() for variant in variants)
    near = near_names(rule.stored.metric, [*series, *pairs])
    return f"{rule.place}: no metric {text!r}" + (f"; {did_you_mean(near)}" if near else "")
