"""Formats counts with their unit ("2,000 tasks")."""


def counted(number: int, unit: str) -> str:
    """Write a number with its unit: ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
