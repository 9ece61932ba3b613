"""Formats which tasks are safe to delete, and why others are not, for the terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.cli.output.words import counted

if TYPE_CHECKING:
    from clearml_snapshot.exporter.deletable.find import CountedAgain, Reason

_DESCRIPTIONS: Final[dict["Reason", str]] = {
    "another server's": "from another server",
    "metric filter": "exported with a metric filter",
    "not complete": "not complete here (partial, failed, gone, shrunk, lost, unread)",
    "values differ": "with values that differ from what was sent (points_bad)",
    "gone": "gone from the server",
    "running": "not ended",
    "too young": "updated within --older-than",
    "changed": "changed since they were read: export first",
    "count differs": "with a different number of points on the server",
    "points differ": "with points that differ from those stored: export --reread",
    "not counted": "that the server could not count",
    "summary differs": "whose summary on the server contradicts what is stored: export --recount",
}


def facts(
    result: "CountedAgain", *, reread: bool, older_than: datetime | None, recorded: bool
) -> dict[str, Any]:
    """Return the list and the reasons as JSON types."""
    return {
        "task_ids": result.task_ids,
        "not_listed": result.left_out,
        "without_summary": result.without_summary,
        "reread": reread,
        "older_than": None if older_than is None else older_than.astimezone(UTC).isoformat(),
        "recorded": recorded,
        "notes": [*summary(result), *proof(result, reread)],
    }


def summary(result: "CountedAgain") -> Iterator[str]:
    """Report how many tasks are listed, why others are not, and what is not stored at all."""
    counts = [(result.count(reason), text) for reason, text in _DESCRIPTIONS.items()]
    others = "; ".join(f"{count:,} {text}" for count, text in counts if count)
    yield f"tasks listed: {len(result.task_ids):,}" + (f"; not listed: {others}" if others else "")
    yield (
        "scalars only: console logs, plots, debug samples, artifacts and models are not stored "
        "here, and are lost when a task is deleted"
    )


def proof(result: "CountedAgain", reread: bool) -> Iterator[str]:
    """Describe which check a listed task has passed."""
    if not result.task_ids:
        return
    if reread:
        yield "proof: every point was read again just now and equals the stored one"
    else:
        yield (
            "proof: the server's number of points, and its own summary of each series (number of "
            "reports, lowest and highest value); only --reread detects an overwritten point that "
            "changes neither"
        )
    if result.without_summary and not reread:
        tasks = counted(result.without_summary, "task")
        yield f"the server has no summary of {tasks}: its number of points is the only proof"
