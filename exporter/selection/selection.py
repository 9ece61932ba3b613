"""A selection: a filter of tasks and of metrics, as typed. Pure, no I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, Series, resolve_metric
from clearml_snapshot.exporter.selection.several import Texts
from clearml_snapshot.exporter.selection.task_filter import NARROW_NOTHING, Missing, TaskFilter
from clearml_snapshot.exporter.settings import setting

_WITH_EVERYTHING: Final = NARROW_NOTHING | {"hidden", "archived", "limit"}
"""Fields of a filter that ``--all`` can be combined with."""
_ID_LENGTH: Final = 32
_CUT_LISTS: Final = 7_000
"""Series above which the server may have cut its list of variants."""


@dataclass(frozen=True)
class Selection:
    """The tasks and metrics of one export; a dataset remembers its selections."""

    filter: TaskFilter = field(default_factory=TaskFilter)
    metrics: Texts = Texts()
    """Metric arguments; if there are none, every metric is selected."""
    exclude_metrics: Texts = Texts()

    @classmethod
    def typed(
        cls,
        tasks: TaskFilter,
        metrics: tuple[str, ...] = (),
        exclude_metrics: tuple[str, ...] = (),
        *,
        everything: bool = False,
    ) -> "Selection | None":
        """Build the selection that was typed; None means those that the dataset remembers.

        Args:
            tasks: the filter of tasks.
            metrics: metric arguments.
            exclude_metrics: metric arguments.
            everything: whether every task was requested.

        Raises:
            UsageError: every task and a filter of tasks were requested.
        """
        if everything and not tasks.given <= _WITH_EVERYTHING:
            raise UsageError(f"{setting('everything', True)} and a task filter cannot be combined")
        if tasks.limit is None:
            tasks = replace(tasks, order="newest")  # an order alone selects nothing
        if everything or not tasks.is_empty or metrics or exclude_metrics:
            return cls(tasks, metrics, exclude_metrics)
        return None

    def as_json(self) -> dict[str, Any]:
        """Write it for ``snapshot.json``: only the conditions that are set."""
        given = self.filter.given
        narrowing = {name: value for name, value in asdict(self.filter).items() if name in given}
        metrics = {"metrics": self.metrics, "exclude_metrics": self.exclude_metrics}
        return {"filter": narrowing, **{name: value for name, value in metrics.items() if value}}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Selection":
        """Read back what ``as_json`` wrote; fields that a newer version added are ignored."""
        field_names = {field.name for field in fields(TaskFilter)}
        narrowing: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in dict(written.get("filter", {})).items()
            if name in field_names
        }
        return cls(
            TaskFilter(**narrowing),
            tuple(written.get("metrics", ())),
            tuple(written.get("exclude_metrics", ())),
        )

    @property
    def narrows_metrics(self) -> bool:
        """Whether it selects only some metrics."""
        return bool(self.metrics or self.exclude_metrics)

    @property
    def metric_words(self) -> str:
        """A description of the selected metrics; empty if every metric is selected."""
        included, excluded = " or ".join(self.metrics), " or ".join(self.exclude_metrics)
        words = (
            f"metrics {included}" * bool(included),
            f"without metrics {excluded}" * bool(excluded),
        )
        return "; ".join(word for word in words if word)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What this does not include besides the tasks that do not match, and how to include it."""
        facts = (
            (bool(self.metrics), f"other metrics: an export without {setting('metrics')}"),
            (
                bool(self.exclude_metrics),
                f"excluded metrics: an export without {setting('exclude_metrics')}",
            ),
            (
                bool(self.filter.projects) and not self.filter.subprojects,
                f"sub-projects: an export without {setting('subprojects', False)}",
            ),
        )
        return tuple(text for is_so, text in facts if is_so)


@dataclass(frozen=True)
class Remembered:
    """A selection that a dataset repeats, and the number of tasks that it matched last."""

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


def wanted_metrics(
    selection: Selection, series: Series, *, missing: Missing = "raise"
) -> tuple[MetricChoice, ...]:
    """Resolve the metric arguments against the metrics that the listed tasks have.

    Args:
        selection: has the arguments.
        series: the metrics and variants that exist.
        missing: what to do with an argument that nothing matches: ``drop`` leaves it out.

    Raises:
        NoSuchNameError: a metric that none of the tasks has.
        UsageError: an argument is ambiguous.
    """
    if not series:
        return ()
    chosen = _resolved(selection.metrics, series, missing)
    if selection.metrics and not chosen:
        return ()
    chosen = chosen or [MetricChoice(metric) for metric in sorted(series)]
    excluded = _resolved(selection.exclude_metrics, series, missing)
    return tuple(_without(chosen, excluded, series))


def _resolved(arguments: Iterable[str], series: Series, missing: Missing) -> list[MetricChoice]:
    choices: list[MetricChoice] = []
    for argument in arguments:
        try:
            choices += resolve_metric(argument, series)
        except NoSuchNameError:
            if missing == "raise":
                raise
    return choices


def complete_ids(texts: Iterable[str], stored: Iterable[str]) -> tuple[str, ...]:
    """Complete the unique beginnings of stored task ids; complete ids need not be stored.

    Raises:
        NoSuchNameError: a beginning that no stored task has.
        UsageError: a beginning that several have.
    """
    stored_ids = list(stored)
    return tuple(
        text if len(text) >= _ID_LENGTH else _completed(text, stored_ids) for text in texts
    )


def is_id(text: str) -> bool:
    """Return whether a text is a complete id, as a ClearML server makes them."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def _completed(text: str, stored_ids: list[str]) -> str:
    matching_ids = [task_id for task_id in stored_ids if task_id.startswith(text)]
    if not matching_ids:
        raise NoSuchNameError(
            f"no stored task has an id that begins with {text!r}; give all 32 digits"
        )
    if len(matching_ids) > 1:
        raise UsageError(
            f"{len(matching_ids)} stored tasks have an id that begins with {text!r}; give more "
            "digits"
        )
    return matching_ids[0]


def _without(
    chosen: Iterable[MetricChoice], excluded: Iterable[MetricChoice], series: Series
) -> Iterable[MetricChoice]:
    excluded_metrics = {choice.metric for choice in excluded if choice.variants is None}
    parts: dict[str, set[str]] = {}
    for choice in excluded:
        parts.setdefault(choice.metric, set()).update(choice.variants or ())
    for choice in chosen:
        if choice.metric in excluded_metrics:
            continue
        if not parts.get(choice.metric):
            yield choice
            continue
        if len(series[choice.metric]) * len(series) >= _CUT_LISTS:
            raise UsageError(
                f"metric {choice.metric!r} has too many variants to exclude only some of them; "
                "exclude the metric or include all of it"
            )
        kept = frozenset(choice.variants or series[choice.metric]) - parts[choice.metric]
        if kept:
            yield MetricChoice(choice.metric, kept)
