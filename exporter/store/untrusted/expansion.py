"""Limits how far compressed bytes of unknown origin may expand."""

from typing import Final

_MOST_RATIO: Final = 200
"""Millions of zeros are plausible values; gigabytes of them are not."""


def most_expanded(packed: int, always_allowed: int) -> int:
    """Return how many bytes ``packed`` ones may expand to.

    Args:
        packed: the compressed size in bytes.
        always_allowed: bytes that are harmless, however far they were compressed.
    """
    return max(always_allowed, _MOST_RATIO * packed)
