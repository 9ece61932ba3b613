"""Notes on metrics that an answer shows under other names than the stored ones."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.selection.metric_filter import MONITOR_PREFIX
from clearml_snapshot.queries.aliases.renames import Pair, Rename, named
from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.dataset import Dataset

_SHOWN: Final = 5
_PARTNER: Final = "_variant"


def alias_notes(
    dataset: Dataset, query: Query | None = None, values: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Say which stored names an answer shows under new ones, and in how many selected tasks.

    Args:
        dataset: the dataset. Nothing is returned if it has no aliases.
        query: the query; None means a statement that may read any series.
        values: the values of its parameters.
    """
    if dataset.aliased is None:
        return
    renames = dataset.aliased.renames
    lines: dict[tuple[str, str], list[Rename]] = {}
    for rename in renames.renames:
        if query is None or _concerns(dataset, rename.shown, query, values or {}):
            lines.setdefault(named(rename), []).append(rename)
    counts = _counts(dataset, list(lines.values()))
    told = [
        f"{stored} is shown as {shown} ({counts[at]:,} task{'s' * (counts[at] != 1)}), "
        f"by {renames.aliases.source}"
        for at, (stored, shown) in enumerate(lines)
        if at in counts
    ]
    yield from told[:_SHOWN]
    if len(told) > _SHOWN:
        yield f"… and {len(told) - _SHOWN} more, by {renames.aliases.source}"


def _concerns(dataset: Dataset, pair: Pair, query: Query, values: Mapping[str, Any]) -> bool:
    """Return whether an answer, or the condition that selects its tasks, is about a series."""
    conditions = () if dataset.filter is None else dataset.filter.words
    if any(pair[0].casefold() in text.casefold() for text in conditions):
        return True
    named = [param.name for param in query.params if f"{param.name}{_PARTNER}" in values]
    named += ["metric"] if "metric" in values and "metric" not in named else []
    if not named:
        return query.file is not None
    return any(_is_chosen(pair, name, values) for name in named)


def _is_chosen(pair: Pair, name: str, values: Mapping[str, Any]) -> bool:
    partner = "variant" if name == "metric" else name + _PARTNER
    metrics, variants = values.get(name), values.get(partner)
    if metrics is None:
        is_hidden = pair[0].startswith(MONITOR_PREFIX) and not values.get("all_metrics")
        return name == "metric" and not is_hidden
    if isinstance(metrics, str):
        return pair[0] == metrics and variants in (None, pair[1])
    if variants is None:
        return pair[0] in metrics
    return pair in zip(metrics, variants, strict=False)


def _counts(dataset: Dataset, lines: list[list[Rename]]) -> dict[int, int]:
    """Count the selected tasks of each line; those without any are left out."""
    rows = [(*rename.stored, at) for at, renames in enumerate(lines) for rename in renames]
    if not rows:
        return {}
    names = ("metrics", "variants", "lines")
    parameters = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    relation = dataset.sql(read("notes/aliases.sql"), parameters)
    return dict(dataset.rows(relation).rows)
