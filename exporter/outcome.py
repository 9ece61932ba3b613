"""What becomes of a task that was read, against what is stored of it. Pure, no I/O."""

from typing import Literal

from clearml_snapshot.exporter.fetch import FetchedTask
from clearml_snapshot.exporter.plan import KnownTask, is_rerun

Outcome = Literal["replace", "merge", "refresh", "leave"]
"""It takes the place of what is stored; what is stored and the server lacks stays with it; only the
metadata is new; all stays as it was."""


def outcome(one: FetchedTask, *, accept_loss: bool) -> Outcome:
    """Decide: nothing is lost here because the server lost it, or because a reading failed.

    Args:
        one: the task as it was read.
        accept_loss: take the server's word where it has less than is stored.
    """
    stored = one.planned.known
    if one.state == "kept":
        return "refresh" if one.reason is None else "leave"
    if stored is None:
        return "replace"
    if one.state != "complete":
        return "leave" if _is_worth_more(stored, one) else "replace"
    has_shrunk = one.read.stored < stored.points_stored
    is_other_run = one.read.stored > 0 and is_rerun(one.planned.task, stored)
    return "merge" if has_shrunk and not (is_other_run or accept_loss) else "replace"


def _is_worth_more(stored: KnownTask, one: FetchedTask) -> bool:
    """Whether what is stored of a task should stay in place of what came of it this time."""
    if stored.points_stored != one.read.stored:
        return stored.points_stored > one.read.stored
    lacks_details = one.state == "failed" or one.details.missing is not None
    return stored.state in ("complete", "shrunk", "gone") and lacks_details
