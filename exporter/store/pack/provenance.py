"""Records which part of a snapshot a pack contains and what was redacted."""

from dataclasses import dataclass, replace
from typing import Final

from clearml_snapshot.exporter.store.snapshots import Snapshot, read_header

_LISTED: Final = 50
"""Lines of redactions that are shown; ``pack`` writes a few, others may write many."""


@dataclass(frozen=True, slots=True)
class PackProvenance:
    """What ``pack`` selected and redacted, as its options name it."""

    selection: str = ""
    """Empty: every task."""
    metrics: str = ""
    """Empty: every metric."""
    taken_out: tuple[str, ...] = ()
    """One line each; it begins with the category."""
    report: bool = False
    """Whether it has a ``report.html``."""

    def in_full(self) -> "PackProvenance":
        """Return the same with explicit texts instead of empty ones, for people."""
        return replace(self, selection=self.selection or "all tasks", metrics=self.metrics or "all")


def provenance(snapshot: Snapshot) -> PackProvenance | None:
    """Read what was selected and redacted, in texts of unknown origin; None if it is not a pack.

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
        report=packed.get("report") is True,
    )
