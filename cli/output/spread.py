"""Writes doubles for reading, and a mean with its standard deviation."""

import math
from typing import Final

from clearml_snapshot.queries.result import Value

NULL: Final = "–"
DIGITS: Final = 6
"""Significant digits of a double in a table."""
_NONFINITE: Final = {"nan": "NaN", "inf": "∞", "-inf": "-∞"}


def number(value: float, digits: int = DIGITS) -> str:
    """Write a double with at most this many significant digits."""
    return f"{value:.{digits}g}" if math.isfinite(value) else _NONFINITE[str(value)]


def with_spread(mean: Value, std: Value) -> str:
    """Write a mean and its standard deviation to the digits that the deviation supports.

    The deviation has two significant digits, and the mean as many decimals: ``0.912 ± 0.014``.
    """
    if not isinstance(mean, float) or not isinstance(std, float):
        return NULL if mean is None else number(float(mean))
    if not math.isfinite(mean) or not math.isfinite(std) or std == 0:
        return f"{number(mean)} ± {number(std)}"
    decimals = max(0, 1 - math.floor(math.log10(abs(float(f"{std:.1e}")))))
    if decimals > _MOST_DECIMALS or max(abs(mean), std) >= _LARGE:
        return f"{number(mean)} ± {std:.2g}"
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"


_MOST_DECIMALS: Final = 9
_LARGE: Final = 1e9
