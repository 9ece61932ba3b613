"""The message of a query that reached its time limit, and sizes as DuckDB writes them."""

import re
from typing import Final

_SIZE: Final = re.compile(r"([\d.]+) ([KMGTP]?i?)B?(?:ytes?)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def time_is_up(seconds: float) -> str:
    """Say that a query took longer than its ``seconds``."""
    return f"the query took longer than {seconds:g} s; ask for less, or give it more time"


def size_in_bytes(text: str) -> int:
    """Read a size as DuckDB's settings give it, such as ``953.6 MiB``.

    Raises:
        ValueError: it is not one.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size")
    unit = found[2].upper()
    return int(float(found[1]) * (1024 if unit.endswith("I") else 1000) ** _POWERS[unit[:1]])
