"""Numbers with their things, as a person writes them."""

from typing import Final

_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def counted(number: int, thing: str) -> str:
    """Write a number and what it counts: ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Write a number of bytes: ``1.7 MB``."""
    unit, name = next(((unit, name) for unit, name in _SIZES if number >= unit), _SIZES[-1])
    return f"{number / unit:,.1f} {name}"
