"""Merges datasets of one server; the newest copy of each task wins."""

import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.merge.build import Contribution, assign, build_merged
from clearml_snapshot.exporter.merge.disagreements import unlike_tasks
from clearml_snapshot.exporter.merge.lookups import overlap_lookup, series_lookup
from clearml_snapshot.exporter.merge.report import MergeReport, report
from clearml_snapshot.exporter.merge.rules import (
    INCOMPLETE,
    MergeDecision,
    choose,
)
from clearml_snapshot.exporter.merge.servers import check_server, merged_server, new_address
from clearml_snapshot.exporter.merge.sources import (
    Source,
    check_files,
    check_texts,
    check_times,
    merged_selections,
    open_source,
    read_copies,
)
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.compare.series_outline import (
    Name,
)
from clearml_snapshot.exporter.store.copying.bucket_target import BucketTarget
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.litter import is_litter
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.disk.targets import check_new_folder
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address
from clearml_snapshot.exporter.store.pack.derived_texts import MakePages
from clearml_snapshot.exporter.store.permissions.modes import SharedWith, refuse_without_modes
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold
from clearml_snapshot.exporter.store.writing.build import SnapshotHeader
from clearml_snapshot.exporter.store.writing.dataset import Dataset, arrow_memory_released, writing
from clearml_snapshot.exporter.store.writing.prepare import is_unfinished


def merge_datasets(
    sources: Sequence[Path],
    target: Path,
    progress: Progress | None = None,
    *,
    same_server: bool = False,
    share: SharedWith | None = None,
    make_pages: MakePages | None = None,
) -> MergeReport:
    """Merge snapshots of one server into a new dataset; the sources are not changed.

    If several have a task, the newest reading is used (see ``rules``), and from the others those
    series for which it was not read.

    Args:
        sources: datasets, snapshot folders or packs, or addresses of datasets in buckets, whose
            files are brought to this machine; two or more.
        target: a folder that is new or empty, or in which a process was killed before it had
            created anything; or an address in a bucket at which there is no dataset.
        progress: receives the progress; silent by default.
        same_server: different addresses are one server; common tasks must not contradict it.
        share: who may read the new dataset; None keeps the permissions of an empty target, and
            makes a new one private.
        make_pages: creates the pages of a pack again, see ``store/pack/derived_texts.py``.

    Raises:
        UsageError: the sources are of several servers, or the target is not usable.
        DatasetError: a source cannot be read, or one of its files or texts was changed.
        SnapshotError: the target cannot be written.
    """
    progress = progress or Progress()
    _check_sources(sources)
    if not is_address(target):
        refuse_without_modes(share)
        _check_target(target, sources)
        return _merged(sources, target, str(target), progress, same_server, share, make_pages)
    if share is not None:
        raise UsageError(f"{setting('share')} is for folders; a bucket has rights of its own")
    there = BucketTarget(target, setting("target"))
    there.check()
    with there.filled(progress) as folder:
        merged = _merged(sources, folder, str(there), progress, same_server, None, make_pages)
    return replace(merged, snapshot=target)


def _merged(
    sources: Sequence[Path],
    target: Path,
    place: str,
    progress: Progress,
    same_server: bool,
    share: SharedWith | None,
    make_pages: MakePages | None,
) -> MergeReport:
    """Merge into a folder of this machine; the place is what a user knows it by."""
    with ExitStack() as held:
        opened = [open_source(path, held) for path in sources]
        for source in opened:
            held.enter_context(hold(source.snapshot))
        check_server(opened, same_server=same_server)
        check_times(opened, datetime.now(UTC))
        check_files(opened, progress)
        unproven = check_texts(opened, make_pages)
        with _translating_errors(target), arrow_memory_released():
            choices = _choices(opened)
            progress.note(f"merging {len(choices):,} tasks into {place}")
            unlike = unlike_tasks(opened, choices)
            snapshot = _write(target, opened, choices, share)
        merged = report(opened, choices, snapshot)
        return replace(merged, unproven=tuple(unproven), unlike=unlike)


@contextmanager
def _translating_errors(target: Path) -> Iterator[None]:
    """Translate errors of the disk and of damaged sources to one line."""
    try:
        with disk_errors(target, "nothing was merged"):
            yield
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        if is_out_of_room(error):
            raise SnapshotError(
                f"cannot write {target}: the disk is full; nothing was merged; free some space"
            ) from error
        raise DatasetError(
            f"a source is damaged ({str(error).splitlines()[0]}); nothing was merged; "
            "run clearml-snapshot verify on each"
        ) from error


def _check_sources(sources: Sequence[Path]) -> None:
    if len(sources) < 2:
        raise UsageError("merge needs two or more datasets; add another one")
    known: set[str] = set()
    for source in sources:
        if not is_address(source):
            refuse_address(source)
        place = as_typed(source) if is_address(source) else str(source.resolve())
        if place in known:
            raise UsageError(f"{as_typed(source)} is given twice; replace one of them")
        known.add(place)


def _check_target(target: Path, sources: Sequence[Path]) -> None:
    refuse_address(target)
    if target.suffix.lower() == ".zip":
        raise UsageError(
            f"{setting('target')} {target}: merge writes a dataset, which is a folder; "
            "use pack afterwards"
        )
    if not is_unfinished(target):
        check_new_folder(target, setting("target"))
    for source in (source for source in sources if not is_address(source)):
        if target.resolve().is_relative_to(source.resolve()):
            raise UsageError(
                f"{setting('target')} {target} is inside {source}; choose a folder outside of it"
            )


def _choices(sources: Sequence[Source]) -> list[MergeDecision]:
    """Decide for each task, in the order of their ids."""
    copies = read_copies(sources)
    narrow = [
        task_id
        for task_id in sorted(copies)
        if len(copies[task_id]) > 1
        and any(
            task_copy.metric_filter or task_copy.state in INCOMPLETE or task_copy.was_unread
            for task_copy in copies[task_id]
        )
    ]
    snapshots = [source.snapshot for source in sources]
    series_of, overlap_of = series_lookup(snapshots, narrow), overlap_lookup(snapshots)
    interned: dict[frozenset[Name], frozenset[Name]] = {}
    return [
        _interned(choose(copies[task_id], series_of, overlap_of), interned)
        for task_id in sorted(copies)
    ]


def _interned(
    choice: MergeDecision, interned: dict[frozenset[Name], frozenset[Name]]
) -> MergeDecision:
    """Keep one copy of names that many tasks share."""
    parts = (replace(p, series=interned.setdefault(p.series, p.series)) for p in choice.parts)
    return replace(choice, parts=tuple(parts)) if choice.parts else choice


def _write(
    target: Path,
    sources: Sequence[Source],
    choices: Sequence[MergeDecision],
    share: SharedWith | None,
) -> Snapshot:
    created_at = max(source.snapshot.created_at for source in sources)
    selections, server = merged_selections(sources), merged_server(sources)
    shares = _shares(sources, choices, server)
    with _new_dataset(target, share) as dataset:
        spill = layout.staging(target) / "merge"

        def make(root: Path, number: int) -> None:
            about = SnapshotHeader(
                number, server, selections, checkpoint=False, created_at=created_at
            )
            build_merged(root, shares, about, spill)

        if dataset.snapshot is not None:  # another process was faster
            raise UsageError(
                f"{setting('target')} {target} now contains a dataset; choose another folder"
            )
        return dataset.adopt(make)


@contextmanager
def _new_dataset(target: Path, share: SharedWith | None) -> Iterator[Dataset]:
    """Begin a dataset; if it ends without a snapshot, everything is removed.

    This includes what a killed process has left there.
    """
    existed, is_ours = target.is_dir(), False
    there = {path for path in target.iterdir() if is_litter(path.name)} if existed else set()
    try:
        with writing(target, share=share) as dataset:
            is_ours = True
            yield dataset
    finally:
        if is_ours and current_snapshot_folder(target) is None:
            _clear(target, there)
        if not existed:
            with suppress(
                OSError
            ):  # it is not empty: it was created, or belongs to another process
                target.rmdir()


def _clear(folder: Path, there: Set[Path]) -> None:
    """Empty a folder, except for what was there before."""
    for entry in {*folder.iterdir()} - there:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _shares(
    sources: Sequence[Source], choices: Sequence[MergeDecision], server: Mapping[str, Any]
) -> list[Contribution]:
    """Return for each source what is left out or changed."""
    shares = [
        Contribution(source.snapshot, address=new_address(source, server)) for source in sources
    ]
    assign(shares, choices)
    return shares
