"""Checks that received points are of the requested series. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clearml_snapshot.exporter.client.failures import MixedUpError, in_short
from clearml_snapshot.exporter.reader.events import clean_text


def refuse_other_series(points: pa.Table, requested: Iterable[Mapping[str, Any]]) -> None:
    """Check that points are of the requested series.

    Args:
        points: the points of one page, with dictionary-encoded texts.
        requested: the ``metrics`` of the request; if empty, every metric.

    Raises:
        MixedUpError: a point is of another series.
    """
    variants_of = {
        clean_text(selector["metric"]): selector.get("variants") for selector in requested
    }
    if not variants_of or not points.num_rows:
        return
    texts = [
        cast("pa.DictionaryArray[Any, Any]", points[name].combine_chunks())
        for name in ("metric", "variant")
    ]
    metrics, variants = (text.dictionary.to_pylist() for text in texts)
    for metric in set(metrics) - variants_of.keys():
        raise MixedUpError(f"with metric {in_short(metric)}, which was not requested")
    if all(names is None for names in variants_of.values()):
        return
    named = {
        metric: None if names is None else set(map(clean_text, names))
        for metric, names in variants_of.items()
    }
    codes = [text.indices.to_numpy().astype(np.int64) for text in texts]
    for code in pc.unique(pa.array(codes[0] * len(variants) + codes[1])).to_pylist():
        metric, variant = metrics[code // len(variants)], variants[code % len(variants)]
        names = named[metric]
        if names is not None and variant not in names:
            raise MixedUpError(
                f"with series {in_short(f'{metric}/{variant}')} that was not requested"
            )
