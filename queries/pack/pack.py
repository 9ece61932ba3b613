"""Packs a snapshot, or a part of one, into an archive or a folder to share."""

import mimetypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors, named
from clearml_snapshot.exporter.store.disk.exchange import replace_folder
from clearml_snapshot.exporter.store.disk.files import (
    FileEntry,
    move_into_place,
    sync_file,
    sync_folder,
)
from clearml_snapshot.exporter.store.disk.litter import is_unused
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import scratch_beside
from clearml_snapshot.exporter.store.disk.targets import (
    check_new_file,
    check_parent,
)
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.objects.address import is_address
from clearml_snapshot.exporter.store.pack.derived_texts import PAGES
from clearml_snapshot.exporter.store.pack.earlier import check_folder, difference_from_pack
from clearml_snapshot.exporter.store.pack.zip_writer import members, top_folder, write_archive
from clearml_snapshot.exporter.store.snapshots import read_snapshot
from clearml_snapshot.exporter.store.verify.files import damaged_files
from clearml_snapshot.exporter.store.writing.dataset import arrow_memory_released
from clearml_snapshot.exporter.store.writing.subset import write_subset
from clearml_snapshot.queries.dataset import Dataset, open_dataset
from clearml_snapshot.queries.pack.contents import PackOptions, pack_part
from clearml_snapshot.queries.pack.in_bucket import on_this_machine, target_in_bucket
from clearml_snapshot.queries.pack.texts import make_pages
from clearml_snapshot.queries.report.fitting import fitting

ARCHIVE: Final = ".zip"
_OTHER_ARCHIVES: Final = frozenset({".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    path: Path
    """The archive, the folder or the address, as it was given."""
    content_id: str
    """The hash of its ``SHA256SUMS``."""
    bytes: int
    """The size of the archive, or of all files in the folder."""
    tasks: int
    series: int
    points: int
    taken_out: tuple[str, ...]
    """Descriptions of what was removed, one line each."""
    states: Mapping[str, int]
    """Its tasks by state."""
    report: str | None = None
    """What fits its report, if not everything does."""


def pack(
    dataset: Dataset,
    target: Path,
    options: PackOptions | None = None,
    typed_filter: TaskFilter | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Pack the tasks that a dataset is open for; the same contents give the same bytes.

    Args:
        dataset: a dataset from ``open_dataset``, narrowed by its filter.
        target: ``NAME.zip``, which is replaced, or a folder that is new, empty or an earlier pack,
            which is replaced too; or such an address in a bucket.
        options: what to include of these tasks; everything by default.
        typed_filter: the filter that the dataset was opened with, to be recorded in the pack.
        progress: receives notes about progress; silent by default.

    Raises:
        UsageError: nothing is selected, the target is not usable, or something looks like a
            credential and neither ``secrets`` is redacted nor ``keep_secrets`` set.
        NoSuchNameError: the snapshot does not contain a metric or variant.
        DatasetError: a file of the snapshot is damaged.
        SnapshotError: the target cannot be written.
    """
    options, progress = options or PackOptions(), progress or Progress()
    if is_address(target):
        there = target_in_bucket(target, dataset)
        with there.filled(progress) as folder:
            packed = pack(dataset, folder, options, typed_filter, progress)
        return replace(packed, path=target)
    _check_target(target)
    _refuse_source(dataset, target)
    with on_this_machine(dataset, progress) as here:
        return _packed(here, target, options, typed_filter, progress)


def _packed(
    dataset: Dataset,
    target: Path,
    options: PackOptions,
    typed_filter: TaskFilter | None,
    progress: Progress,
) -> Packed:
    part, more = pack_part(dataset, options, typed_filter, progress)
    try:
        with (
            disk_errors(target),
            scratch_beside(target, "packing") as scratch,
            arrow_memory_released(),
        ):
            folder = scratch / "pack"
            is_archive = target.suffix.lower() == ARCHIVE
            progress.note(f"packing into {target}")
            entries = write_subset(folder, dataset.unpacked(), part, more, copies=not is_archive)
            _refuse_damage(folder, entries)
            fits = _write_pages(folder, options)
            content_id = write_sums(folder, entries)
            made = read_snapshot(folder)
            size = (
                _publish_archive(folder, target, content_id)
                if is_archive
                else _publish(folder, target)
            )
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{dataset.snapshot.location} cannot be read: {str(error).splitlines()[0]}; "
            "see clearml-snapshot verify"
        ) from error
    omitted = tuple(more["packed"]["taken_out"])
    counts = (made.totals.tasks, made.totals.series, made.totals.points)
    return Packed(target, content_id, size, *counts, omitted, made.states, fits)


def _check_target(target: Path) -> None:
    refuse_address(target)
    suffix = target.suffix.lower()
    is_file = suffix != ARCHIVE and mimetypes.guess_type(f"x{suffix}")[0] is not None
    if is_file or suffix in _OTHER_ARCHIVES:
        raise UsageError(
            f"{setting('target')} {target}: a pack is a {ARCHIVE} or a folder; use one of these"
        )
    check_parent(target, setting("target"))
    if any(map(_never_changes, target.resolve().parents)):
        raise UsageError(
            f"{setting('target')} {target} is inside or beside a snapshot; choose another folder"
        )
    if target.suffix.lower() == ARCHIVE:
        check_new_file(target, setting("target"))
    else:
        check_folder(target, setting("target"))


def _refuse_source(dataset: Dataset, target: Path) -> None:
    if dataset.aliased is not None:
        raise UsageError("a pack has the names as stored; open the dataset without aliases")
    if dataset.snapshot.pack is None and dataset.snapshot.root.resolve() == target.resolve():
        raise UsageError(
            f"{setting('target')} {target} is what would be packed; choose another folder"
        )


def _never_changes(folder: Path) -> bool:
    """Return whether this is a snapshot, or the folder of a dataset's snapshots."""
    is_theirs = folder.name == "snapshots" and layout.lock(folder.parent).is_file()
    return is_theirs or (folder / layout.SNAPSHOT_JSON).is_file()


def _refuse_damage(folder: Path, entries: Sequence[FileEntry]) -> None:
    """Check that the copied files are unchanged since the export."""
    for problem in damaged_files(folder, entries):
        raise DatasetError(f"the snapshot is damaged: {problem}; run clearml-snapshot verify")


def _write_pages(folder: Path, options: PackOptions) -> str | None:
    """Write the files for browsers and spreadsheets; return what fits the report, if not all."""
    names = [name for name in PAGES if options.report or name != layout.REPORT_HTML]
    make_pages(folder, names, folder)
    for name in names:
        sync_file(folder / name)
    if not options.report:
        return None
    with open_dataset(folder) as packed:
        return fitting(packed).in_words()


def _publish_archive(folder: Path, target: Path, content_id: str) -> int:
    """Write the archive beside the target and publish it with one rename."""
    beside = folder.with_name("archive.zip")
    with named(beside), beside.open("wb") as stream:
        write_archive(stream, members(folder), top_folder(content_id))
        stream.flush()
        os.fsync(stream.fileno())
    size = beside.stat().st_size
    beside.replace(target.resolve())
    sync_folder(target.resolve().parent)
    return size


def _publish(folder: Path, target: Path) -> int:
    size = sum(member.size for member in members(folder))
    if is_unused(target):
        move_into_place(folder, target.resolve())
        return size
    problem = difference_from_pack(target, hashes=False)  # since it was checked at the beginning
    if problem:
        raise UsageError(
            f"{setting('target')} {target} was changed meanwhile ({problem}); nothing was replaced"
        )
    replace_folder(folder, target.resolve())
    return size
