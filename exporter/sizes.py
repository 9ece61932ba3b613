"""Formats numbers of bytes, and parses those of DuckDB. No I/O."""

import re
from typing import Final

_SIZE: Final = re.compile(r"([\d.]+) ([KMGTP]?i?)B?(?:ytes?)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size_in_words(count: int) -> str:
    """Format a number of bytes: 4.5 MB."""
    if count < 1000:
        return f"{count} bytes"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95 or unit == "TB":
            break
    return f"{size:.1f} {unit}"


def size_in_bytes(text: str) -> int:
    """Parse a size in the format of DuckDB's settings, such as ``953.6 MiB``.

    Raises:
        ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    unit = match[2].upper()
    return int(float(match[1]) * (1024 if unit.endswith("I") else 1000) ** _POWERS[unit[:1]])
