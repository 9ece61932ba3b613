"""The queries of the pictures, and how a picture is drawn."""

import os
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import time_machine

from clearml_snapshot.cli.output import stdout
from clearml_snapshot.exporter.standin.data.history import ANCHOR, demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.terminal import Terminal

FOLDER: Final = Path(__file__).parent
WIDTHS: Final = (60, 80, 120, 200)

CASES: Final = {
    "best": "best -m accuracy",
    "best_of_each": "best -m accuracy -m loss --best highest",
    "changes": "changes --limit 5",
    "compare": "compare 'vit-small' 'vit-small retry'",
    "compare_params": "compare 'vit-small' 'vit-small retry' --params",
    "compare_steps": "compare 'vit-small' 'vit-small retry' -m accuracy --steps",
    "compare_more": "compare 'resnet50 baseline' 'vit-small' 'ablation: mixup' -m loss",
    "compare_many": "compare 'resnet50*' -m loss",
    "curve": "curve -m accuracy --task-name 'vit-small*' --points 4",
    "curve_by_group": "curve -m accuracy --by Args/lr --points 4",
    "first": "first -m accuracy --above 0.92",
    "gone": "gone",
    "group": "group -m accuracy --best highest --by param:Args/lr",
    "group_seeds": "group -m accuracy --best highest --by-all-except Args/seed",
    "health": "health --kind failed --kind zero",
    "last": "last -m accuracy --by project",
    "leaderboard": "leaderboard -m accuracy --best highest --param 'Args/*' --top 8",
    "leaderboard_smoothed": "leaderboard -m accuracy --best highest --smooth 0.9 --top 5",
    "max": "max",
    "max_at": "max -m accuracy --at loss",
    "max_of_means": "max -m accuracy -m loss --value mean --last 10",
    "metrics": "metrics",
    "min": "min -m loss/validation --top 5",
    "params": "params",
    "params_of_a_task": "params --task 232d1888",
    "params_values": "params --param 'Args/*' --project nlp",
    "projects": "projects",
    "stats": "stats -m accuracy --project speech",
    "tags": "tags",
    "tasks": "tasks --limit 12",
    "users": "users",
    "wide": "wide -m accuracy -m loss --task-name 'vit-small*' --fill last",
    "wide_tasks": "wide -m accuracy -m loss --per task --param 'Args/*' --project vision",
}
"""Each picture's command after ``clearml-snapshot query``; every query has at least one."""


def make_demo(folder: Path, run: Callable[..., Any]) -> None:
    """Export the demo's history into ``data``.

    Args:
        folder: the folder to create ``data`` in.
        run: runs a command line in a folder, as `run_in_process` of conftest.
    """
    now = ANCHOR + timedelta(minutes=10)
    with StandIn(demo_history()) as server, time_machine.travel(now):
        done = run("export", "--all", "-q", cwd=folder, **server.environment())
    assert done.returncode == 0, done.stderr


def picture(command: str, run: Callable[..., Any], folder: Path) -> str:
    """Draw a query at every width: what stdout is sent, and which columns are not shown.

    The query runs once, and its answer is drawn again and again.

    Args:
        command: the query and its options.
        run: runs a command line in a folder, as `run_in_process` of conftest.
        folder: the folder with ``data``.
    """
    draw, parts = stdout._draw_on_screen, dict.fromkeys(WIDTHS, "")

    def draw_at_each_width(*answer: Any) -> str:
        for width in WIDTHS:
            notes: list[str] = []
            with (
                patch.object(stdout, "note", notes.append),
                patch.dict(os.environ, COLUMNS=f"{width}", LINES="30"),
            ):
                screen = draw(*answer)
            kept = "".join(f"({note})\n" for note in notes)
            parts[width] += f"{screen}{kept}"
        return ""

    terminal = Terminal()
    with terminal.stream() as screen, patch.object(stdout, "_draw_on_screen", draw_at_each_width):
        done = run("query", *shlex.split(command), cwd=folder, stdout=screen, TERM="dumb")
    terminal.end()
    assert done.returncode == 0, done.stderr
    heads = {width: f"\n{f'-- {width} columns ':-<{width}}\n" for width in WIDTHS}
    drawn = "".join(heads[width] + text for width, text in parts.items())
    return f"$ clearml-snapshot query {command}\n{drawn}"


def file_of(name: str) -> Path:
    """Return the file of a picture."""
    return FOLDER / f"{name}.txt"
