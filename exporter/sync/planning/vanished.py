"""Judges stored tasks that the server no longer has: deleted on purpose, or suspicious. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.selection.selection import complete_ids
from clearml_snapshot.exporter.sync.planning.plan import KnownTask

EVERY_TASK: Final = "all"
"""Accepted instead of ids: every vanished task was deleted on purpose."""
_MOST: Final = 20
_MOST_SHARE: Final = 0.1
"""If more than both vanish at once, it is not a clean-up: another server, or lost permissions."""


@dataclass(frozen=True)
class Vanished:
    """The verdict on tasks that have vanished."""

    gone: tuple[str, ...]
    """Ids of the tasks to mark as gone."""
    expected: frozenset[str]
    """Those of them that were listed as safe to delete, or that are accepted as gone."""
    unexplained: int
    """Other tasks, too many at once to be marked."""


def accepted_tasks(texts: Iterable[str], stored: Iterable[str]) -> frozenset[str]:
    """Read which tasks may be gone: complete ids, and ``EVERY_TASK`` unchanged.

    Args:
        texts: ids of stored tasks, unique beginnings of them, or ``EVERY_TASK``.
        stored: ids of the stored tasks.

    Raises:
        NoSuchNameError, UsageError: a beginning that matches no stored task, or several.
    """
    chosen = [*texts]
    ids = complete_ids([text for text in chosen if text != EVERY_TASK], stored)
    return frozenset([*ids, *(text for text in chosen if text == EVERY_TASK)])


def judge(
    vanished: Sequence[str], stored_tasks: Mapping[str, KnownTask], accepted: Collection[str]
) -> Vanished:
    """Decide which tasks are gone.

    Args:
        vanished: ids of stored tasks that the server does not have.
        stored_tasks: the stored tasks, by id.
        accepted: ids of tasks that may be gone; ``EVERY_TASK`` among them accepts all.
    """
    expected = frozenset(
        task_id
        for task_id in vanished
        if EVERY_TASK in accepted
        or task_id in accepted
        or stored_tasks[task_id].safe_to_delete_at is not None
    )
    others = len(vanished) - len(expected)
    there = sum(task.state != "gone" for task in stored_tasks.values())
    if others > max(_MOST, _MOST_SHARE * there):
        gone = tuple(task_id for task_id in vanished if task_id in expected)
        return Vanished(gone, expected, others)
    return Vanished(tuple(vanished), expected, 0)
