"""The messages of a query that reached one of its limits."""

from typing import Final

MORE_MEMORY: Final = "query less data, or allow more memory with --memory-limit"
"""What to do when the memory is not enough."""


def time_is_up(seconds: float) -> str:
    """Describe that a query took longer than its ``seconds``."""
    return f"the query took longer than {seconds:g} s; query less data, or allow more time"
