"""The notes about values that are probably NaN, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearml_snapshot.exporter.settings import setting


@dataclass(frozen=True)
class SuspectZero:
    """A winner of exactly 0 among values far from 0; ``views.sql`` defines how far."""

    row: Mapping[str, Any]
    """The winner's row."""
    without: Mapping[str, Any] | None
    """The best row without suspect zeros; None: nothing is left."""

    def __str__(self) -> str:
        row = self.row
        instead = self.without["value"] if self.without else None
        other = "no other value" if instead is None else f"{instead!r}"
        return (
            f"{row['metric']}/{row['variant']}: the {row['value'] or 0.0!r} of task "
            f"{row['task_id'][:8]} at iteration {row['iteration']} is probably a NaN "
            f"({logged(row['value'])}); without such zeros: {other} "
            f"({_without_them()})"
        )


@dataclass(frozen=True)
class SuspectCount:
    """The number of suspect zeros of a metric and variant that an answer includes or excludes."""

    metric: str
    variant: str
    n_values: int
    n_tasks: int
    excluded: bool
    """Whether the answer excludes them."""
    marks: tuple[float, ...]
    """The values that replace NaN."""

    def __str__(self) -> str:
        values = f"{self.n_values:,} value" + ("s" if self.n_values > 1 else "")
        tasks = f"{self.n_tasks:,} task" + ("s" if self.n_tasks > 1 else "")
        be = "are" if self.n_values > 1 else "is"
        line = f"{self.metric}/{self.variant}: {values} of {tasks} {be} probably NaN "
        line += f"({logged(*self.marks)}) and "
        if self.excluded:
            return line + "left out"
        return line + f"{'take' if self.n_values > 1 else 'takes'} part ({_without_them()})"


@dataclass(frozen=True)
class Unexamined:
    """Series with a 0 that have too many points to be examined for a note."""

    n_series: int
    n_points: int

    def __str__(self) -> str:
        return (
            f"{self.n_series:,} series contain a value that may be a NaN; their "
            f"{self.n_points:,} points were not examined for it (query health with "
            f"{setting('kind', 'zero')} does)"
        )


Note = SuspectZero | SuspectCount | Unexamined


def _without_them() -> str:
    """Name the setting that leaves them out."""
    return setting("suspect_zeros", "exclude")


def logged(*marks: float) -> str:
    """Describe the value that NaN was logged as."""
    if not any(marks):
        return "the SDK logs NaN as 0"
    return "NaN was logged as " + " or ".join(f"{mark:g}" for mark in marks)
