"""Splits the selected series of a task into parts that the server can page through.

At most 10,000 points of one iteration are returned, so a part must not have more series than that.
If the server lists too few names, they are taken from the points that it returns
(docs/clearml-server.md, "Reading one task completely", traps 3 to 5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.scalars.event_pages import (
    PAGE,
    Part,
    ScrollPosition,
    read_pages,
)
from clearml_snapshot.exporter.reader.series import list_variants, listed_series, metric_names
from clearml_snapshot.exporter.selection.metric_filter import Selector

_SAFE_SERIES: Final = PAGE - 1_000
"""Series requested together after a split, so that no iteration of theirs can fill a page."""
_MOST_METRICS: Final = 500
"""Metrics of one request: the server makes two clauses of each, and its search engine accepts at
least 1,024 (indices.query.bool.max_clause_count; docs/clearml-server.md, "Reading one task
completely", trap 5)."""
_FEW_METRICS: Final = 1_000
"""Up to this number, metrics can get a part each; with more, every list of variants is cut."""


def as_parts(selectors: Sequence[Selector]) -> list[Part]:
    """Make parts that fit into one request each; without selectors, one part with every metric."""
    if not selectors:
        return [Part()]
    return [
        Part(tuple(selectors[at : at + _MOST_METRICS]))
        for at in range(0, len(selectors), _MOST_METRICS)
    ]


@dataclass
class Splitter:
    """Finds smaller parts of one task's series, and caches the names of the series."""

    api: Client
    task_id: str
    cut: tuple[int, ...] = ()
    """Iterations with more points than are returned, of series that may not be listed."""
    _listed: dict[str, set[str]] = field(default_factory=dict)
    """Variants by metric; the list of a metric may be cut or empty."""

    def split(self, part: Part) -> list[Part]:
        """Make smaller parts: groups of metrics, or groups of the variants of one large metric.

        Raises:
            RefusedError: the task is gone, or the server returns none of its points.
        """
        if len(part.selectors) == 1:
            return self._split_metric(part.selectors[0])
        series = self._series()
        selectors = part.selectors or tuple({"metric": metric} for metric in sorted(series))
        groups = list(_grouped(selectors, series))
        if len(groups) == 1 and len(selectors) > 1 and groups[0] == list(part.selectors):
            half = len(selectors) // 2
            groups = [groups[0][:half], groups[0][half:]]
        return [part for group in groups for part in as_parts(group)] or [Part(is_final=True)]

    def _series(self) -> dict[str, set[str]]:
        """List metrics and variants as the server does, or find them if it cannot."""
        if not self._listed:
            try:
                self._listed = listed_series(self.api, [self.task_id])
            except RefusedError:
                self._listed = {metric: set() for metric in self._shown_metrics()}
        return self._listed

    def _shown_metrics(self) -> set[str]:
        """Find the metrics of all points that can be paged through, and those that are listed."""
        position, names = ScrollPosition(), metric_names(self.api, self.task_id)
        for page in read_pages(self.api, self.task_id, Part(is_final=True), position):
            names.update(map(str, page.points["metric"].unique().to_pylist()))
        self.cut = position.cut
        return names

    def _split_metric(self, selector: Selector) -> list[Part]:
        names = sorted(
            selector.get("variants") or list_variants(self.api, self.task_id, selector["metric"])
        )
        if len(names) <= 1:
            return [Part((selector,), is_final=True)]
        size = min(_SAFE_SERIES, -(-len(names) // 2))
        chunks = [names[at : at + size] for at in range(0, len(names), size)]
        return [Part(({**selector, "variants": chunk},)) for chunk in chunks]


def _grouped(
    selectors: Sequence[Selector], series: dict[str, set[str]]
) -> Iterator[list[Selector]]:
    """Group metrics as long as their series cannot fill a page."""
    group: list[Selector] = []
    room = _SAFE_SERIES
    for selector in selectors:
        needs = len(selector.get("variants") or series.get(selector["metric"]) or ()) or 1
        if len(series) <= _FEW_METRICS and needs * len(series) >= _SAFE_SERIES // 2:
            # A list of variants that may be cut is long, so such a metric gets its own part.
            needs = _SAFE_SERIES
        if needs > room and group:
            yield group
            group, room = [], _SAFE_SERIES
        group.append(selector)
        room -= needs
    if group:
        yield group
