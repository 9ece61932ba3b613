"""Keeps one copy of texts that many rows repeat: states, projects, users."""

import sys


def shared(text: str | None) -> str | None:
    """Return the one copy of a text; it is kept as long as the process lives."""
    return None if text is None else sys.intern(text)
