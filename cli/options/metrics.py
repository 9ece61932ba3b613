"""The options that choose metrics and variants."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import METRIC_NAMES, METRICS, QUERY_OPTIONS


@dataclass(frozen=True)
class MetricOptions:
    """Metrics as typed; resolved by ``exporter.selection.metric_filter``."""

    metrics: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


_Metric = Annotated[
    list[str] | None,
    option(
        "--metric",
        "--title",
        "-m",
        section=METRICS,
        metavar="METRIC",
        help="Metric, metric/variant, or a glob.",
    ),
]
_Variant = Annotated[
    list[str] | None,
    option("--variant", "--series", section=METRICS, metavar="VARIANT", help="Variant, or a glob."),
]
_Excluded = Annotated[
    list[str] | None,
    option("--exclude-metric", section=METRICS, metavar="METRIC", help="Exclude these metrics."),
]


ALIASES_VARIABLE: Final = "CLEARML_SNAPSHOT_ALIASES"

Aliases = Annotated[
    Path | None,
    option(
        "--aliases",
        section=METRIC_NAMES,
        metavar="FILE",
        envvar=ALIASES_VARIABLE,
        help="Show metrics under other names, as this file says: new name = stored name in each "
        "line, such as val_loss = loss/validation. Stored data is not changed.",
    ),
]
"""For commands that ask about metrics; `open_for_query` takes it."""


Best = Annotated[
    Literal["highest", "lowest", "max", "min"] | None,
    option(
        "--best",
        section=QUERY_OPTIONS,
        metavar="highest|lowest",
        help="Which values are better; max and min mean the same.",
        show_default="guessed from the name of each metric",
    ),
]
"""For commands whose answer has several metrics; `direction_of` reads it."""


def metric_options(
    metric: _Metric = None, variant: _Variant = None, exclude_metric: _Excluded = None
) -> MetricOptions:
    """Collect the metrics of a query."""
    return MetricOptions(tuple(metric or ()), tuple(variant or ()), tuple(exclude_metric or ()))


def exported_metrics(metric: _Metric = None, exclude_metric: _Excluded = None) -> MetricOptions:
    """Collect the metrics of an export, which accepts a metric or metric/variant."""
    return MetricOptions(metrics=tuple(metric or ()), excluded=tuple(exclude_metric or ()))


Metrics = Annotated[MetricOptions, OptionGroup(metric_options)]
ExportedMetrics = Annotated[MetricOptions, OptionGroup(exported_metrics)]
