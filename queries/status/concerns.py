"""Finds the problems that ``status --check`` reports."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.spans import Age, moment_in_utc
from clearml_snapshot.exporter.store.format.states import MISSING
from clearml_snapshot.queries.status.status import Status

_HOUR: Final = 3_600.0

_SINCE: Final = {
    "running": "has not ended: it is running, or it was killed",
    "partial": "did not read everything (result partial)",
    "ceiling": "stopped at a limit",
    "interrupted": "was interrupted",
    "server lost": "lost the server",
    "disk full": "found the disk full",
    "failed": "failed",
}
"""How the result of an export is described."""


def concerns(status: Status, max_age: Age | None = None) -> Iterator[str]:
    """Describe what is wrong with a snapshot, one sentence per problem.

    Args:
        status: its status.
        max_age: how old its contents may be; None means no limit.
    """
    last = status.last_export
    if last is not None and last.result != "complete":
        why = f": {last.error}" if last.error else ""
        yield f"the newest export {_SINCE.get(last.result, f'ended as {last.result}')}{why}"
    for state in MISSING:
        if status.states.get(state):
            yield f"tasks that are {state}: {status.states[state]:,}"
    yield from status.warnings
    if max_age is not None:
        now = datetime.now(UTC)
        made, cut_off = now - timedelta(seconds=status.age), max_age.before(now)
        if made < cut_off:
            hours = status.age / _HOUR
            yield (
                f"the snapshot is {hours:,.1f} hours old, from before {moment_in_utc(cut_off)} "
                f"({setting('max_age', str(max_age))})"
            )
