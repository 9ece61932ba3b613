"""Describes tasks in an error, so that a person can tell apart those with the same name."""

from collections.abc import Sequence
from typing import Final, NamedTuple

LISTED: Final = 5
"""Tasks that an error lists; an ellipsis stands for the others."""


class DescribedTask(NamedTuple):
    """A task as an error describes it."""

    task_id: str
    day: str | None = None
    """On which it was created."""
    user: str | None = None
    project: str | None = None

    def __str__(self) -> str:
        known = ", ".join(part for part in (self.day, self.user, self.project) if part)
        return f"{self.task_id} ({known})" if known else self.task_id


def several_tasks(text: str, tasks: Sequence[DescribedTask]) -> str:
    """Say that a text matches several tasks, and list the first of them."""
    listed = ", ".join(map(str, tasks[:LISTED])) + " …" * (len(tasks) > LISTED)
    return f"task {text!r} matches {len(tasks):,} tasks: {listed}"
