"""The page about plots: pictures that the command draws of the demo history."""

import shlex
from pathlib import Path

from docs.demo_session import DemoSession

PICTURES = {
    "groups": "plot accuracy --by Args/lr --band std",
    "seeds": "plot accuracy --by-all-except Args/seed --top 4 --band minmax",
    "smoothed": "plot loss/train --task-name 'efficientnet-b3*' --smooth 0.9 --log-y",
    "paper": "plot accuracy --top 5 --theme paper --size 420x280",
    "dark": "plot loss/validation --project nlp --color Args/lr --theme dark --log-y",
    "many": "plot accuracy",
    "scatter": "plot accuracy --kind scatter --x Args/lr --color user",
    "bars": "plot accuracy --kind bar --by Args/lr",
    "histogram": "plot accuracy --kind hist",
    "parallel": "plot accuracy --kind parallel --param 'Args/*' --size 620x300",
}
"""The command of each picture, without ``-o``."""

_PAGE = """\
# Plots

<!-- Written by `make docs`, which runs these commands; edit docs/plot_pages.py. -->

`clearml-snapshot plot METRIC…` draws curves in the terminal, and with `-o` as .svg, .png, .pdf,
.html, .vl.json or .txt. `clearml-snapshot plot --help` has every option. Of the points that share a
column of pixels, the first, the last, the lowest and the highest are drawn, never a mean, so that
no spike is lost. These pictures are drawn of the dataset of `clearml-snapshot demo`, with what the
commands print beside them. `--kind` scatter, bar, hist and parallel draw the best value of each
task, never the last one; the numbers are those of `query leaderboard` and `query group`.
"""


def plots(demo: DemoSession, folder: Path) -> dict[Path, str]:
    """Draw every picture, and write the page that shows them.

    Args:
        demo: the session, which has a dataset.
        folder: where the page and the folder of its pictures are.
    """
    pages = {}
    parts = [_PAGE]
    for name, command in PICTURES.items():
        typed = f"clearml-snapshot {command}"
        line, *notes = demo.run(f"{typed} -o {name}.svg")
        pages[folder / "plots" / f"{name}.svg"] = demo.read(f"{name}.svg")
        printed = "\n".join(f"    {text}".rstrip() for text in (line, *notes)).rstrip()
        parts.append(f"{printed}\n\n![{shlex.join(shlex.split(command))}](plots/{name}.svg)\n")
    drawn = "\n".join(f"    {text}".rstrip() for text in demo.run(_IN_TERMINAL)).rstrip()
    parts.append(f"In the terminal:\n\n{drawn}\n")
    return {folder / "plots.md": "\n".join(parts), **pages}


_IN_TERMINAL = "clearml-snapshot plot accuracy --by Args/lr --size 94x16"
