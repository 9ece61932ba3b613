"""Decides which snapshots of a source go to a target, and refuses another dataset's."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from clearml_snapshot.exporter.errors import UsageError


class Numbered(Protocol):
    """A snapshot of either side."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def content_id(self) -> str:
        """Its content id."""


N = TypeVar("N", bound=Numbered)

ExportIds = Callable[[], frozenset[str]]
"""Reads the ids of the exports that made the current snapshot of one side."""


def to_add(
    source: Sequence[N],
    target: Sequence[Numbered],
    places: tuple[str, str],
    exports: tuple[ExportIds, ExportIds],
) -> list[N]:
    """Choose the snapshots that are newer than all of the target.

    Args:
        source: its snapshots, oldest first.
        target: those of the target, oldest first; none for a new one.
        places: the names of both, for errors.
        exports: of both, the exports behind the current snapshot.

    Raises:
        UsageError: the target has another dataset, which the source does not continue.
    """
    if not target:
        return [*source]
    theirs = {snapshot.number: snapshot.content_id for snapshot in target}
    common = [snapshot for snapshot in source if snapshot.number in theirs]
    other = [s.number for s in common if theirs[s.number] != s.content_id]
    if other:
        raise UsageError(
            f"{places[1]} has another snapshot {other[-1]} than {places[0]}: it is not a copy of "
            "the same dataset; choose a new place"
        )
    newer = [snapshot for snapshot in source if snapshot.number > target[-1].number]
    currents = {source[-1].number, target[-1].number}
    is_known = any(snapshot.number in currents for snapshot in common)
    if not is_known and not _continues(exports, is_newer=bool(newer)):
        raise UsageError(
            f"{places[1]} has a dataset that does not belong to {places[0]}: its exports are "
            "others; choose a new place"
        )
    return newer


def _continues(exports: tuple[ExportIds, ExportIds], *, is_newer: bool) -> bool:
    """Return whether the newer side was made by all exports of the older one, and more."""
    ours, theirs = (read() for read in exports)
    return theirs <= ours if is_newer else ours <= theirs


def to_keep(
    snapshots: Sequence[N], most: int | None, is_checkpoint: Callable[[N], bool]
) -> list[N]:
    """Choose the snapshots that stay: the newest ones, and no checkpoint but the last of all.

    Args:
        snapshots: oldest first.
        most: how many; None means all.
        is_checkpoint: whether a snapshot is one.
    """
    *earlier, last = snapshots
    kept = [snapshot for snapshot in earlier if not is_checkpoint(snapshot)]
    return [*(kept if most is None else kept[max(0, len(kept) - most + 1) :]), last]
