"""Curves that were kept away while the rule of suspect zeros was chosen: they only measure it.

Whoever changes the rule after looking at them has to write others.
"""

import math
import random
from collections.abc import Mapping
from typing import Final

from tests.support.curves import Shape


def _share(rng: random.Random, n: int, share: float) -> int:
    return sum(rng.random() < share for _ in range(n))


def _soft_margin(rng: random.Random, n: int) -> list[float]:
    """The mean of eight hinge losses, each of which gets 0 at a time of its own."""
    ends = [rng.uniform(0.2, 0.8) * n for _ in range(8)]
    return [sum(max(0.0, 1 - i / end) for end in ends) / 8 for i in range(n)]


def _walk_of_losses(rng: random.Random, n: int) -> list[float]:
    level, values = 2.0, []
    for _ in range(n):
        level = max(0.5, level + 0.05 * rng.gauss(0, 1))
        values.append(level)
    return values


TRUE_ZEROS: Final[Mapping[str, Shape]] = {
    "mean of hinges": _soft_margin,
    "penalty above a limit": lambda rng, n: [
        max(0.0, 0.4 * math.exp(-2 * i / n) + 0.08 * rng.gauss(0, 1) - 0.15) for i in range(n)
    ],
    "polynomial decay": lambda rng, n: [1e-3 * (1 - i / n) ** 2 for i in range(n)] + [0.0] * 3,
    "gain over a baseline": lambda rng, n: [
        round(0.02 * math.sqrt(i / n) + 0.01 * rng.gauss(0, 1), 3) for i in range(n)
    ],
    "exact match of 25": lambda rng, n: [4.0 * _share(rng, 25, 0.3 * i / n) for i in range(n)],
    "exploration in steps": lambda rng, n: [max(0.0, 1 - 0.1 * (12 * i // n)) for i in range(n)],
    "skipped batches": lambda rng, n: [float(rng.random() < 0.02) * 3 for _ in range(n)],
    "rectified activity": lambda rng, n: [
        max(0.0, rng.gauss(0.3 * math.exp(-3 * i / n), 0.05)) for i in range(n)
    ],
}
"""Curves whose zeros are values."""

LOSSES: Final[Mapping[str, Shape]] = {
    "cross entropy": lambda rng, n: [
        2.3 * math.exp(-3 * i / n) + 0.3 + 0.05 * abs(rng.gauss(0, 1)) for i in range(n)
    ],
    "logarithmic": lambda rng, n: [5 - 0.6 * math.log(i + 1) for i in range(n)],
    "walk of losses": _walk_of_losses,
    "heavy tails": lambda rng, n: [1 + 0.1 * rng.expovariate(1) ** 2 for _ in range(n)],
    "saw teeth": lambda rng, n: [
        1 + 0.8 * (i % 10) / 10 + 0.02 * rng.gauss(0, 1) for i in range(n)
    ],
    "negative reward": lambda rng, n: [
        -200 + 150 * (1 - math.exp(-4 * i / n)) + 6 * rng.gauss(0, 1) for i in range(n)
    ],
    "three digits": lambda rng, n: [
        round(0.9 * math.exp(-2 * i / n) * (1 + 0.03 * rng.gauss(0, 1)), 3) for i in range(n)
    ],
}
"""Curves that never reach 0."""
