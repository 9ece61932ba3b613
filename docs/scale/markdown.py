"""Tables and figures as docs/scale.md shows them."""

from collections.abc import Iterable, Mapping, Sequence


def spread(values: Mapping[str, float], form: str, unit: float = 1) -> str:
    """Write the median and the largest of several values."""
    return f"{form.format(values['median'] / unit)} (up to {form.format(values['most'] / unit)})"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], sides: str) -> str:
    """Write a table; ``sides`` has a ``-`` for each column to the left, an ``r`` to the right."""
    marks = {"-": "---", "r": "--:"}
    lines = [heads, [marks[side] for side in sides], *rows]
    written = (f"| {' | '.join(map(str, line))} |" for line in lines)
    return "\n".join([*written, ""]).replace("|  |", "| |").replace("| --- |", "|---|")


def gb(bytes_: float) -> str:
    """Write bytes in GB."""
    gigabytes = bytes_ / 1e9
    return f"{gigabytes:,.0f} GB" if gigabytes >= 10 else f"{gigabytes:,.2f} GB"


def mb(bytes_: float) -> str:
    """Write bytes in MB."""
    return f"{bytes_ / 1e6:,.1f} MB"


def days(seconds: tuple[float, float]) -> str:
    """Write a range of seconds in days."""
    return f"{seconds[0] / 86_400:.1f} to {seconds[1] / 86_400:.1f} days"


def minutes(seconds: tuple[float, float]) -> str:
    """Write a range of seconds in minutes."""
    return f"{seconds[0] / 60:.0f} to {seconds[1] / 60:.0f} minutes"


def span(seconds: float) -> str:
    """Write seconds in the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
