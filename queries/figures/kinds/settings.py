"""Places the values of a hyperparameter on an axis: numbers as numbers, texts as categories."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log10
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.scores import not_drawn
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, harmless, unique
from clearml_snapshot.queries.figures.model import Axis

MOST_NAMES: Final = 30
"""Different texts that an axis has room for."""
_WIDE: Final = 100
"""Times the lowest number, from which numbers span orders of magnitude."""
_FEW: Final = 12
"""Different numbers that an axis can have at equal distances."""
_FEW_TICKS: Final = 8
"""Different numbers up to which each one is written beside the axis."""
_MARGIN: Final = 0.05


@dataclass(frozen=True)
class Setting:
    """A value of a hyperparameter: equal numbers have the same text."""

    text: str
    number: float | None


@dataclass(frozen=True)
class Placed:
    """A hyperparameter as an axis, with the place of each task on it."""

    axis: Axis
    places: Mapping[str, float]
    notes: tuple[str, ...]


def settings_of(dataset: Dataset, params: Sequence[str]) -> dict[str, dict[str, Setting]]:
    """Read the values of hyperparameters, by hyperparameter and by task."""
    found: dict[str, dict[str, Setting]] = {name: {} for name in params}
    relation = dataset.sql(read("figures/kinds/settings.sql"), {"params": list(params)})
    for task_id, key, text, number in dataset.rows(relation).rows:
        found[key][task_id] = Setting("NULL" if text is None else text, number)
    return found


def placed(
    name: str, settings: Mapping[str, Setting], task_ids: Sequence[str], *, is_log: bool = False
) -> Placed:
    """Place tasks on the axis of a hyperparameter.

    Args:
        name: its name.
        settings: its value in each task that has one.
        task_ids: the tasks.
        is_log: whether the axis is logarithmic in any case; otherwise it is if the numbers are
            positive and span two orders of magnitude.

    Raises:
        UsageError: it has too many different texts for an axis.
    """
    shown = harmless(name, LONGEST_TITLE)
    chosen = {task_id: settings[task_id] for task_id in task_ids if task_id in settings}
    notes = []
    if lost := len(task_ids) - len(chosen):
        have = "does" if lost == 1 else "do"
        notes.append(
            f"{lost:,} of {len(task_ids):,} tasks {have} not have {shown} and {not_drawn(lost)}"
        )
    numbers = {
        task_id: setting.number
        for task_id, setting in chosen.items()
        if setting.number is not None and isfinite(setting.number)
    }
    if len(numbers) * 2 < len(chosen) or not numbers:
        return Placed(*_by_name(shown, chosen), tuple(notes))
    texts = sorted({each.text for task_id, each in chosen.items() if task_id not in numbers})
    if lost := len(chosen) - len(numbers):
        have = "has" if lost == 1 else "have"
        notes.append(
            f"{lost:,} of {len(task_ids):,} tasks {have} a {shown} that is not a number, such as "
            f"{harmless(texts[0])!r}, and {not_drawn(lost)}"
        )
    if is_log and (low := {task_id for task_id, number in numbers.items() if number <= 0}):
        numbers = {task_id: number for task_id, number in numbers.items() if task_id not in low}
        has = "1 task has" if len(low) == 1 else f"{len(low):,} tasks have"
        notes.append(
            f"{has} a {shown} of 0 or below, which has no place on a logarithmic axis, and "
            f"{not_drawn(len(low))}"
        )
    if _is_wide_with_zero(numbers.values()):
        notes.append(
            f"{shown} spans orders of magnitude and 0: its values are at equal distances, in order"
        )
        return Placed(*_in_order(shown, {each: chosen[each] for each in numbers}), tuple(notes))
    return Placed(numeric_axis(shown, [*numbers.values()], is_log), numbers, tuple(notes))


def numeric_axis(title: str, numbers: Sequence[float], is_log: bool) -> Axis:
    """Make an axis that fits numbers; a logarithmic one if they span orders of magnitude."""
    values = sorted({*numbers})
    if not values:
        return Axis(title, 1.0, 10.0, is_log) if is_log else Axis(title, 0.0, 1.0)
    low, high = values[0], values[-1]
    is_log = low > 0 and (is_log or high / low >= _WIDE)
    ticks = tuple(values) if len(values) <= _FEW_TICKS else ()
    if is_log:
        margin = (log10(high) - log10(low)) * _MARGIN or 0.1
        ends = low / 10**margin, high * 10**margin
        return Axis(f"{title} (logarithmic)", *ends, is_log=True, ticks=ticks)
    margin = (high / 2 - low / 2) * 2 * _MARGIN or abs(high) * _MARGIN or 0.5
    ends = (low - margin, high + margin) if isfinite(high + margin - low) else (low, high)
    return Axis(title, *ends, ticks=ticks)


def _is_wide_with_zero(numbers: Iterable[float]) -> bool:
    values = sorted({*numbers})
    above = [value for value in values if value > 0]
    is_wide = len(above) > 1 and above[-1] / above[0] >= _WIDE
    return is_wide and values[0] <= 0 and len(values) <= _FEW


def _in_order(shown: str, chosen: Mapping[str, Setting]) -> tuple[Axis, dict[str, float]]:
    numbers = sorted({setting.number or 0.0 for setting in chosen.values()})
    at = {number: float(place) for place, number in enumerate(numbers)}
    texts = {each.number or 0.0: each.text for each in chosen.values()}
    axis = _names_axis(shown, [texts[number] for number in numbers])
    return axis, {task_id: at[each.number or 0.0] for task_id, each in chosen.items()}


def _by_name(shown: str, chosen: Mapping[str, Setting]) -> tuple[Axis, dict[str, float]]:
    order = {(each.number is None, each.number or 0.0, each.text) for each in chosen.values()}
    texts = list(dict.fromkeys(text for _, _, text in sorted(order)))
    if len(texts) > MOST_NAMES:
        raise UsageError(
            f"{shown} has {len(texts):,} different texts, and an axis has room for {MOST_NAMES}; "
            "choose another hyperparameter, or fewer tasks"
        )
    at = {text: float(place) for place, text in enumerate(texts)}
    return _names_axis(shown, texts), {task_id: at[s.text] for task_id, s in chosen.items()}


def _names_axis(shown: str, texts: Sequence[str]) -> Axis:
    names = tuple(unique([harmless(text, 24) or "(empty)" for text in texts]))
    return Axis(shown, -0.5, max(len(names), 1) - 0.5, names=names)
