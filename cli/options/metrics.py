"""The options that choose metrics and variants."""

from dataclasses import dataclass
from typing import Annotated

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import METRICS


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
