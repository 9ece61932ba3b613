"""What a pack says of itself: which part it is, and what was taken out."""

from dataclasses import dataclass, replace
from typing import Final

from clearml_snapshot.exporter.store.snapshots import Snapshot, read_header

_LISTED: Final = 50
"""Lines of what was taken out; ``pack`` writes a few, a stranger may write many."""


@dataclass(frozen=True, slots=True)
class PackProvenance:
    """What ``pack`` chose and took out, in the words of its options."""

    selection: str = ""
    """Empty: every task."""
    metrics: str = ""
    """Empty: every metric."""
    taken_out: tuple[str, ...] = ()
    """A line each; it begins with the category."""

    def in_full(self) -> "PackProvenance":
        """Say everything in words, for people."""
        return replace(self, selection=self.selection or "all tasks", metrics=self.metrics or "all")


def provenance(snapshot: Snapshot) -> PackProvenance | None:
    """Read what was chosen and taken out, which may be somebody else's words; None: no pack.

    Raises:
        DatasetError: ``snapshot.json`` cannot be read.
    """
    packed = read_header(snapshot.root).get("packed")
    if not isinstance(packed, dict):
        return None
    taken_out = packed.get("taken_out")
    lines = taken_out[:_LISTED] if isinstance(taken_out, list) else ()
    return PackProvenance(
        selection=str(packed.get("selection") or ""),
        metrics=str(packed.get("metrics") or ""),
        taken_out=tuple(str(line) for line in lines),
    )
