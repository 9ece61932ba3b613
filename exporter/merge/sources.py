"""Opens, checks and reads the datasets to merge."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.merge.rules import TaskCopy
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.objects.address import as_typed
from clearml_snapshot.exporter.store.objects.local.copy import local_copy
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages, refuse_forged
from clearml_snapshot.exporter.store.pack.provenance import provenance
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem
from clearml_snapshot.exporter.store.verify.files import damaged_files
from clearml_snapshot.exporter.store.verify.rows import CLOCK_STEP

_OWN: Final = ("source", "made", "taken_out")
"""Fields of ``TaskCopy`` that are not columns of ``tasks``."""

_REPEATED: Final = ("task_id", "name", "project_id", "status", "state", "metric_filter")
"""Columns whose texts many copies share."""

_AHEAD: Final = timedelta(days=1)
"""How far the clocks of two machines may differ."""


@dataclass(frozen=True)
class Source:
    """A snapshot to merge."""

    name: str
    """As it was typed."""
    snapshot: Snapshot
    taken_out: tuple[str, ...] = ()
    """What its pack left out, one line each; empty if it is not a pack."""


def open_source(path: Path, held: ExitStack) -> Source:
    """Open a dataset, a snapshot folder or a pack; files in a bucket are brought to this machine.

    Args:
        path: the path or the address.
        held: keeps these files until it ends.

    Raises:
        DatasetError: it is not a dataset, or it is damaged.
        SnapshotError: a store refuses, or there is no space.
    """
    snapshot = held.enter_context(local_copy(open_snapshot(path)))
    packed = provenance(snapshot)
    return Source(as_typed(path), snapshot, packed.taken_out if packed else ())


def check_files(sources: Sequence[Source], progress: Progress) -> None:
    """Check that no damage is copied: a file that is rewritten gets a new hash.

    Raises:
        DatasetError: a file was changed, or its metadata does not match its rows.
    """
    for source in sources:
        files = source.snapshot.files
        size = sum(entry.bytes for entry in files)
        progress.note(f"hashing {len(files):,} files of {source.name}, {size_in_words(size)}")
        problem = next(damaged_files(source.snapshot.root, files), None) or next(
            _lies(source), None
        )
        if problem is not None:
            raise DatasetError(f"{source.name} is damaged: {problem}; get another copy of it")


def _lies(source: Source) -> Iterator[str]:
    """Check the metadata of the files against their rows; yields one line per wrong file."""
    root, version = source.snapshot.root, source.snapshot.format_version
    for entry in source.snapshot.files:
        problem = parquet_problem(root / entry.path, entry, version)
        if problem is not None:
            yield problem


def check_texts(sources: Sequence[Source], make_pages: MakePages | None) -> list[str]:
    """Check that the texts of each source match its tables: otherwise it was forged.

    Returns:
        One sentence for each text that could not be checked.

    Raises:
        DatasetError: a text differs from what this version writes, or cannot be read.
        SnapshotError: there is no space to write the texts again.
    """
    return [
        f"{source.name}: {text}"
        for source in sources
        for text in refuse_forged(source.snapshot, make_pages)
    ]


def check_times(sources: Sequence[Source], now: datetime) -> None:
    """Check that no snapshot is from the future, because the newest reading wins.

    Raises:
        DatasetError: one is, according to this machine's clock.
    """
    for source in sources:
        made = source.snapshot.created_at
        if made > now + _AHEAD:
            raise DatasetError(
                f"{source.name} is dated {made:%Y-%m-%d %H:%M} UTC, but the clock of this machine "
                f"shows {now:%Y-%m-%d %H:%M} UTC; set the clock, or get another copy of it"
            )


def _check_copy(source: Source, copy: TaskCopy) -> None:
    made = source.snapshot.created_at
    if copy.fetched_at > made + timedelta(seconds=CLOCK_STEP):
        raise DatasetError(
            f"{source.name} has task {copy.task_id} as read at {copy.fetched_at:%Y-%m-%d %H:%M} "
            f"UTC, after the snapshot was created ({made:%Y-%m-%d %H:%M} UTC); get another "
            "copy of it"
        )


def read_copies(sources: Sequence[Source]) -> dict[str, list[TaskCopy]]:
    """Read the copies of each task, by task id.

    Raises:
        DatasetError: a source has a task twice, or a task read after its snapshot was created.
    """
    columns = [field.name for field in fields(TaskCopy) if field.name not in _OWN]
    copies: dict[str, list[TaskCopy]] = {}
    for index, source in enumerate(sources):
        for row in rows(source.snapshot, "tasks", columns, repeated=_REPEATED):
            task_copies = copies.setdefault(row["task_id"], [])
            if task_copies and task_copies[-1].source == index:
                raise DatasetError(
                    f"{source.name} has task {row['task_id']} twice; run clearml-snapshot verify"
                )
            task_copies.append(
                TaskCopy(index, source.snapshot.created_at, len(source.taken_out), **row)
            )
            _check_copy(source, task_copies[-1])
    return copies


def merged_selections(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Combine the remembered selections, equal ones once, so that ``export`` repeats all.

    The number of tasks that one matched is taken from the newest snapshot that has it.
    """
    by_content: dict[str, dict[str, Any]] = {}
    for source in sorted(sources, key=lambda source: source.snapshot.created_at):
        for written in _remembered(source.snapshot):
            selection = {name: value for name, value in written.items() if name != "matched"}
            kept = by_content.setdefault(json.dumps(selection, sort_keys=True), selection)
            kept["matched"] = written.get("matched") or kept.get("matched")
    return list(by_content.values())


def _remembered(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    written = snapshot.selections if isinstance(snapshot.selections, list) else []
    return [entry for entry in written if isinstance(entry, Mapping)]
