"""What an export is asked for: a filter of tasks and of metrics, as typed and as resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, Series, resolve_metric
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

_WHOLE_ID: Final = 32
_CUT_LISTS: Final = 7_000
"""Series above which the server may have cut its list of variants."""


@dataclass(frozen=True)
class Selection:
    """One question to the server; a dataset remembers those that were asked."""

    filter: TaskFilter = field(default_factory=TaskFilter)
    metrics: tuple[str, ...] = ()
    """Metric arguments; none means every metric."""
    exclude_metrics: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Write it for ``snapshot.json``: only what narrows."""
        narrowing = {
            name: value
            for name, value in asdict(self.filter).items()
            if value != getattr(TaskFilter(), name)
        }
        given = {"metrics": self.metrics, "exclude_metrics": self.exclude_metrics}
        return {"filter": narrowing, **{name: value for name, value in given.items() if value}}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Selection":
        """Read back what ``as_json`` wrote; what a newer version added is passed over."""
        known = {one.name for one in fields(TaskFilter)}
        narrowing: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in dict(written.get("filter", {})).items()
            if name in known
        }
        return cls(
            TaskFilter(**narrowing),
            tuple(written.get("metrics", ())),
            tuple(written.get("exclude_metrics", ())),
        )

    @property
    def narrows_metrics(self) -> bool:
        """Whether not every metric is asked for."""
        return bool(self.metrics or self.exclude_metrics)

    @property
    def metric_words(self) -> str:
        """What is asked of the tasks; empty for everything."""
        wanted, unwanted = " or ".join(self.metrics), " or ".join(self.exclude_metrics)
        words = (f"metrics {wanted}" * bool(wanted), f"without metrics {unwanted}" * bool(unwanted))
        return "; ".join(word for word in words if word)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What this leaves out beside the tasks that do not match, and what brings it."""
        facts = (
            (bool(self.metrics), "other metrics: an export without --metric"),
            (bool(self.exclude_metrics), "excluded metrics: an export without --exclude-metric"),
            (
                bool(self.filter.projects) and not self.filter.subprojects,
                "sub-projects: an export without --no-subprojects",
            ),
        )
        return tuple(text for is_so, text in facts if is_so)


@dataclass(frozen=True)
class Remembered:
    """A selection that a dataset repeats, and how many tasks it matched last."""

    selection: Selection
    matched: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Write it for ``snapshot.json``."""
        return {**self.selection.as_json(), "matched": self.matched}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Remembered":
        """Read back what ``as_json`` wrote."""
        matched = written.get("matched")
        return cls(Selection.from_json(written), matched if isinstance(matched, int) else None)


def wanted_metrics(selection: Selection, series: Series) -> tuple[MetricChoice, ...]:
    """Resolve the metric arguments against the metrics that the listed tasks have.

    Raises:
        NoSuchNameError: a metric that none of the tasks has.
        UsageError: an argument that can be read in several ways.
    """
    if not series:
        return ()
    chosen = [found for text in selection.metrics for found in resolve_metric(text, series)]
    chosen = chosen or [MetricChoice(metric) for metric in sorted(series)]
    excluded = [
        found for text in selection.exclude_metrics for found in resolve_metric(text, series)
    ]
    return tuple(_without(chosen, excluded, series))


def whole_ids(texts: Iterable[str], stored: Iterable[str]) -> tuple[str, ...]:
    """Complete task ids out of the unique beginnings of stored ones.

    Raises:
        NoSuchNameError: a beginning that no stored task has.
        UsageError: a beginning that several have.
    """
    known = list(stored)
    return tuple(text if len(text) >= _WHOLE_ID else _completed(text, known) for text in texts)


def _completed(text: str, known: list[str]) -> str:
    found = [task_id for task_id in known if task_id.startswith(text)]
    if not found:
        raise NoSuchNameError(
            f"no stored task has an id that begins with {text!r}; give all 32 digits"
        )
    if len(found) > 1:
        raise UsageError(f"{len(found)} stored tasks have an id that begins with {text!r}")
    return found[0]


def _without(
    chosen: Iterable[MetricChoice], excluded: Iterable[MetricChoice], series: Series
) -> Iterable[MetricChoice]:
    whole = {choice.metric for choice in excluded if choice.variants is None}
    parts: dict[str, set[str]] = {}
    for choice in excluded:
        parts.setdefault(choice.metric, set()).update(choice.variants or ())
    for choice in chosen:
        if choice.metric in whole:
            continue
        if not parts.get(choice.metric):
            yield choice
            continue
        if len(series[choice.metric]) * len(series) >= _CUT_LISTS:
            raise UsageError(
                f"metric {choice.metric!r} has too many variants to leave out some of them; "
                "take the metric as a whole"
            )
        kept = frozenset(choice.variants or series[choice.metric]) - parts[choice.metric]
        if kept:
            yield MetricChoice(choice.metric, kept)
