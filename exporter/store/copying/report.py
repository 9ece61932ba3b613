"""What a copy did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied, and what the target has now."""

    source: str
    target: str
    number: int
    """Of the snapshot that is current in the target."""
    content_id: str
    """Of that snapshot."""
    snapshots: int
    """How many the target has."""
    added: tuple[int, ...]
    """Numbers of the snapshots that were copied."""
    removed: tuple[int, ...]
    """Numbers of the snapshots that the target no longer has."""
    files: int
    """Data files that were transferred."""
    bytes: int
    """Their bytes."""
    present: int
    """Data files that were there already."""
    unproven: tuple[str, ...] = ()
    """Texts that could not be compared with the tables, one sentence each."""
