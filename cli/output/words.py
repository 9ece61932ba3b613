"""Numbers with their things, as a person writes them."""


def counted(number: int, thing: str) -> str:
    """Write a number and what it counts: ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
