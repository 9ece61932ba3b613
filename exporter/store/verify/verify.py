"""Checks a snapshot offline: its files against snapshot.json, its rows against each other.

Files come first: rows are read only if every file is as it was written, so that damage is reported
by file and not as a reader's error. The texts come last, because they are generated from all the
rest.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.disk.litter import is_below_litter, is_read_by_globs
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.finding import dataset_near, may_be_pack
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages, TextsFound, compare_texts
from clearml_snapshot.exporter.store.parts.stored import rows as stored_rows
from clearml_snapshot.exporter.store.permissions.access import naming_owner
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, hold, read_header
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.untrusted.plain_files import (
    read_plain,
)
from clearml_snapshot.exporter.store.verify.archive import (
    REMADE,
    Arrived,
    BrokenArchiveError,
    archive_problems,
    arrived,
)
from clearml_snapshot.exporter.store.verify.checksums import (
    has_sums,
    stored_content_id,
    sums_problems,
)
from clearml_snapshot.exporter.store.verify.files import (
    Check,
    Points,
    Rate,
    content_problems,
    file_problems,
    points_in_words,
)
from clearml_snapshot.exporter.store.verify.in_bucket import DamagedManifestError, from_bucket
from clearml_snapshot.exporter.store.verify.rows import row_problems


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one snapshot; without problems it is intact."""

    root: Path | str
    """The folder or the pack; an address of a bucket is a text."""
    problems: tuple[str, ...]
    """One line each: what, which; names are unchanged, control characters included."""
    notes: tuple[str, ...]
    """What could not be checked, and what was ignored, one sentence each."""
    files: int
    bytes: int
    tasks: int
    series: int
    points: int
    states: Mapping[str, int] = field(default_factory=dict)
    """Tasks by state: an intact snapshot need not be complete."""
    content_id: str | None = None
    """The hash of ``SHA256SUMS``; None for an older format."""
    unproven: tuple[str, ...] = ()
    """Texts that could not be compared, one sentence each; see ``pack.derived_texts``."""
    is_quick: bool = False
    """Whether only the list of files and all hashes were checked."""

    @property
    def is_intact(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


def verify(
    folder: Path,
    snapshot: int | None = None,
    progress: Progress | None = None,
    make_pages: MakePages | None = None,
    *,
    quick: bool = False,
) -> Verification:
    """Check everything that can be checked of a snapshot without its server.

    Args:
        folder: a dataset, or a snapshot wherever it was copied to, packed or not; or the address of
            a dataset in a bucket, whose files are brought to this machine one after the other.
        snapshot: which one of a dataset, by its number; None is the current one.
        progress: reports what is being read; silent by default.
        make_pages: makes the pages of a pack again, see ``verify_texts``; ``queries.pages`` has
            one. None leaves them unproven.
        quick: check only the list of files and all hashes, not what is in the files.

    Raises:
        UsageError: it is an address that cannot be used.
        NoDatasetError: there is nothing to verify.
        DatasetError: the format is newer than this tool, or ``current`` leads nowhere.
        SnapshotError: there is no space to unpack a pack, or for what does not fit into memory.
    """
    how = _How(progress or Progress(), make_pages, quick)
    if is_address(folder):
        return _verified_in_bucket(folder, snapshot, how)
    refuse_address(folder)
    with naming_owner(folder):
        if snapshot is None and folder.is_file():
            if not may_be_pack(folder):
                raise NoDatasetError(f"{folder} is not a pack; choose a dataset or a .zip file")
            return _verified_pack(folder, how)
        return _verified_folder(_root(folder, snapshot), how)


@dataclass(frozen=True, slots=True)
class _How:
    """What the caller of ``verify`` provides."""

    progress: Progress
    make_pages: MakePages | None
    quick: bool
    check: Check | None = None
    """Reads a file of a bucket; None if all files are in the folder."""


def _verified_folder(root: Path, how: _How, *, rows: bool = True) -> Verification:
    try:
        snapshot = described(root, read_header(root))
    except DatasetError as error:
        if _is_newer(root):
            raise
        return _unreadable(root, error)
    with hold(snapshot):
        return _verified(snapshot, how, rows=rows)


def _unreadable(root: Path | str, error: DatasetError) -> Verification:
    return Verification(root, (str(error),), (), 0, 0, 0, 0, 0)


def _verified_in_bucket(address: Path, number: int | None, how: _How) -> Verification:
    """Check the list of files, the files while they arrive, and then their rows."""
    place = as_typed(address)
    try:
        with from_bucket(address, number, quick=how.quick) as arriving:
            result = _verified_folder(arriving.folder, replace(how, check=arriving.check))
    except DamagedManifestError as error:
        return _unreadable(place, error)
    problems = tuple(text.replace(str(arriving.folder), place) for text in result.problems)
    unproven = (*result.unproven, *arriving.unproven)
    return replace(result, root=place, problems=problems, unproven=unproven)


def _verified_pack(path: Path, how: _How) -> Verification:
    """Check the archive, its contents like a folder, and the rows when all of that is intact."""
    try:
        with arrived(path) as pack:
            if layout.SNAPSHOT_JSON in pack.damaged:  # it does not show what else is damaged
                return Verification(path, _changed(pack.damaged), (), 0, 0, 0, 0, 0)
            around = [] if pack.damaged else archive_problems(path, pack)
            result = _contents(path, pack, how, rows=not (pack.damaged or around))
    except BrokenArchiveError as error:
        return _unreadable(path, error)
    if around is None:
        return replace(result, notes=(*result.notes, REMADE, *_notes(pack.archive.litter)))
    reported = "\n".join(result.problems)
    damaged = _changed(name for name in pack.damaged if name not in reported)
    return replace(result, problems=(*result.problems, *damaged, *around))


def _changed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"content changed: {name}" for name in names)


def _contents(path: Path, pack: Arrived, how: _How, *, rows: bool) -> Verification:
    """Verify what was unpacked, and report it under the name of the pack."""
    try:
        result = _verified_folder(pack.folder, how, rows=rows)
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(pack.folder), str(path))) from error
    problems = tuple(problem.replace(str(pack.folder), str(path)) for problem in result.problems)
    return replace(result, root=path, problems=problems)


def _root(folder: Path, number: int | None) -> Path:
    if number is None and (folder / layout.SNAPSHOT_JSON).is_file():
        return folder.resolve()
    root = current_snapshot_folder(folder) if number is None else layout.snapshot(folder, number)
    if root is None or not root.is_dir():
        near = dataset_near(folder)
        hint = "choose another folder" if near is None else f"there is one at {near}"
        raise NoDatasetError(f"no snapshot at {root or folder}; {hint}")
    return root.resolve()


def _is_newer(root: Path) -> bool:
    try:
        path = root / layout.SNAPSHOT_JSON
        header = snapshot_json.loaded(read_plain(path, snapshot_json.MOST_BYTES))
        return bool(header["format_version"] > layout.FORMAT_VERSION)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _verified(snapshot: Snapshot, how: _How, *, rows: bool) -> Verification:
    problems = [*_header_problems(snapshot), *_stranger_problems(snapshot)]
    notes = [*_notes(_litter(snapshot.root))]
    if has_sums(snapshot):
        problems += sums_problems(snapshot)
    else:
        notes.append(
            "snapshot.json, README.md and open.sql are not checked: this older format has no "
            "hashes of them"
        )
    listed = sum(entry.bytes for entry in snapshot.files)
    how.progress.note(f"hashing {len(snapshot.files):,} files, {size_in_words(listed)}")
    hashing = Rate(how.progress, "hashing", listed, size_in_words)
    damaged = [*file_problems(snapshot, hashing, how.check)]
    problems += damaged
    speeds = [f"hashed {hashing}"]
    is_checked = False
    if not (how.quick or damaged):
        contents, speed = _content_problems(snapshot, how.progress, rows=rows)
        problems += contents
        is_checked = speed is not None
        speeds += [f"checked {speed}"] if is_checked else []
    if not (how.quick or is_checked):
        notes.append("the rows are not checked: that needs intact files")
    texts = TextsFound()
    if is_checked and not problems:
        texts = compare_texts(snapshot, how.make_pages)
    how.progress.note(", ".join(speeds))
    count = _rows(snapshot)
    return Verification(
        snapshot.root,
        (*problems, *texts.problems),
        tuple(notes),
        files=len(snapshot.files),
        bytes=listed,
        tasks=count["tasks"],
        series=count["series"],
        points=count["scalars"],
        states=_states(snapshot, is_readable=is_checked),
        content_id=stored_content_id(snapshot.root),
        unproven=texts.unproven,
        is_quick=how.quick,
    )


def _content_problems(
    snapshot: Snapshot, progress: Progress, *, rows: bool
) -> tuple[list[str], str | None]:
    """Check what is in files that are as they were written.

    Args:
        snapshot: the snapshot.
        progress: reports the rate.
        rows: whether to compare the rows with each other.

    Returns:
        Problems, and how many points were checked at which rate; None if the rows were not compared
        with each other, which needs files without problems.
    """
    count = _rows(snapshot)
    progress.note(f"checking {count['tasks']:,} tasks and {count['scalars']:,} points")
    rate = Rate(progress, "checking", count["scalars"], points_in_words)
    with scratch_in(Path(tempfile.gettempdir()), "clearml-snapshot-verify-") as scratch:
        points = Points(scratch)
        problems = [*content_problems(snapshot, points, rate)]
        if problems or not rows:
            return problems, None
        problems = [*row_problems(snapshot, points)]
    return problems, str(rate)


def _rows(snapshot: Snapshot) -> Counter[str]:
    rows: Counter[str] = Counter()
    for entry in snapshot.files:
        rows[entry.table] += entry.rows
    return rows


def _states(snapshot: Snapshot, *, is_readable: bool) -> Mapping[str, int]:
    """Return the tasks by state; ``snapshot.json`` of an older format does not count them."""
    if snapshot.format_version >= layout.STATES_SINCE:
        return snapshot.states
    try:
        names = stored_rows(snapshot, "tasks", ["state"]) if is_readable else ()
        return Counter(row["state"] for row in names)
    except pa.ArrowException:  # reported by the check of the rows
        return {}


def _header_problems(snapshot: Snapshot) -> Iterator[str]:
    """Compare the numbers in snapshot.json with its own list of files."""
    named = layout.snapshot_number(snapshot.root.name)
    if named is not None and named != snapshot.number:
        yield (
            f"snapshot.json states number {snapshot.number}, but the folder is {snapshot.root.name}"
        )
    if not isinstance(snapshot.selections, list | dict | None):
        yield f"snapshot.json: selections are {type(snapshot.selections).__name__}"
    rows = _rows(snapshot)
    totals = snapshot.totals
    listed = sum(entry.bytes for entry in snapshot.files)
    for name, total, counted in (
        ("tasks", totals.tasks, rows["tasks"]),
        ("series", totals.series, rows["series"]),
        ("points", totals.points, rows["scalars"]),
        ("bytes", totals.bytes, listed),
    ):
        if total != counted:
            yield f"snapshot.json states {total:,} {name}, but its files have {counted:,}"
    repeated = Counter(entry.path for entry in snapshot.files)
    yield from (f"snapshot.json lists {path} twice" for path, n in repeated.items() if n > 1)


def _stranger_problems(snapshot: Snapshot) -> Iterator[str]:
    """Find files that a plain glob would read and snapshot.json does not list."""
    listed = {entry.path for entry in snapshot.files}
    for table in layout.TABLE_NAMES:
        for folder, _, names in os.walk(snapshot.root / table):
            for name in sorted(names):
                path = (Path(folder) / name).relative_to(snapshot.root).as_posix()
                if path not in listed and (is_read_by_globs(name) or not _is_harmless(path)):
                    yield f"not listed in snapshot.json: {path}"


def _is_harmless(path: str) -> bool:
    return is_below_litter(path) or path.rpartition("/")[2].startswith(".")


def _litter(root: Path) -> Iterator[str]:
    """List files that systems left in a snapshot and that globs do not read."""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(root).as_posix()
            if is_below_litter(path) and not is_read_by_globs(name):
                yield path


def _notes(litter: Iterable[str]) -> Iterator[str]:
    """Describe in one line what was ignored; the first name is an example."""
    names = [*litter]
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield f"ignored, as left by the system or a copying tool: {names[0]}{more}"
