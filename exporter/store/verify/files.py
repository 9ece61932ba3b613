"""Checks each file of a snapshot: first its hash, then its footer, statistics and points.

Files are read by as many threads as there are cores, and each point is read once. Memory is that of
one row group per thread.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem
from clearml_snapshot.exporter.store.untrusted.plain_files import NotARegularFileError, PlainFolder
from clearml_snapshot.exporter.store.verify.checksums import hash_problem
from clearml_snapshot.exporter.store.verify.points import PointsOfFile

_HASHING: Final = 4
"""Files hashed at once: more would only make a hard disk seek."""

_MOST_READING: Final = 8
"""Files read at once: each needs memory for one row group."""

_REPORTED_EVERY: Final = 10.0
"""Seconds between reports."""


@dataclass(slots=True)
class Points:
    """What was found when the points of a snapshot were read."""

    scratch: Path
    """A folder for what does not fit into memory."""
    files: list[str] = field(default_factory=list)
    """The runs of points, one file per file of ``scalars``; see ``points.RUNS``."""
    bad_times: int = 0

    def problems(self) -> Iterator[str]:
        """Report the points whose single values are wrong."""
        if self.bad_times:
            yield f"scalars: timestamp of {self.bad_times:,} rows is not in the years 1 to 9999"


class Rate:
    """Reports every ten seconds how much is done, and how fast.

    Args:
        progress: receives the reports.
        doing: what is done, for the report.
        total: how much there is to do.
        in_words: formats an amount.
    """

    def __init__(
        self, progress: Progress, doing: str, total: int, in_words: Callable[[int], str]
    ) -> None:
        self._progress, self._doing, self._total = progress, doing, total
        self._in_words = in_words
        self._begun = self._reported = time.monotonic()
        self._done = 0

    def add(self, amount: int) -> None:
        """Count what was done, and report it if the last report is old."""
        self._done += amount
        now = time.monotonic()
        if now - self._reported >= _REPORTED_EVERY:
            self._reported = now
            done = f"{self._in_words(self._done)} of {self._in_words(self._total)}"
            self._progress.note(f"{self._doing}: {done} ({self._speed(now)}/s)")

    def __str__(self) -> str:
        """Describe what was done until now: amount, seconds and rate."""
        now = time.monotonic()
        return f"{self._in_words(self._done)} in {now - self._begun:.1f} s ({self._speed(now)}/s)"

    def _speed(self, now: float) -> str:
        speed = self._done / max(now - self._begun, 0.001)
        return self._in_words(round(float(f"{speed:.3g}")))


def points_in_words(count: int) -> str:
    """Format a number of points."""
    return f"{count:,} points"


Check = Callable[[FileEntry], str | None]
"""Hashes a file, and describes in one line how it differs from what was written."""


def file_problems(snapshot: Snapshot, rate: Rate, check: Check | None = None) -> Iterator[str]:
    """Check each listed file's place, size and hash.

    Args:
        snapshot: whose files.
        rate: counts their bytes.
        check: how to hash a file that is not in the snapshot's folder yet; None if all of them are.
    """
    for table in layout.TABLE_NAMES:
        if not any(entry.table == table for entry in snapshot.files):
            yield f"snapshot.json lists no file of {table}"
    for entry, problem in _hashed(snapshot.root, snapshot.files, check):
        rate.add(entry.bytes)
        if problem is not None:
            yield problem


def damaged_files(root: Path, entries: Iterable[FileEntry]) -> Iterator[str]:
    """Check the place, size and hash of files of a snapshot; one line per damaged file."""
    yield from (problem for _, problem in _hashed(root, entries) if problem is not None)


def _hashed(
    root: Path, entries: Iterable[FileEntry], check: Check | None = None
) -> Iterator[tuple[FileEntry, str | None]]:
    def checked(entry: FileEntry) -> tuple[FileEntry, str | None]:
        if not _is_in_place(entry):
            return entry, f"not a valid path for a file of {entry.table}: {entry.path}"
        return entry, _file_problem(root, entry) if check is None else check(entry)

    with ThreadPoolExecutor(_HASHING, thread_name_prefix="hash") as pool:
        yield from pool.map(checked, entries)


def _file_problem(root: Path, entry: FileEntry) -> str | None:
    path = root / entry.path
    try:
        size = PlainFolder(root).status(entry.path).st_size
        if size != entry.bytes:
            return f"{size:,} bytes instead of {entry.bytes:,}: {entry.path}"
    except NotARegularFileError as error:
        return f"{error.strerror}: {entry.path}"
    except OSError:  # reported below, with the system's reason
        pass
    return hash_problem(path, entry.path, entry.sha256)


def _is_in_place(entry: FileEntry) -> bool:
    """Return whether a listed path is in the folder of its table, and so inside the snapshot."""
    steps = entry.path.split("/")
    folder = [] if entry.table != "scalars" else [steps[1] if len(steps) > 1 else ""]
    return (
        entry.table in layout.TABLE_NAMES
        and steps[:-1] == [entry.table, *folder]
        and all(step.startswith("project_id=") for step in folder)
        and steps[-1].endswith(".parquet")
        and "\\" not in entry.path
    )


def content_problems(snapshot: Snapshot, points: Points, rate: Rate) -> Iterator[str]:
    """Check the footer and statistics of each file, and summarise its points.

    Args:
        snapshot: its files are as they were written.
        points: receives what is found of the points.
        rate: counts them.
    """

    def examined(numbered: tuple[int, FileEntry]) -> tuple[str | None, int]:
        number, entry = numbered
        path = snapshot.root / entry.path
        if entry.table != "scalars":
            return parquet_problem(path, entry, snapshot.format_version), 0
        with PointsOfFile(path, points.scratch / f"runs-{number}.parquet") as found:
            problem = parquet_problem(path, entry, snapshot.format_version, found.add)
        return problem, found.bad_times

    threads = min(_MOST_READING, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
        try:
            numbered = [*enumerate(snapshot.files)]
            for (number, entry), (problem, bad_times) in zip(
                numbered, pool.map(examined, numbered), strict=True
            ):
                if problem is not None:
                    yield problem
                if entry.table == "scalars":
                    points.files.append(str(points.scratch / f"runs-{number}.parquet"))
                    points.bad_times += bad_times
                    rate.add(entry.rows)
        finally:
            pool.shutdown(cancel_futures=True)
