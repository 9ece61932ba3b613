"""What the horizontal axis of a curve may be: iterations, times, or values of another metric."""

from collections.abc import Mapping
from typing import Any, Final

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import Series, resolve_metric
from clearml_snapshot.exporter.selection.names import near_names, no_such
from clearml_snapshot.exporter.settings import setting

X_METRIC: Final = "x_metric"
"""The parameter with the metric that is the horizontal axis."""
X_PARTS: Final = (X_METRIC, "x_variant")
"""This parameter, and the one with its variant."""
OTHERS: Final = ("iteration", "time", "relative")
"""What the horizontal axis may be besides a metric."""


def x_values(text: str, series: Series) -> dict[str, Any]:
    """Read what the horizontal axis is.

    Args:
        text: as typed: one of ``OTHERS``, or a metric.
        series: the variants that exist, by metric.

    Raises:
        NoSuchNameError: it is neither.
        UsageError: it is several metrics or variants.
    """
    if text in OTHERS:
        return {"x": text}
    try:
        choices = resolve_metric(text, series, lone_variants=True)
    except NoSuchNameError as error:
        if near_names(text, OTHERS):
            raise no_such(setting("x"), text, OTHERS) from None
        raise NoSuchNameError(f"{setting('x', text)}: {error}") from None
    pairs = [
        (choice.metric, variant)
        for choice in choices
        for variant in sorted(choice.variants or series[choice.metric])
    ]
    if len(pairs) > 1:
        shown = ", ".join("/".join(pair) for pair in pairs[:3])
        more = f", and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        raise UsageError(f"{setting('x', text)} is several metrics; name one of {shown}{more}")
    [(metric, variant)] = pairs
    return {"x": f"{metric}/{variant}", **dict(zip(X_PARTS, (metric, variant), strict=True))}


def x_pair(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the metric and variant that are the horizontal axis; None if it is not a metric."""
    metric, variant = (values.get(name) for name in X_PARTS)
    return None if metric is None else (metric, str(variant))


def is_iteration(values: Mapping[str, Any]) -> bool:
    """Return whether the horizontal axis has iterations."""
    return values.get("x") in (None, "iteration")


def check_x(values: Mapping[str, Any]) -> None:
    """Refuse to move iterations if the horizontal axis has none."""
    if values.get("offset_resumed") and not is_iteration(values):
        raise UsageError(f"{setting('offset_resumed', True)} moves iterations; omit {setting('x')}")
