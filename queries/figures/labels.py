"""Labels of curves: they name only what differs, and are harmless in every output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.unseen import as_escape, spelled_out

LONGEST: Final = 40
"""Characters of a label."""
LONGEST_TITLE: Final = 80
_MOST_PARAMS: Final = 2
_BETWEEN_WORDS: Final = " _/"
"""Not points and hyphens, which are also parts of a number."""
_SHORTEST_CUT: Final = 12
"""Characters that several names begin with before it is worth leaving them out."""


@dataclass(frozen=True)
class Run:
    """A series, with what a label may say of it."""

    curve: int
    metric: str
    variant: str
    task_id: str
    task: str
    project: str = ""
    user: str = ""
    tags: tuple[str, ...] = ()
    params: Mapping[str, str | None] = field(default_factory=dict)
    """The hyperparameters that differ between the tasks of the figure."""
    lowest: float | None = None
    highest: float | None = None
    n_points: int = 0
    is_corrected: bool = False
    """Whether a zero that is probably a NaN was the best value: ``best`` is without it."""
    best: tuple[float, float] | None = None
    """Iteration and value of the best point of a corrected run; None: it has none."""


def harmless(text: str, longest: int = LONGEST) -> str:
    """Shorten a text in its middle, spell out what is invisible, and remove own credentials."""
    if len(text) > 20 * longest:  # a name may be megabytes long
        text = text[: 10 * longest] + text[-10 * longest :]
    text = spelled_out(scrub(text), as_escape)
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 1]}…{text[-end:]}"


def labels(runs: Sequence[Run]) -> list[str]:
    """Name each run by what differs between them; no two have the same label."""
    has_several = len({run.variant for run in runs}) > 1
    tasks = {run.task_id: run for run in runs}
    names = dict(zip(tasks, _named([*tasks.values()]), strict=True))
    made = []
    for run in runs:
        parts = [run.variant] if has_several else []
        if len(tasks) > 1 or not has_several:
            parts.append(names[run.task_id])
        made.append(harmless(" · ".join(parts)))
    return _unique(made, runs)


def grouped(run: Run, color: str) -> str:
    """Return the value that gives a run its colour.

    Args:
        run: the run.
        color: task, project, user, tag or a hyperparameter as SECTION/NAME.
    """
    if color in ("project", "user"):
        return str(getattr(run, color)) or "(none)"
    if color == "tag":
        return ", ".join(run.tags) or "(no tag)"
    value = run.params.get(color)
    return f"{color.partition('/')[2]}={'(none)' if value is None else value}"


def common_beginning(runs: Sequence[Run]) -> str:
    """Return what the names of all tasks begin with and labels leave out; empty if nothing."""
    names = [*{run.task_id: run.task for run in runs}.values()]
    return names[0][: _beginning(names)].rstrip(_BETWEEN_WORDS) if names else ""


def _named(tasks: Sequence[Run]) -> list[str]:
    """Name tasks; those with a name in common get the parameters that differ, or their id."""
    cut = _beginning([task.task for task in tasks])
    names = [task.task for task in tasks]
    varying = _varying(tasks)
    made = []
    for task in tasks:
        name = f"…{task.task[cut:]}" if cut else task.task
        if names.count(task.task) > 1 or not task.task:
            params = " ".join(f"{p.partition('/')[2]}={task.params.get(p)}" for p in varying)
            name = params if len(set(names)) == 1 and params else f"{name} {params}".strip()
        made.append(name or task.task_id[:8])
    return made


def _varying(tasks: Sequence[Run]) -> list[str]:
    """Choose the parameters that tell most tasks apart."""
    names = dict.fromkeys(name for task in tasks for name in task.params)
    kinds = {name: len({task.params.get(name) for task in tasks}) for name in names}
    several = [name for name, n in kinds.items() if n > 1]
    return sorted(several, key=lambda name: (-kinds[name], name))[:_MOST_PARAMS]


def _beginning(names: Sequence[str]) -> int:
    """Count the characters that all names begin with, except the last word of them."""
    if len(set(names)) < 2:
        return 0
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    end = next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))
    while end and first[end - 1] not in _BETWEEN_WORDS:
        end -= 1
    end = max(first.rfind(between, 0, end - 1) + 1 for between in _BETWEEN_WORDS) if end else 0
    return end if end >= _SHORTEST_CUT else 0


def unique(made: Sequence[str]) -> list[str]:
    """Number labels that are the same."""
    counts = {label: made.count(label) for label in set(made)}
    return [
        f"{number} {label}" if counts[label] > 1 else label for number, label in enumerate(made, 1)
    ]


def _unique(made: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Add the beginning of the id, in full if need be, to labels that are the same."""
    counts = {label: made.count(label) for label in set(made)}
    for length in (4, 8, 32):
        texts = [
            f"{label[: LONGEST - length - 1]} {run.task_id[:length]}"
            if counts[label] > 1
            else label
            for label, run in zip(made, runs, strict=True)
        ]
        if len(set(texts)) == len(texts):
            return texts
    return [f"{number} {label}"[:LONGEST] for number, label in enumerate(made, 1)]
