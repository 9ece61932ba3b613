"""Draws bars and histograms as lines of text."""

from collections.abc import Sequence
from typing import Final

from clearml_snapshot.queries.figures.model import Axis, Bars, Chart, Histogram, Parallel

_PARTS: Final = " ▏▎▍▌▋▊▉█"
"""A character that is filled by none, one, two … of eight parts."""
_LONGEST_LABEL: Final = 0.4
"""Of the width."""
_SHORTEST_BAR: Final = 8


def chart_text(drawn: Chart, width: int) -> list[str]:
    """Draw a chart.

    Args:
        drawn: the chart.
        width: characters of a line.
    """
    if isinstance(drawn, Bars):
        lines = _bars(drawn, width)
    elif isinstance(drawn, Histogram):
        lines = _histogram(drawn, width)
    else:
        lines = _parallel(drawn)
    return [_cut(line, width) for line in lines]


def _bars(drawn: Bars, width: int) -> list[str]:
    labels = [bar.label for bar in drawn.bars]
    texts = [bar.text for bar in drawn.bars]
    rows = []
    room = max(len(text) for text in (*texts, drawn.heading))
    if room > width // 2:
        room = max(map(len, texts))
    longest = min(max(map(len, labels)), max(8, int(width * _LONGEST_LABEL)))
    length = max(_SHORTEST_BAR, width - longest - room - 3)
    for label, bar, text in zip(labels, drawn.bars, texts, strict=True):
        line = _bar(drawn.x, bar.value, length)
        rows.append(f"{_cut(label, longest):<{longest}} {line} {text}".rstrip())
    heading = f"{'':<{longest + 1 + length}} {drawn.heading}"
    return [drawn.title, heading if len(heading) <= width else f"{drawn.heading:>{width}}", *rows]


def _bar(axis: Axis, value: float, length: int) -> str:
    """Draw a bar from zero to a value in a line that has a place for the whole axis."""
    zero = _place(axis, 0.0, length)
    at = _place(axis, value, length)
    mark = "▸" if value > axis.high else "◂" if value < axis.low else ""
    if at >= zero:
        drawn = " " * round(zero) + _filled(at - round(zero))
        if mark:
            drawn = drawn[: length - 1] + mark
    else:  # towards the left only whole characters exist
        start = min(int(at), round(zero) - 1)
        drawn = " " * max(0, start) + _PARTS[-1] * (round(zero) - max(0, start))
        drawn = mark + drawn[1:] if mark else drawn
    return drawn.ljust(length)


def _place(axis: Axis, value: float, length: int) -> float:
    span = axis.high / 2 - axis.low / 2
    inside = max(axis.low, min(axis.high, value))
    return (inside / 2 - axis.low / 2) / span * length


def _filled(length: float) -> str:
    """Draw a bar; what is there at all is at least an eighth of a character."""
    parts = max(0, round(length * 8))
    whole, rest = divmod(parts, 8)
    return _PARTS[-1] * whole + (_PARTS[rest] if rest else "")


def _histogram(drawn: Histogram, width: int) -> list[str]:
    edges = [_number(edge) for edge in drawn.edges]
    rows = [
        (f"{low} to {high}", n)
        for low, high, n in zip(edges, edges[1:], drawn.counts, strict=False)
    ]
    if drawn.n_below:
        rows.insert(0, (f"below {edges[0]}", drawn.n_below))
    if drawn.n_above:
        rows.append((f"above {edges[-1]}", drawn.n_above))
    longest = max(len(label) for label, _ in rows)
    counts = max(len(f"{drawn.most:,}"), len("tasks"))
    length = max(_SHORTEST_BAR, width - longest - counts - 3)
    lines = [drawn.title]
    for label, n in rows:
        filled = n / drawn.most * length if drawn.most else 0.0
        bar = _filled(max(filled, 0.125) if n else 0.0)
        lines.append(f"{label:>{longest}} {bar.ljust(length)} {n:>{counts},}")
    return lines


def _parallel(drawn: Parallel) -> list[str]:
    axes = ", ".join(scale.title for scale in drawn.scales)
    return [drawn.title, f"(only a picture shows these {len(drawn.lines):,} lines: {axes})"]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain_parts(lines: Sequence[str]) -> list[str]:
    """Write bars in ASCII: a character that is at least half full is one."""
    half = len(_PARTS) // 2
    table = {ord(part): "#" if at >= half else "|" for at, part in enumerate(_PARTS) if at}
    return [line.translate({**table, ord("▸"): ">", ord("◂"): "<"}) for line in lines]
