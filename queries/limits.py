"""The message of a query that reached its time limit."""


def time_is_up(seconds: float) -> str:
    """Describe that a query took longer than its ``seconds``."""
    return f"the query took longer than {seconds:g} s; query less data, or allow more time"
