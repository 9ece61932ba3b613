"""The same tasks with other names of metrics, and the aliases that undo it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.nasty import QUOTED, ROCKET, SLASHED

OLD: Final[Mapping[tuple[str, str], Sequence[tuple[str, str]]]] = {
    ("loss", "train"): [
        ("train=loss #1", "a/b/c"),
        ('a "loss"\n\x1b[31m', "\\1"),
        ("Loss", "train"),
    ],
    ("acc", "val"): [
        ("cafe\u0301/acc", "val"),
        ("caf\u00e9/acc", "val"),
        ("$task_ids", "files.[v]"),
    ],
    (SLASHED, "x/y"): [("", ""), ("it's", "--")],
    (QUOTED, ROCKET): [("'; DROP VIEW scalars; --", "$metric")],
    (":monitor:gpu", "gpu_0"): [("gpu", ":monitor:")],
}
"""Earlier names of the series of ``nasty``, which some of its tasks have."""


def as_stored(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give some series an earlier name, others in their first points, and others in their last."""
    return [
        {**task, "points": [*_points(number, task.get("points", ()))]}
        for number, task in enumerate(tasks)
    ]


def _points(number: int, points: Sequence[tuple[Any, ...]]) -> Any:
    lengths: dict[tuple[str, str], int] = {}
    for point in points:
        key = (point[0], point[1])
        at = lengths[key] = lengths.get(key, -1) + 1
        earlier = OLD.get(key, [])
        # Task 0 has the oldest name, task 1 changes it every three points, task 2 has the new one.
        ages = {0: 0, 1: min(at // 3, len(earlier)), 2: len(earlier)}
        chosen = [*earlier, key][ages[number % 3]]
        yield (*chosen, *point[2:])


def quoted(pair: tuple[str, str]) -> str:
    return "/".join(map(json.dumps, pair))


def aliases_file(folder: Path) -> Path:
    """Write the aliases that give every series its new name."""
    lines = ["\ufeff# Names before May", ""]
    for new, earlier in OLD.items():
        lines += [f"  {quoted(new)} = {quoted(old)}  # as it was" for old in earlier]
    file = folder / "aliases.txt"
    file.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    return file
