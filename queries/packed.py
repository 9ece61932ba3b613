"""What a pack says of itself: which part it is, and what was taken out."""

from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.store.snapshots import Snapshot, read_header

_LISTED: Final = 50
"""Lines of what was taken out; ``pack`` writes a few, a stranger may write many."""


@dataclass(frozen=True, slots=True)
class PackWords:
    """What ``pack`` chose and took out, in the words of its options."""

    selection: str
    metrics: str
    taken_out: tuple[str, ...]


def pack_words(snapshot: Snapshot) -> PackWords | None:
    """Read what was chosen and taken out; None: this is no pack.

    Raises:
        DatasetError: ``snapshot.json`` cannot be read.
    """
    packed = read_header(snapshot.root).get("packed")
    if not isinstance(packed, dict):
        return None
    taken_out = packed.get("taken_out")
    lines = taken_out[:_LISTED] if isinstance(taken_out, list) else ()
    return PackWords(
        selection=str(packed.get("selection") or "all tasks"),
        metrics=str(packed.get("metrics") or "all"),
        taken_out=tuple(str(line) for line in lines),
    )
