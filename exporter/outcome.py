"""What becomes of a task that was read, against what is stored of it. Pure, no I/O."""

from collections.abc import Callable, Mapping
from typing import Literal

from clearml_snapshot.exporter.claims import MOST_SERIES, Claims
from clearml_snapshot.exporter.fetch import FetchedTask
from clearml_snapshot.exporter.plan import KnownTask
from clearml_snapshot.exporter.store.shapes import Name, Shape

Outcome = Literal["replace", "merge", "refresh", "hold", "leave"]
"""``replace``: it takes the place of what is stored. ``merge``: what is stored and the server lacks
stays with it. ``refresh``: the stored points are the server's. ``hold``: they stay, although the
server has others or none. ``leave``: all stays as it was, the metadata too."""


def outcome(
    one: FetchedTask,
    stored_series: Callable[[], Mapping[Name, Shape]],
    read_series: Callable[[], Mapping[Name, Shape]],
    *,
    accept_loss: bool,
) -> Outcome:
    """Decide: nothing is lost here because the server lost it, or because a reading failed.

    Args:
        one: the task as it was read.
        stored_series: gives what is stored of it; asked only where it matters.
        read_series: gives what was read of it; likewise.
        accept_loss: take the server's word where it has less than is stored.
    """
    stored = one.planned.known
    if one.state == "kept":
        return "refresh" if one.reason is None else "leave"
    if stored is None:
        return "replace"
    if one.state != "complete" and _is_worth_more(stored, one):
        return "leave" if one.details.missing else "hold"
    if one.state != "complete" or accept_loss or not stored.points_stored:
        return "replace"
    if not one.read.stored:
        return "hold"
    before = stored_series()
    if is_other_run(one, stored, before):
        return "replace"
    is_less = stored.state == "shrunk" or _lacks(read_series(), before)
    return "merge" if is_less else "replace"


def is_other_run(one: FetchedTask, stored: KnownTask, stored_series: Mapping[Name, Shape]) -> bool:
    """Whether a task was run again from the beginning: its stored points are another run's.

    A reset takes away when a task was started, and what the server sums up of its series; a task
    that is continued is started anew, too, but its sums go on. No clock is asked: the server's and
    ours need not agree.
    """
    started = one.planned.task.started
    if started is not None and started == stored.started:
        return False
    claims = _series_claims(one.details.claims)
    known = {name: shape for name, shape in stored_series.items() if shape.server_count is not None}
    if not known or one.details.claims.is_ambiguous or len(claims) >= MOST_SERIES:
        return started != stored.started
    return any(not _goes_on(claims.get(name), shape) for name, shape in known.items())


def _goes_on(claim: Mapping[str, float | None] | None, before: Shape) -> bool:
    """Whether the sums of a series can have come from earlier ones by more reports."""
    if claim is None or claim["server_count"] is None:
        return False
    assert before.server_count is not None
    lowest, highest = claim["server_min"], claim["server_max"]
    return (
        claim["server_count"] >= before.server_count
        and (before.server_min is None or (lowest is not None and lowest <= before.server_min))
        and (before.server_max is None or (highest is not None and highest >= before.server_max))
    )


def _series_claims(claims: Claims) -> dict[Name, Mapping[str, float | None]]:
    return {(row["metric"], row["variant"]): row for row in claims.rows}


def _lacks(read: Mapping[Name, Shape], stored: Mapping[Name, Shape]) -> bool:
    return any(name not in read or read[name].lacks(shape) for name, shape in stored.items())


def _is_worth_more(stored: KnownTask, one: FetchedTask) -> bool:
    """Whether what is stored of a task should stay in place of what came of it this time."""
    if stored.points_stored != one.read.stored:
        return stored.points_stored > one.read.stored
    lacks_details = one.state == "failed" or one.details.missing is not None
    return stored.state in ("complete", "shrunk", "lost", "gone") and lacks_details
