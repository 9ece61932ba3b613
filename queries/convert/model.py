"""What a copy is made of, and what a writer of one can do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Viewer = Literal["tensorboard", "trackio"]
Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CopyOptions:
    """Which series of the selected tasks are copied; without any, all but ``:monitor:``."""

    metrics: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopiedTask:
    """A task with values to copy."""

    task_id: str
    name: str | None
    project: str
    """Empty: in no project."""
    status: str | None
    web_url: str | None
    created: int | None
    """In milliseconds."""
    n_values: int
    n_null: int
    n_nonfinite: int
    n_long: int
    """Curves with more points than TensorBoard draws."""
    n_longest: int
    """Points of the longest of its curves."""

    def facts(self) -> Iterator[tuple[str, str]]:
        """Return what identifies it: names and texts."""
        facts = {
            "task": self.name,
            "task_id": self.task_id,
            "project": self.project,
            "status": self.status,
            "web_url": self.web_url,
        }
        return ((name, text) for name, text in facts.items() if text)


@dataclass(frozen=True)
class Points:
    """Some points of one task, in the order that its writer asked for."""

    curve: Integers
    """Numbers of the names of curves."""
    step: Integers
    time: Floats
    """Milliseconds; NaN if not known."""
    value: Floats

    def __getitem__(self, part: slice) -> "Points":
        return Points(self.curve[part], self.step[part], self.time[part], self.value[part])

    def __len__(self) -> int:
        return len(self.curve)


class Writer(Protocol):
    """Writes the files of a program that draws curves."""

    @property
    def by_step(self) -> bool:
        """Whether the points of a task come by iteration; otherwise, one curve after the other."""

    @property
    def reserved(self) -> tuple[str, ...]:
        """Names that no curve may have."""

    def prepare(self, tasks: list[CopiedTask], curves: list[str]) -> None:
        """Receive all tasks, and the names of curves by their numbers."""

    def begin(self, place: int, params: Mapping[str, str]) -> None:
        """Begin a task, by its place in the list."""

    def add(self, points: Points) -> None:
        """Write points of the task that began last."""

    def end(self) -> None:
        """End the task."""

    def close(self) -> None:
        """Close every file."""

    def notes(self) -> Iterator[str]:
        """Say what did not survive."""


@dataclass
class Copied:
    """A finished copy."""

    n_tasks: int
    n_points: int
    notes: list[str] = field(default_factory=list)
    """What is not in it, or differs."""
