"""How curves are drawn, as it was typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.queries.ask.best import Direction
from clearml_snapshot.queries.figures.model import Kind, Theme

COLUMNS: Final = 1200
"""Pixel columns of a picture that has no size of its own."""


@dataclass(frozen=True)
class Look:
    """How curves are drawn."""

    color: str = "task"
    """task, project, user, tag, or a hyperparameter."""
    log_x: bool = False
    log_y: bool = False
    clips: bool = True
    """Whether a few points far from all others are left outside the axis."""
    title: str | None = None
    size: tuple[int, int] | None = None
    theme: Theme = "light"
    columns: int = COLUMNS
    """Pixel columns: points are thinned to what they can show."""
    top: int | None = None
    """The number of runs with the best values; None means all."""
    best: Direction | None = None
    """Which values are better; None: guessed from the name, if it says so."""
    kind: Kind = "curve"
    """What is drawn: curves, or the best values of tasks."""
    param: str | Sequence[str] | None = None
    """The hyperparameters of parallel coordinates; None means those that differ."""
