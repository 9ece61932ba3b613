"""Curves with NaN logged as a mark, and curves that truly hold the mark: which zeros are suspect.

A mark is what the SDK sends for NaN: 0.0, or what the user set. All are drawn with seeds.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import duckdb

from clearml_snapshot.queries.ask.definitions import all_views

Shape = Callable[[random.Random, int], list[float]]


@dataclass(frozen=True, slots=True)
class Case:
    """One curve."""

    family: str
    values: Sequence[float]
    marked: frozenset[int]
    """Iterations at which a NaN was logged."""


def _noisy(rng: random.Random, level: float, share: float) -> float:
    return level * max(0.05, 1 + share * rng.gauss(0, 1))


def _steps(rng: random.Random, n: int) -> list[float]:
    return [_noisy(rng, 2.0 * 0.3 ** (3 * i // n), 0.02) for i in range(n)]


def _warm_up_and_cosine(rng: random.Random, n: int) -> list[float]:
    warm = max(2, n // 10)
    rising = [1e-3 * (i + 1) / warm for i in range(warm)]
    rest = n - warm
    return rising + [5e-4 * (1 + math.cos(math.pi * i / rest)) for i in range(rest)]


LOSSES: Final[Mapping[str, Shape]] = {
    "1/x": lambda rng, n: [6 / (i + 1) for i in range(n)],
    "1/x noisy": lambda rng, n: [_noisy(rng, 6 / (i + 1), 0.05) for i in range(n)],
    "1/sqrt(x)": lambda rng, n: [3 / math.sqrt(i + 1) for i in range(n)],
    "exponential": lambda rng, n: [2.5 * math.exp(-i / 20) for i in range(n)],
    "fast exponential": lambda rng, n: [1e-4 + 2.5 * 0.8**i for i in range(n)],
    "exponential to a floor": lambda rng, n: [
        _noisy(rng, 0.2 + 2.0 * math.exp(-8 * i / n), 0.05) for i in range(n)
    ],
    "linear": lambda rng, n: [2.0 - 1.5 * i / n for i in range(n)],
    "noisy plateau": lambda rng, n: [_noisy(rng, 0.7, 0.1) for _ in range(n)],
    "rising accuracy": lambda rng, n: [0.95 - 0.8 * math.exp(-6 * i / n) for i in range(n)],
    "noisy accuracy": lambda rng, n: [
        min(1.0, _noisy(rng, 0.9 - 0.6 * math.exp(-6 * i / n), 0.03)) for i in range(n)
    ],
    "steps": _steps,
    "U": lambda rng, n: [0.4 + 3.0 * (2 * i / n - 1) ** 2 for i in range(n)],
    "oscillating": lambda rng, n: [1.5 + math.sin(i / 5) for i in range(n)],
    "tiny": lambda rng, n: [1e-6 * math.exp(-5 * i / n) for i in range(n)],
    "rounded": lambda rng, n: [round(_noisy(rng, 0.4 + 2 / (i + 1), 0.03), 3) for i in range(n)],
    "log-likelihood": lambda rng, n: [-50 / (i + 1) - _noisy(rng, 3, 0.05) for i in range(n)],
    "growing": lambda rng, n: [0.5 * 1.05**i for i in range(n)],
    "steps by a tenth": lambda rng, n: [
        _noisy(rng, 0.1 ** (1 + 3 * i // n), 0.02) for i in range(n)
    ],
    "very noisy": lambda rng, n: [_noisy(rng, 2.0, 0.2) for _ in range(n)],
}
"""Curves that never reach 0: every 0 in them was NaN."""

PLAIN: Final = (
    "1/x",
    "1/sqrt(x)",
    "exponential",
    "linear",
    "noisy plateau",
    "rising accuracy",
    "oscillating",
    "growing",
)
"""Of these, families of which every NaN has to be found."""


def _sparse(rng: random.Random, n: int) -> list[float]:
    return [1.0 if rng.random() < 0.3 else 0.0 for _ in range(n)]


def _poisson(rng: random.Random, mean: float) -> float:
    gone, count = math.exp(-mean), 0
    product = rng.random()
    while product > gone:
        product *= rng.random()
        count += 1
    return float(count)


def _walk(rng: random.Random, n: int) -> list[float]:
    return list(accumulate((float(rng.choice((-1, 1))) for _ in range(n)), initial=4.0))[:n]


def _errors(rng: random.Random, n: int) -> list[float]:
    """An error rate on 200 samples that falls and stays at 0."""
    return [_binomial(rng, 200, 0.5 * math.exp(-10 * i / n)) / 200 for i in range(n)]


def _binomial(rng: random.Random, n: int, share: float) -> int:
    return sum(rng.random() < share for _ in range(n))


TRUE_ZEROS: Final[Mapping[str, Shape]] = {
    "cosine to 0": lambda rng, n: [*_warm_up_and_cosine(rng, n), 0.0],
    "cosine with restarts": lambda rng, n: [
        abs(round(0.5 + 0.5 * math.cos(math.pi * (i % 11) / 10), 12)) for i in range(n)
    ],
    "linear to 0": lambda rng, n: [1 - i / n for i in range(n)] + [0.0],
    "square root to 0": lambda rng, n: [math.sqrt(1 - i / n) for i in range(n)] + [0.0],
    "warm-up from 0": lambda rng, n: [min(1.0, 10 * i / n) for i in range(n)],
    "sparse reward": _sparse,
    "rare reward": lambda rng, n: [float(rng.random() < 0.05) for _ in range(n)],
    "counts": lambda rng, n: [_poisson(rng, 3) for _ in range(n)],
    "larger counts": lambda rng, n: [_poisson(rng, 5) for _ in range(n)],
    "mistakes": lambda rng, n: [float(round(60 * math.exp(-12 * i / n))) for i in range(n)],
    "a walk": _walk,
    "error rate to 0": _errors,
    "error rate halved": lambda rng, n: [*(0.5**i for i in range(1, 6)), *[0.0] * n],
    "one reward": lambda rng, n: [float(i == n // 3) for i in range(n)],
    "hinge to 0": lambda rng, n: [max(0.0, 1 - 1.5 * i / n) for i in range(n)],
    "noisy hinge to 0": lambda rng, n: [
        max(0.0, 1 - 1.5 * i / n + 0.02 * rng.gauss(0, 1)) for i in range(n)
    ],
    "clipped noise": lambda rng, n: [max(0.0, rng.gauss(0.5, 0.3)) for _ in range(n)],
    "clipped low noise": lambda rng, n: [max(0.0, rng.gauss(0.1, 0.1)) for _ in range(n)],
    "accuracy from 0": lambda rng, n: [0.0] * (n // 8) + [i / n for i in range(n - n // 8)],
    "accuracy of nothing": lambda rng, n: [0.0] * n,
    "rounded decay": lambda rng, n: [round(2 * 0.9**i, 4) for i in range(n)],
    "rounded slow decay": lambda rng, n: [round(2 * 0.97**i, 2) for i in range(n)],
    "rounded noise": lambda rng, n: [round(abs(rng.gauss(0, 0.02)), 2) for _ in range(n)],
    "underflow": lambda rng, n: [2.0 * 1e-8**i for i in range(n + 60)],
    "slow underflow": lambda rng, n: [x if (x := 0.4**i) > 1e-38 else 0.0 for i in range(n + 70)],
    "wave at 0": lambda rng, n: [round(1 + math.cos(math.pi * i / 10), 12) for i in range(n)],
    "difference": lambda rng, n: [round(math.sin(math.pi * i / 10), 12) for i in range(n)],
    "parabola at 0": lambda rng, n: [((i - n // 2) / n) ** 2 for i in range(n)],
    "collapse and recovery": lambda rng, n: [0.9] * (n // 2) + [i / n for i in range(n - n // 2)],
    "success rate": lambda rng, n: [
        sum(rng.random() < 0.3 for _ in range(8)) / 8 for _ in range(n)
    ],
    "noisier hinge to 0": lambda rng, n: [
        max(0.0, 1 - 1.2 * i / n + 0.06 * rng.gauss(0, 1)) for i in range(n)
    ],
    "quieter hinge to 0": lambda rng, n: [
        max(0.0, 1 - 2 * i / n + 0.005 * rng.gauss(0, 1)) for i in range(n)
    ],
    "clipped decay": lambda rng, n: [
        max(0.0, math.exp(-4 * i / n) - 0.06 + 0.015 * rng.gauss(0, 1)) for i in range(n)
    ],
    "learning rate in steps": lambda rng, n: [
        0.0 if i > 0.9 * n else 0.1 * 0.1 ** (3 * i // n) for i in range(n)
    ],
    "switched off": lambda rng, n: [0.3] * (4 * n // 5) + [0.0] * (n // 5),
    "share of a few": lambda rng, n: [
        _binomial(rng, m := rng.randint(3, 8), 0.6) / m for _ in range(n)
    ],
    "percentage of 30": lambda rng, n: [100 * _binomial(rng, 30, 0.1) / 30 for _ in range(n)],
    "integers": lambda rng, n: [
        0.0 if rng.random() < 0.03 else float(rng.randint(200, 300)) for _ in range(n)
    ],
}
"""Curves whose zeros are values."""


def _positions(rng: random.Random, n: int) -> Iterator[set[int]]:
    """Give where a NaN is: early, in the middle, late, some, and from one point to the end."""
    yield from ({at} for at in (3, 7, n // 2, n - 2))
    yield {*rng.sample(range(3, n), 2)}
    yield from ({*range(at, n)} for at in (7, n // 2, n - 2))


def with_nan(
    lengths: Sequence[int],
    seed: int = 1,
    mark: float = 0.0,
    families: Mapping[str, Shape] = LOSSES,
) -> Iterator[Case]:
    """Draw every family with NaN at several places, logged as the mark."""
    for name, shape in families.items():
        for n in lengths:
            for number, marked in enumerate(_positions(random.Random(f"{seed} {n}"), n)):
                values = shape(random.Random(f"{seed} {name} {n} {number}"), n)
                logged = [mark if at in marked else value for at, value in enumerate(values)]
                yield Case(name, logged, frozenset(marked))


def with_true_zeros(
    lengths: Sequence[int],
    seeds: Sequence[int] = (1,),
    families: Mapping[str, Shape] = TRUE_ZEROS,
) -> Iterator[Case]:
    """Draw every family."""
    for name, shape in families.items():
        for n in lengths:
            for seed in seeds:
                yield Case(name, shape(random.Random(f"{seed} {name} {n}"), n), frozenset())


def suspects(cases: Sequence[Case], query: str = "FROM suspect_zeros") -> dict[int, set[int]]:
    """Query the view for the suspect iterations of every case, by its place in the list."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE SCHEMA picked;
            CREATE TABLE picked.tasks (
                task_id VARCHAR, name VARCHAR, project_id VARCHAR, project VARCHAR, type VARCHAR,
                status VARCHAR, tags VARCHAR[], archived BOOLEAN, user_id VARCHAR, "user" VARCHAR,
                created TIMESTAMPTZ
            );
            CREATE TABLE picked.hyperparams (
                task_id VARCHAR, section VARCHAR, name VARCHAR, value VARCHAR, type VARCHAR
            );
            CREATE TABLE picked.exports (export_id VARCHAR);
            """
        )
        connection.execute(
            """
            CREATE TABLE picked.scalars AS
            SELECT
                place::VARCHAR AS task_id, 'm' AS metric, 'v' AS variant, NULL AS worker,
                unnest(range(len(curve))) AS iteration, unnest(curve) AS value,
                NULL::TIMESTAMPTZ AS timestamp, NULL::VARCHAR AS project_id
            FROM (
                SELECT unnest($1::DOUBLE[][]) AS curve, generate_subscripts($1, 1) - 1 AS place
            )
            """,
            [[list(case.values) for case in cases]],
        )
        connection.execute(
            """
            CREATE TABLE picked.series AS
            SELECT
                task_id, metric, variant, count(*) AS n, min(value) AS min, max(value) AS max,
                arg_max(value, iteration) AS last, arg_min(iteration, value) AS min_iteration,
                arg_max(iteration, value) AS max_iteration
            FROM picked.scalars
            GROUP BY ALL
            """
        )
        connection.execute(all_views())
        rows = connection.execute(f"SELECT task_id, iteration FROM ({query})").fetchall()
    iterations: dict[int, set[int]] = {}
    for task_id, iteration in rows:
        iterations.setdefault(int(task_id), set()).add(iteration)
    return iterations
