"""The messages of a query that reached one of its limits."""

from clearml_snapshot.exporter.settings import setting


def more_memory() -> str:
    """Describe what to do when the memory is not enough."""
    return f"query less data, or allow more memory with {setting('memory_limit')}"


def time_is_up(seconds: float) -> str:
    """Describe that a query took longer than its ``seconds``."""
    return f"the query took longer than {seconds:g} s; query less data, or allow more time"
