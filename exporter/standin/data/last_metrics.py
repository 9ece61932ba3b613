"""``last_metrics``: the server's summary of each series in its task, updated per batch.

It is not the data: ``value`` is from the last batch, ``count`` counts reports (overwritten ones
too), ``mean_value`` is rounded to two decimals, and the 2,001st series of a task is left out.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from clearml_snapshot.exporter.standin.data.points import Block

# docs/clearml-server.md, "last_metrics".
MAX_SERIES = 2000
Document = dict[str, Any]


def hashed(name: str) -> str:
    """Return the key under which the name of a metric or variant is stored."""
    return hashlib.md5(name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def batch_of_events(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Document]:
    """Add one batch of events to the summary of each series; what is not a number is left out."""
    summaries: dict[tuple[str, str], Document] = {}
    for event in events:
        value = event.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        series = (event.get("metric", ""), event.get("variant", ""))
        iteration = event.get("iter") or 0
        _fold(summaries.setdefault(series, {}), value, iteration, event.get("timestamp", 0))
    return summaries


def batch_of_block(block: Block) -> dict[tuple[str, str], Document]:
    """Summarise a complete series, reported in one batch in its order."""
    if not len(block.values):
        return {}
    stamps = np.lexsort((block.timestamps, block.iterations))
    last, first = stamps[-1], np.argmin(block.iterations)
    low, high = np.argmin(block.values), np.argmax(block.values)
    return {
        (block.metric, block.variant): {
            "count": len(block.values),
            "total": float(block.values.sum()),
            "value": block.values[last].item(),
            "first": (block.values[first].item(), block.iterations[first].item()),
            "min": (block.values[low].item(), block.iterations[low].item()),
            "max": (block.values[high].item(), block.iterations[high].item()),
        }
    }


def merge(last_metrics: Document, batch: Mapping[tuple[str, str], Document]) -> None:
    """Write one batch into a task's ``last_metrics``, in place."""
    size = len(last_metrics)
    if size < MAX_SERIES:
        size = sum(map(len, last_metrics.values()))
    for (metric, variant), new in batch.items():
        variants = last_metrics.get(hashed(metric), {})
        old = variants.get(hashed(variant))
        if old is None:
            if size >= MAX_SERIES:
                continue
            size += 1
        summary = _merged(old, new, metric, variant)
        last_metrics.setdefault(hashed(metric), {})[hashed(variant)] = summary


def _fold(into: Document, value: float, iteration: int, timestamp: int) -> None:
    into["count"] = into.get("count", 0) + 1
    into["total"] = into.get("total", 0) + value
    if (iteration, timestamp) >= into.get("stamp", (iteration, timestamp)):
        into["value"] = value
        into["stamp"] = (iteration, timestamp)
    if "first" not in into or iteration < into["first"][1]:
        into["first"] = (value, iteration)
    if "min" not in into or value < into["min"][0]:
        into["min"] = (value, iteration)
    if "max" not in into or value > into["max"][0]:
        into["max"] = (value, iteration)


def _merged(old: Document | None, new: Document, metric: str, variant: str) -> Document:
    count, total = new["count"], new["total"]
    low, high, first = new["min"], new["max"], new["first"]
    if old is not None:
        total += old["mean_value"] * old["count"]
        count += old["count"]
        first = (old["first_value"], old["first_value_iteration"])
        if old["min_value"] <= low[0]:
            low = (old["min_value"], old["min_value_iteration"])
        if old["max_value"] >= high[0]:
            high = (old["max_value"], old["max_value_iteration"])
    return {
        "metric": metric,
        "variant": variant,
        "value": new["value"],
        "min_value": low[0],
        "min_value_iteration": low[1],
        "max_value": high[0],
        "max_value_iteration": high[1],
        "first_value": first[0],
        "first_value_iteration": first[1],
        "count": count,
        "mean_value": round(total / count, 2),
    }
