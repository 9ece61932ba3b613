"""The selections that a dataset remembers: told as they are typed, and removed.

Works on what ``snapshot.json`` holds, without the code that exports: ``status`` stays quick.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot

_OPTIONS: Final[Mapping[str, str]] = {
    "projects": "--project",
    "task_names": "--task-name",
    "task_name_regex": "--task-name-regex",
    "task_ids": "--task",
    "tags": "--tag",
    "any_tags": "--any-tag",
    "exclude_tags": "--exclude-tag",
    "statuses": "--status",
    "types": "--type",
    "users": "--user",
    "created_after": "--created-after",
    "created_before": "--created-before",
    "updated_after": "--updated-after",
    "updated_before": "--updated-before",
    "archived": "--archived",
    "limit": "--limit",
    "order": "--order",
}
"""The option of each field of ``TaskFilter`` that takes a value."""

_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "subprojects": ("--no-subprojects",),
    "hidden": ("--hidden", "include"),
}
"""What is typed where a field is not as usual."""

_NARROW_NOTHING: Final = frozenset({"order", "subprojects"})


@dataclass(frozen=True, slots=True)
class ListedSelection:
    """One remembered selection."""

    number: int
    """Counts from 1, in the order in which they were asked; changes when an earlier one goes."""
    selection: str
    """The options of ``export`` that ask the same again."""
    matched: int | None
    """The tasks that it found when it last found any; None where that is not known."""
    metrics: str
    """What is asked of the tasks: ``all``, or the metric arguments."""


def remembered(snapshot: Snapshot) -> tuple[ListedSelection, ...]:
    """List the selections that a bare ``export`` repeats."""
    return tuple(_told(number, one) for number, one in enumerate(_written(snapshot), 1))


def remove(data: Path, number: int, *, wait: bool = False) -> ListedSelection:
    """Forget one selection, in a new snapshot; its tasks stay as they are stored.

    Args:
        data: the dataset's folder.
        number: counts from 1, as ``remembered`` does.
        wait: wait for another writer to end instead of failing.

    Raises:
        NoDatasetError: there is no dataset.
        UsageError: there is no selection of that number.
        LockedError: another process is writing.
    """
    from clearml_snapshot.exporter.store.writing.dataset import writing

    open_snapshot(data)  # before the lock, which would make a dataset of an empty folder
    with writing(data, wait=wait) as dataset:
        snapshot = dataset.snapshot
        if snapshot is None:
            raise DatasetError(f"the snapshot of {data} is gone; export again")
        kept = [*_written(snapshot)]
        if not 1 <= number <= len(kept):
            raise UsageError(f"there is no selection {number}; {_choice(len(kept))}")
        removed = _told(number, kept.pop(number - 1))
        dataset.amend(selections=kept)
    return removed


def words(written: Mapping[str, Any]) -> str:
    """Write a selection, as ``snapshot.json`` holds it, as options of ``export``."""
    narrowing = dict(written.get("filter", {}))
    typed: list[str] = []
    for field in fields(TaskFilter):
        if field.name in narrowing:
            typed += _typed(field.name, narrowing[field.name])
    for name, option in (("metrics", "--metric"), ("exclude_metrics", "--exclude-metric")):
        typed += _with_values(option, written.get(name, ()))
    if not _asks_by_itself(written):
        typed.insert(0, "--all")
    return shlex.join(typed)


def _asks_by_itself(written: Mapping[str, Any]) -> bool:
    """Tell whether ``export`` takes the options for a filter, without ``--all``."""
    narrowing = set(written.get("filter", {})) - _NARROW_NOTHING
    return bool(narrowing or written.get("metrics") or written.get("exclude_metrics"))


def _typed(name: str, value: Any) -> list[str]:
    if name in _FLAGS:
        return list(_FLAGS[name])
    return _with_values(_OPTIONS[name], value if isinstance(value, list | tuple) else [value])


def _with_values(option: str, values: Sequence[Any]) -> list[str]:
    """Repeat an option; a value such as the tag ``-x`` is tied to it, or it would be an option."""
    typed: list[str] = []
    for value in map(str, values):
        typed += [f"{option}={value}"] if value.startswith("-") else [option, value]
    return typed


def _written(snapshot: Snapshot) -> Sequence[Mapping[str, Any]]:
    return snapshot.selections if isinstance(snapshot.selections, list) else ()


def _told(number: int, written: Mapping[str, Any]) -> ListedSelection:
    wanted = list(written.get("metrics", ())) or ["all"]
    unwanted = [f"not {metric}" for metric in written.get("exclude_metrics", ())]
    # An export writes null for one that has never found a task; other writers, nothing at all.
    matched = (written["matched"] or 0) if "matched" in written else None
    return ListedSelection(number, words(written), matched, ", ".join([*wanted, *unwanted]))


def _choice(known: int) -> str:
    if not known:
        return "the dataset remembers none"
    return f"give a number from 1 to {known} (clearml-snapshot selections)"
