"""Finds the few values that are so far from all others that these would become flat."""

from collections.abc import Sequence
from typing import Final

import numpy as np

_FEWEST: Final = 8
"""Values below which none is an outlier."""
_FAR: Final = 10
"""Times the distance between the quartiles, beyond which a value is an outlier."""
_FLAT: Final = 5
"""Times the height of all other values, from which an outlier makes these flat."""


def usual_range(values: Sequence[float], clips: bool = True) -> tuple[float, float]:
    """Return the lowest and the highest value, without outliers if they are to be clipped."""
    sorted_values = np.sort(np.array(values, dtype=float))
    if clips and len(sorted_values) >= _FEWEST:
        first, third = np.percentile(sorted_values, [25, 75], method="closest_observation").tolist()
        # A range that is too large for a double has no outliers, nor has one without a height.
        reach = _FAR * (third - first)
        if 0 < reach < float("inf"):
            near = sorted_values[
                (sorted_values >= first - reach) & (sorted_values <= third + reach)
            ]
            height, whole = near[-1] - near[0], sorted_values[-1] - sorted_values[0]
            if whole > _FLAT * height:
                return float(near[0]), float(near[-1])
    return float(sorted_values[0]), float(sorted_values[-1])
