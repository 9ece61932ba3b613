"""More curves. The rule of suspect zeros was chosen with a look at them, as with ``curves``."""

import math
import random
from collections.abc import Mapping
from typing import Final

from tests.support.curves import Shape


def _share(rng: random.Random, n: int, share: float) -> int:
    return sum(rng.random() < share for _ in range(n))


def _missed_class(rng: random.Random, n: int) -> list[float]:
    """Accuracy of a class of 50 that the network does not predict at all now and then."""
    return [
        0.0 if rng.random() < 0.03 else _share(rng, 50, 0.9 - 0.5 * math.exp(-4 * i / n)) / 50
        for i in range(n)
    ]


def _growing_restarts(rng: random.Random, n: int) -> list[float]:
    """A learning rate that falls to 0 in a straight line, each time over twice as many steps."""
    rates: list[float] = []
    length = rng.choice((5, 8, 10))
    while len(rates) < n:
        rates += [3e-4 * (1 - i / length) for i in range(length + 1)]
        length *= 2
    return rates[:n]


def _cyclic_annealing(rng: random.Random, n: int) -> list[float]:
    """The weight of a KL term: from 0 to 1 in the first half of each cycle, then 1."""
    cycle = rng.choice((10, 25, 40))
    return [min(1.0, 2 * (i % cycle) / cycle) for i in range(n)]


TRUE_ZEROS: Final[Mapping[str, Shape]] = {
    "accuracy of ten samples": lambda rng, n: [
        _share(rng, 10, 0.3 + 0.4 * i / n) / 10 for i in range(n)
    ],
    "missed class": _missed_class,
    "recall of few": lambda rng, n: [
        _share(rng, m := rng.randint(2, 9), 0.55) / m for _ in range(n)
    ],
    "sparse gradient": lambda rng, n: [
        0.0 if rng.random() < 0.2 else rng.lognormvariate(-3, 0.5) for _ in range(n)
    ],
    "counter": lambda rng, n: [
        0.0 if rng.random() < 0.02 else float(rng.randint(900, 1100)) for _ in range(n)
    ],
    "percentage of 40": lambda rng, n: [2.5 * _share(rng, 40, 0.06) for _ in range(n)],
    "clipped surrogate": lambda rng, n: [
        max(0.0, abs(rng.gauss(0, 0.1)) * math.exp(-3 * i / n) - 0.02) for i in range(n)
    ],
    "triplet loss": lambda rng, n: [
        max(0.0, 0.3 - 0.5 * i / n + 0.05 * rng.gauss(0, 1)) for i in range(n)
    ],
    "noisy hinge, steep": lambda rng, n: [
        max(0.0, 2 - 4 * i / n + 0.1 * rng.gauss(0, 1)) for i in range(n)
    ],
    "noisy hinge, flat": lambda rng, n: [
        max(0.0, 0.5 - 0.55 * i / n + 0.01 * rng.gauss(0, 1)) for i in range(n)
    ],
    "noisy decay, clipped": lambda rng, n: [
        max(0.0, 1.2 * math.exp(-5 * i / n) - 0.05 + 0.01 * rng.gauss(0, 1)) for i in range(n)
    ],
    "cyclic annealing": _cyclic_annealing,
    "annealing from 0": lambda rng, n: [max(0.0, min(1.0, 3 * i / n - 0.5)) for i in range(n)],
    "growing restarts": _growing_restarts,
    "reward with one digit": lambda rng, n: [
        round(-3 + 8 * i / n + rng.gauss(0, 1), 1) for i in range(n)
    ],
    "reward of episodes": lambda rng, n: [
        float(_share(rng, 20, 0.2 + 0.6 * i / n)) - 6 for i in range(n)
    ],
    "teacher forcing switched off": lambda rng, n: [
        0.9 if i < n // 2 else 0.5 if i < 3 * n // 4 else 0.0 for i in range(n)
    ],
    "float32 cross entropy": lambda rng, n: [
        round(math.exp(-30 * i / n + 0.3 * rng.gauss(0, 1)) * 2**23) / 2**23 for i in range(n)
    ],
    "utilisation": lambda rng, n: [
        0.0 if i % 30 == 29 else float(min(100, 93 + round(rng.gauss(0, 4)))) for i in range(n)
    ],
}
"""Curves whose zeros are values. ``missed class`` has no property that NaN would not have too."""

LOSSES: Final[Mapping[str, Shape]] = {
    "perplexity": lambda rng, n: [
        math.exp(2 + 3 * math.exp(-6 * i / n) + 0.05 * rng.gauss(0, 1)) for i in range(n)
    ],
    "power law": lambda rng, n: [
        4 * (i + 1) ** -0.3 * (1 + 0.04 * rng.gauss(0, 1)) for i in range(n)
    ],
    "overlap": lambda rng, n: [
        0.8 * math.sqrt((i + 1) / n) + 0.02 * rng.random() for i in range(n)
    ],
    "double descent": lambda rng, n: [
        0.5 + math.exp(-8 * i / n) + 0.4 * math.exp(-(((i - n / 2) / (n / 10)) ** 2))
        for i in range(n)
    ],
    "gradient norm": lambda rng, n: [rng.lognormvariate(0, 0.15) for _ in range(n)],
    "evidence bound": lambda rng, n: [
        -90 - 300 * math.exp(-5 * i / n) + 2 * rng.gauss(0, 1) for i in range(n)
    ],
    "loss with two digits": lambda rng, n: [
        round(1.5 + 2 * math.exp(-5 * i / n) + 0.05 * rng.gauss(0, 1), 2) for i in range(n)
    ],
    "sinking with noise": lambda rng, n: [
        math.exp(-4 * i / n) * (1 + 0.06 * rng.gauss(0, 1)) for i in range(n)
    ],
    "reward that grows": lambda rng, n: [100 + 150 * i / n + 8 * rng.gauss(0, 1) for i in range(n)],
}
"""Curves that never reach 0."""
