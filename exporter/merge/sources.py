"""The datasets that are to be joined: opened, and read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.merge.rules import TaskCopy
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages, refuse_forged
from clearml_snapshot.exporter.store.pack.provenance import provenance
from clearml_snapshot.exporter.store.parts.reading import read_batches
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem
from clearml_snapshot.exporter.store.verify.rows import CLOCK_STEP
from clearml_snapshot.exporter.store.verify.verify import damaged_files

_OWN: Final = ("source", "made", "taken_out")
"""Fields of ``TaskCopy`` that are no columns of ``tasks``."""

_SHARED: Final = ("task_id", "name", "project_id", "status", "state", "metric_filter")
"""Columns whose texts many copies have in common: one of each is kept."""

_AHEAD: Final = timedelta(days=1)
"""How far the clocks of two machines may be apart."""

_ROWS_AT_ONCE: Final = 4_096
"""Rows held as Python objects."""


@dataclass(frozen=True)
class Source:
    """A snapshot to be joined."""

    name: str
    """As it was typed."""
    snapshot: Snapshot
    taken_out: tuple[str, ...] = ()
    """What its pack left out, a line each; nothing for what is not a pack."""


def open_source(path: Path) -> Source:
    """Open a dataset, a snapshot folder or a pack.

    Raises:
        DatasetError: it is none, or damaged.
    """
    snapshot = open_snapshot(path)
    packed = provenance(snapshot)
    return Source(str(path), snapshot, packed.taken_out if packed else ())


def check_files(sources: Sequence[Source], progress: Progress) -> None:
    """See that no damage is taken over: a file that is written anew gets a hash anew.

    Raises:
        DatasetError: a file is not as it was written, or says of its rows what is not true.
    """
    for source in sources:
        files = source.snapshot.files
        size = sum(entry.bytes for entry in files)
        progress.note(f"hashing {len(files):,} files of {source.name}, {size / 1e6:,.1f} MB")
        problem = next(damaged_files(source.snapshot.root, files), None) or next(
            _lies(source), None
        )
        if problem is not None:
            raise DatasetError(f"{source.name} is damaged: {problem}; get another copy of it")


def _lies(source: Source) -> Iterator[str]:
    """Check what the files say of their rows; one line per file that does not say the truth."""
    root, version = source.snapshot.root, source.snapshot.format_version
    for entry in source.snapshot.files:
        problem = parquet_problem(root / entry.path, entry, version)
        if problem is not None:
            yield problem


def check_texts(sources: Sequence[Source], make_pages: MakePages | None) -> list[str]:
    """See that the texts of each source are what its tables give: a forger has touched it else.

    Returns:
        What could not be proven, one sentence each.

    Raises:
        DatasetError: a text is not what this version writes, or cannot be read.
        SnapshotError: there is no room to write the texts again.
    """
    return [
        f"{source.name}: {text}"
        for source in sources
        for text in refuse_forged(source.snapshot, make_pages)
    ]


def check_times(sources: Sequence[Source], now: datetime) -> None:
    """See that no snapshot is of the future: the newest reading wins.

    Raises:
        DatasetError: one is, by this machine's clock.
    """
    for source in sources:
        made = source.snapshot.created_at
        if made > now + _AHEAD:
            raise DatasetError(
                f"{source.name} says that it was made at {made:%Y-%m-%d %H:%M} UTC, and this "
                f"machine's clock says {now:%Y-%m-%d %H:%M} UTC; set the clock, or get another "
                "copy of it"
            )


def _check_copy(source: Source, copy: TaskCopy) -> None:
    made = source.snapshot.created_at
    if copy.fetched_at > made + timedelta(seconds=CLOCK_STEP):
        raise DatasetError(
            f"{source.name} has task {copy.task_id} as read at {copy.fetched_at:%Y-%m-%d %H:%M} "
            f"UTC, which is after the snapshot was made ({made:%Y-%m-%d %H:%M} UTC); get another "
            "copy of it"
        )


def read_copies(sources: Sequence[Source]) -> dict[str, list[TaskCopy]]:
    """Read what each source has of each task, by task id.

    Raises:
        DatasetError: a source has a task twice, or one that was read after it was made.
    """
    columns = [one.name for one in fields(TaskCopy) if one.name not in _OWN]
    texts: dict[str, str] = {}
    copies: dict[str, list[TaskCopy]] = {}
    for place, source in enumerate(sources):
        for row in task_rows(source.snapshot, columns):
            for name in _SHARED:
                if row[name] is not None:
                    row[name] = texts.setdefault(row[name], row[name])
            its = copies.setdefault(row["task_id"], [])
            if its and its[-1].source == place:
                raise DatasetError(
                    f"{source.name} has task {row['task_id']} twice; run clearml-snapshot verify"
                )
            its.append(TaskCopy(place, source.snapshot.created_at, len(source.taken_out), **row))
            _check_copy(source, its[-1])
    return copies


def task_rows(snapshot: Snapshot, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Read some columns of ``tasks`` and nothing else, few rows at a time."""
    for path in snapshot.paths("tasks"):
        for batch in read_batches(path, "tasks", _ROWS_AT_ONCE, columns):
            yield from batch.select(columns).to_pylist()


def joined_selections(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Join what the sources remember, equal ones once, so that a bare ``export`` repeats all.

    How many tasks one matched is the word of the newest snapshot that knows it.
    """
    found: dict[str, dict[str, Any]] = {}
    for source in sorted(sources, key=lambda source: source.snapshot.created_at):
        for written in _remembered(source.snapshot):
            selection = {name: value for name, value in written.items() if name != "matched"}
            one = found.setdefault(json.dumps(selection, sort_keys=True), selection)
            one["matched"] = written.get("matched") or one.get("matched")
    return list(found.values())


def _remembered(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    written = snapshot.selections if isinstance(snapshot.selections, list) else []
    return [one for one in written if isinstance(one, Mapping)]
