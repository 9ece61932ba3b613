"""Chooses the numbers beside an axis of text: round ones, each where it belongs.

uniplot rounds the numbers of its own axes: 0.45 and 0.95 are 0 and 1 there.
"""

from math import ceil, floor, log10
from typing import Final

from clearml_snapshot.queries.figures.model import Axis

_STEPS: Final = (1, 2, 5, 10)
_LARGEST: Final = 1e7
_LONGEST_NAME: Final = 14
_SMALLEST: Final = 1e-5
"""Beyond these, numbers have an exponent."""


def ticks(axis: Axis, most: int) -> list[tuple[float, str]]:
    """Return numbers within an axis, and how they are written, the lowest first."""
    if axis.names:
        return [(float(at), _shortened(name)) for at, name in enumerate(axis.names)]
    if axis.ticks:
        return [(value, f"{value:g}") for value in axis.ticks]
    if axis.is_log:
        low, high = ceil(log10(axis.low)), floor(log10(axis.high))
        every = max(1, ceil((high - low + 1) / max(1, most)))
        if high > low:
            return [(10.0**power, f"{10.0**power:g}") for power in range(low, high + 1, every)]
    rough = axis.high / (most + 1) - axis.low / (most + 1)
    if rough <= 0:
        return [(axis.low, f"{axis.low:g}")]
    power = floor(log10(rough))
    step = next(n for n in _STEPS if n * 10.0**power >= rough * 0.999)
    places = max(0, -power - (step == 10))
    is_plain = max(abs(axis.low), abs(axis.high)) < _LARGEST and power > log10(_SMALLEST)
    found = []
    first = ceil(axis.low / (step * 10.0**power))
    for number in range(first, first + most + 3):
        value = number * step * 10.0**power
        if value <= axis.high:
            text = f"{value:,.{places}f}" if is_plain else f"{value:.6g}"
            found.append((value, text))
    return found


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def below(axis: Axis, width: int, cells: dict[float, int]) -> str:
    """Write the numbers below an axis, each with its middle at its cell, without overlaps."""
    line = ""
    for value, text in ticks(axis, max(2, width // 14)):
        start = max(0, min(cells[value] - len(text) // 2, width - len(text)))
        if start > len(line) or not line:
            line = line.ljust(start) + text
    return line
