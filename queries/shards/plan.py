"""Divides the series or the tasks of a query into parts of limited size; pure functions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Key = Literal["metric", "series"]
"""What a query computes independently: each metric and variant, or each series."""


class Pair(NamedTuple):
    """A metric and variant, and how much of it the tasks of a query have."""

    metric: str
    variant: str
    n_series: int
    size: int
    """Its points, or its series for a query that reads no points."""


@dataclass(frozen=True)
class Part:
    """Some complete metrics and variants, or a slice of the tasks of one."""

    pairs: tuple[tuple[str, str], ...]
    slice: int | None = None
    """Which slice of the only pair, from 0, in the order of the tasks' names and ids."""
    slices: int = 1


@dataclass(frozen=True)
class TaskRange:
    """Some complete tasks that follow one another in the order of their names and ids."""

    first: int
    """From 0."""
    last: int
    """This one included."""


AnyPart = Part | TaskRange


def plan(pairs: Iterable[Pair], key: Key, most: int) -> tuple[Part, ...]:
    """Divide the series into parts; the answers of the parts, in order, are the complete answer.

    Args:
        pairs: each metric and variant once, in the order of the answer.
        key: what may be divided between parts.
        most: the maximum size of a part. A part is larger only if a metric and variant, or one
            series for the key ``series``, is.
    """
    return tuple(_parts(pairs, key, most))


def _parts(pairs: Iterable[Pair], key: Key, most: int) -> Iterator[Part]:
    together: list[tuple[str, str]] = []
    total = 0
    for pair in pairs:
        slices = min(pair.n_series, -(-pair.size // most)) if key == "series" else 1
        if together and (slices > 1 or total + pair.size > most):
            yield Part(tuple(together))
            together, total = [], 0
        if slices > 1:
            chosen = ((pair.metric, pair.variant),)
            yield from (Part(chosen, number, slices) for number in range(slices))
        else:
            together.append((pair.metric, pair.variant))
            total += pair.size
    if together:
        yield Part(tuple(together))


def plan_tasks(sizes: Iterable[int], most: int) -> tuple[TaskRange, ...]:
    """Divide the tasks into parts; the answers of the parts, in order, are the complete answer.

    Args:
        sizes: the size of each task, in the order of the answer.
        most: the maximum size of a part. A part is larger only if it is a single task.
    """
    return tuple(_ranges(sizes, most))


def _ranges(sizes: Iterable[int], most: int) -> Iterator[TaskRange]:
    first, total, last = 0, 0, -1
    for last, size in enumerate(sizes):
        if last > first and total + size > most:
            yield TaskRange(first, last - 1)
            first, total = last, 0
        total += size
    if last >= first:
        yield TaskRange(first, last)
