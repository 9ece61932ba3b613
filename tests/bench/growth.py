"""How questions grow with the number of points, as a table and a picture in docs/performance.md.

    python -m tests.bench.growth 1e5 1e6 1e7 1e8 1e9 [--folder /tmp/bench] [--repeat 3]

Each question of ``tests.bench.questions`` is asked of each dataset, beside its counterpart by hand.
What was measured replaces the lines of these datasets in docs/performance.csv; `make docs` writes
the tables, and this program the picture. Write the datasets with `make bench-data`.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from docs.performance import COLUMNS, MEASURED, PICTURE, Row, figure, measurements
from tests.bench.questions import QUESTIONS, measured

LONGEST: Final = 600.0
"""Seconds. A question that took longer is not asked of larger datasets."""


def measure(data: str, repeat: int, only: str, skipped: set[str]) -> Iterable[Row]:
    """Ask the questions of one dataset; adds to ``skipped`` what took too long."""
    points = count(data)
    for question in QUESTIONS:
        if question.title in skipped or not question.title.startswith(only):
            continue
        ours, by_hand = measured(question, data, repeat)
        if ours.seconds > LONGEST:
            skipped.add(question.title)
        row = Row(question.title, points, *ours, *(by_hand or (None, None, None)))
        print(row, flush=True)
        yield row


def count(data: str) -> int:
    """Count the points of a dataset in another process.

    Linux counts the memory of the process that starts another one as that one's: it stays small.
    """
    program = str(Path(sys.executable).with_name("clearml-snapshot"))
    command = [program, "sql", "SELECT count(*) FROM scalars", "--data", data, "--format", "text"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def save(rows: Mapping[tuple[str, int], Row]) -> Sequence[Row]:
    """Write the table in the order of the questions, and return it."""
    order = [question.title for question in QUESTIONS]
    ordered = sorted(rows.values(), key=lambda row: (order.index(row.question), row.points))
    with MEASURED.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row.as_text() for row in ordered)
    return ordered


def draw(rows: Sequence[Row]) -> None:
    """Draw the picture."""
    import vl_convert  # large, see count

    PICTURE.write_text(vl_convert.vegalite_to_svg(figure(rows)), encoding="utf-8")


def main() -> None:
    """Measure the datasets, from the smallest to the largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["1e5", "1e6", "1e7", "1e8"])
    parser.add_argument("--folder", default="/tmp/bench")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="the beginning of titles; others stay as measured"
    )
    arguments = parser.parse_args()
    rows = {(row.question, row.points): row for row in measurements()}
    skipped = set[str]()
    for size in sorted(arguments.sizes, key=float):
        data = f"{arguments.folder}/{size}"
        if not (Path(data) / "current").exists():
            sys.exit(f"no dataset in {data}; write one with `make bench-data BENCH_SIZES={size}`")
        for row in measure(data, arguments.repeat, arguments.only, skipped):
            rows[row.question, row.points] = row
            save(rows)
    draw(save(rows))


if __name__ == "__main__":
    main()
