"""The tables of docs/performance.md, from what ``python -m tests.bench.growth`` has measured."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

MEASURED: Final = Path(__file__).with_suffix(".csv")
PICTURE: Final = Path(__file__).with_suffix(".svg")


class Row(NamedTuple):
    """What one question took on one dataset, and its counterpart by hand, where it has one."""

    question: str
    points: int
    """Of the dataset."""
    seconds: float
    cpu_seconds: float
    megabytes: float
    by_hand_seconds: float | None
    by_hand_cpu_seconds: float | None
    by_hand_megabytes: float | None

    def as_text(self) -> list[str]:
        """Write the values for a CSV file: seconds to a hundredth, megabytes whole."""
        question, points, *values = self
        rounded = zip(values, (2, 2, 0) * 2, strict=True)
        return [question, str(points), *("" if v is None else f"{v:.{n}f}" for v, n in rounded)]


COLUMNS: Final = Row._fields


def measurements() -> Sequence[Row]:
    """Read what was measured."""
    with MEASURED.open(encoding="utf-8", newline="") as file:
        return [
            Row(question, int(points), *(float(value) if value else None for value in values))  # type: ignore[arg-type]  # only the values by hand may be empty
            for question, points, *values in list(csv.reader(file))[1:]
        ]


def beside_sql() -> str:
    """Write a table of the questions that have a counterpart, on the dataset of 10⁸ points."""
    lines = [
        "| question | seconds | by hand | ratio | CPU seconds | by hand | MB | by hand |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += (
        f"| {row.question} | {row.seconds:.1f} | {row.by_hand_seconds:.1f} "
        f"| {row.seconds / row.by_hand_seconds:.1f} | {row.cpu_seconds:.1f} "
        f"| {row.by_hand_cpu_seconds:.1f} | {row.megabytes:,.0f} | {row.by_hand_megabytes:,.0f} |"
        for row in measurements()
        if row.by_hand_seconds and 5e7 < row.points < 5e8
    )
    return "\n".join([*lines, ""])


def growth() -> str:
    """Write a table of each question's seconds and megabytes, a column per dataset."""
    rows = measurements()
    sizes = sorted({row.points for row in rows})
    found = {(row.question, row.points): row for row in rows}
    lines = [
        f"| question | {' | '.join(f'{size:,} points' for size in sizes)} |",
        f"|---|{'--:|' * len(sizes)}",
    ]
    for question in dict.fromkeys(row.question for row in rows):
        cells = (found.get((question, size)) for size in sizes)
        lines.append(f"| {question} | {' | '.join(map(_cell, cells))} |")
    return "\n".join([*lines, ""])


def _cell(row: Row | None) -> str:
    return "–" if row is None else f"{row.seconds:.1f} s, {row.megabytes:,.0f} MB"


def figure(rows: Sequence[Row]) -> dict[str, Any]:
    """Describe the picture in Vega-Lite: a small chart per question, both axes logarithmic.

    The dashed line grows in proportion to the points, from the value at 10⁷.
    """
    line = {"field": "line", "type": "nominal", "title": None}
    kinds = {"domain": ["measured", "by hand", "in proportion"]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "data": {"values": list(_lines(rows))},
        "columns": 3,
        "facet": {
            "field": "question",
            "type": "nominal",
            "title": None,
            "sort": list(dict.fromkeys(row.question for row in rows)),
            "header": {"labelFontWeight": "bold"},
        },
        "resolve": {"axis": {"x": "independent"}},
        "spec": {
            "width": 200,
            "height": 110,
            "mark": {"type": "line", "point": {"size": 16}},
            "encoding": {
                "x": _axis("points", {"title": None, "format": "~s", "values": _POWERS}),
                "y": _axis("seconds", {"title": "seconds", "format": "~g", "values": _POWERS}),
                "color": {
                    **line,
                    "scale": {**kinds, "range": ["#0072b2", "#d55e00", "#999999"]},
                    "legend": {"orient": "top"},
                },
                "strokeDash": {
                    **line,
                    "scale": {**kinds, "range": [[1, 0], [1, 0], [4, 4]]},
                    "legend": None,
                },
            },
        },
    }


_POWERS: Final = [10.0**power for power in range(-1, 10)]


def _axis(field: str, axis: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"field": field, "type": "quantitative", "scale": {"type": "log"}, "axis": axis}


def _lines(rows: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        about = {"question": row.question, "points": row.points}
        yield {**about, "line": "measured", "seconds": row.seconds}
        if row.by_hand_seconds is not None:
            yield {**about, "line": "by hand", "seconds": row.by_hand_seconds}
        middle = min(
            (other for other in rows if other.question == row.question),
            key=lambda other: abs(other.points - 1e7),
        )
        if row.points >= middle.points:
            seconds = middle.seconds * row.points / middle.points
            yield {**about, "line": "in proportion", "seconds": seconds}
