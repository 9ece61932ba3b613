"""Creates, locks, commits to and prunes a dataset."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.files import make_folder, point_to, sync_folder, sync_tree
from clearml_snapshot.exporter.store.disk.reserve import is_full_disk
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import Retention, kept
from clearml_snapshot.exporter.store.parts.compaction import is_crowded
from clearml_snapshot.exporter.store.parts.staging import Stage, StageLimits
from clearml_snapshot.exporter.store.permissions.access import naming_owner
from clearml_snapshot.exporter.store.permissions.apply import reshare, set_modes, set_modes_beside
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE, Rule, SharedWith
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder, numbers
from clearml_snapshot.exporter.store.snapshots import (
    Snapshot,
    no_readers,
    read_header,
    read_snapshot,
)
from clearml_snapshot.exporter.store.untrusted import manifest as snapshot_json
from clearml_snapshot.exporter.store.writing.build import SnapshotHeader, build, rebuild
from clearml_snapshot.exporter.store.writing.one_writer import only_writer, write_owner
from clearml_snapshot.exporter.store.writing.prepare import prepare
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter, moment_after

_PRUNED: Final = "pruned-"
"""Snapshots to be deleted are moved into ``.staging`` under this prefix and their number."""


@contextmanager
def writing(
    data: Path,
    *,
    wait: bool = False,
    share: SharedWith | None = None,
    limits: StageLimits | None = None,
) -> Iterator["Dataset"]:
    """Become the only writer of a dataset, and remove what a killed writer left.

    Args:
        data: the dataset's folder; made when it is not there.
        wait: wait for another writer to end instead of failing.
        share: who may read it from now on; None leaves that as it is.
        limits: how much its stages hold in memory.

    Raises:
        LockedError: another process is writing.
        UsageError: the folder contains something else, or cannot be shared.
        DatasetError: its current snapshot is damaged or newer than this tool.
    """
    with naming_owner(data, writing=True):
        prepare(data, share)
    with only_writer(data, wait=wait), arrow_memory_released():
        try:
            with naming_owner(data, writing=True):
                dataset = Dataset(data, limits)
                if share is not None:
                    reshare(data, share)
            yield dataset
        finally:
            shutil.rmtree(layout.staging(data), ignore_errors=True)


@contextmanager
def arrow_memory_released() -> Iterator[None]:
    """Let Arrow release the memory that it frees, which its default pool (mimalloc) mostly keeps.

    6 million points peaked at 343 MB with that one, at 303 with jemalloc and at 289 with the
    system's own, which costs a tenth of the time.
    """
    before = pa.default_memory_pool()
    try:
        pool = pa.jemalloc_memory_pool()
    except NotImplementedError:  # not built for this platform
        pool = pa.system_memory_pool()
    pa.set_memory_pool(pool)
    try:
        yield
    finally:
        pa.set_memory_pool(before)


class Dataset(DatasetWriter):
    """A dataset under the writer's lock; see ``writing``."""

    def __init__(self, data: Path, limits: StageLimits | None = None) -> None:
        self._data = data
        folder = current_snapshot_folder(data)
        snapshot = None if folder is None else read_snapshot(folder)
        super().__init__(layout.staging(data), snapshot, limits)
        self._kept_by_disk: dict[int, OSError] = {}
        """Snapshots that could not be removed, or not completely."""
        self._clean()
        if self._snapshot is not None and not self._is_linked(self._snapshot):
            self._point_to(self._snapshot.number)

    def _is_linked(self, snapshot: Snapshot) -> bool:
        """Return whether the link leads to a snapshot; a copy may have none, or a text as well."""
        link, text = layout.current_link(self._data), layout.current_text(self._data)
        return link.is_dir() and not text.exists() and link.resolve() == snapshot.root

    def _clean(self) -> None:
        staging = layout.staging(self._data)
        if staging.exists():
            self._clear(staging)
        staging.mkdir(mode=PRIVATE, exist_ok=True)
        write_owner(self._data)
        set_modes_beside(self._data)
        current = 0 if self._snapshot is None else self._snapshot.number
        for number in numbers(self._data):
            if number > current:  # renamed into place, but killed before it became current
                shutil.rmtree(layout.snapshot(self._data, number))

    def _clear(self, staging: Path) -> None:
        """Delete what an earlier writer left; old snapshots that cannot be deleted are ignored.

        Raises:
            OSError: something else is left.
        """
        try:
            shutil.rmtree(staging)
        except OSError as error:
            if staging.is_symlink():
                raise
            shutil.rmtree(staging, ignore_errors=True)
            left = [entry.name.partition(_PRUNED) for entry in staging.iterdir()]
            if not left or any(before or not number.isdecimal() for before, _, number in left):
                raise
            self._kept_by_disk |= {int(number): error for _, _, number in left}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings: snapshots that the disk refused to delete, in one line."""
        if not self._kept_by_disk:
            return ()
        kept_here = sorted(self._kept_by_disk)
        error = self._kept_by_disk[kept_here[0]]
        word = "snapshot" if len(kept_here) == 1 else "snapshots"
        return (
            f"could not remove {word} {', '.join(map(str, kept_here))} of {self._data}: "
            f"{error.strerror or error}; the new snapshot is complete, and the next export tries "
            "again",
        )

    def commit(
        self,
        stage: Stage,
        *,
        server: Mapping[str, Any],
        selections: Any,
        export_row: Mapping[str, Any] | None,
        keep: Retention | None = None,
        checkpoint: bool = False,
        prune: bool = True,
        spare: int | None = None,
        compact: bool = True,
    ) -> Snapshot:
        """Make the last snapshot plus the stage's tasks the current one, by one rename."""
        self._reserve.give_back()
        number = 1 if self._snapshot is None else self._snapshot.number + 1
        rule = None if self._snapshot is None else self._snapshot.keep
        rule = rule if keep is None else keep.text
        about = SnapshotHeader(
            number, server, selections, checkpoint, moment_after(self._snapshot), rule
        )
        folder = layout.staging(self._data) / f"{number:06d}"
        build(folder, stage, self._snapshot, about, export_row)
        snapshot = self._publish(folder, number)
        if checkpoint:
            return snapshot
        if prune:
            self.prune(self.retention, spare)
        if compact and is_crowded(snapshot):
            return self._compact(snapshot)
        return snapshot

    def amend(
        self, *, selections: Any = None, export_row: Mapping[str, Any] | None = None
    ) -> Snapshot:
        """Commit the contents of the last snapshot again, with another description."""
        last = self._snapshot
        if last is None:
            raise DatasetError(f"{self._data} has no snapshot yet; export first")
        number = last.number + 1
        folder = layout.staging(self._data) / f"{number:06d}"
        about = SnapshotHeader(
            number,
            last.server,
            last.selections if selections is None else selections,
            last.checkpoint,
            last.created_at,
            last.keep,
        )
        build(folder, self.new_stage(), last, about, export_row)
        snapshot = self._publish(folder, number)
        same = [n for n, at in self._finished().items() if at == last.created_at]
        for between in same[1:-1]:
            self._remove(between)
        return snapshot

    def adopt(self, make: Callable[[Path, int], object], number: int | None = None) -> Snapshot:
        """Make a folder that was not filled by a stage the current snapshot."""
        if number is None:
            number = 1 if self._snapshot is None else self._snapshot.number + 1
        folder = layout.staging(self._data) / f"{number:06d}"
        make(folder, number)
        return self._publish(folder, number)

    def _compact(self, snapshot: Snapshot) -> Snapshot:
        """Replace a snapshot by one of the same contents in fewer files.

        In a commit of its own, so that an export is safe before what may take a minute begins.
        """
        number = snapshot.number + 1
        folder = layout.staging(self._data) / f"{number:06d}"
        try:
            rebuild(folder, snapshot, number, layout.staging(self._data) / "compact")
        except OSError as error:
            if not is_full_disk(error):
                raise
            return snapshot  # it is complete; the next export has more space, or reports an error
        compacted = self._publish(folder, number)
        self._remove(snapshot.number)
        return compacted

    def _publish(self, folder: Path, number: int) -> Snapshot:
        snapshots = layout.snapshots(self._data)
        make_folder(snapshots, PRIVATE)  # until what is beside it is set
        set_modes(folder, Rule.of(self._data))
        sync_tree(folder)
        folder.rename(layout.snapshot(self._data, number))
        sync_folder(snapshots)
        self._point_to(number)
        self._snapshot = read_snapshot(layout.snapshot(self._data, number))
        return self._snapshot

    def _point_to(self, number: int) -> None:
        point_to(
            layout.current_link(self._data),
            layout.current_text(self._data),
            f"snapshots/{number:06d}",
            layout.staging(self._data) / "current",
        )
        set_modes_beside(self._data)
        sync_folder(self._data)

    def prune(self, rule: Retention, spare: int | None = None) -> None:
        """Remove checkpoints and the snapshots that do not stay, except for those being read."""
        assert self._snapshot is not None
        finished = self._finished()
        stay = {*kept(finished, rule, datetime.now(UTC)), spare, *self._kept_by_disk}
        for number in numbers(self._data):
            if number < self._snapshot.number and number not in stay:
                is_gone = self._remove(number)
                self._removed += [number] * (is_gone and number in finished)

    def _finished(self) -> dict[int, datetime]:
        """Return the moment of each snapshot that ended its run, in the order of their numbers."""
        moments = {}
        for number in numbers(self._data):
            try:
                header = read_header(layout.snapshot(self._data, number))
                moment = snapshot_json.moment(header)
            except PermissionError as error:  # not damaged, and whose it is can give it back
                self._kept_by_disk[number] = error
                continue
            except (DatasetError, ValueError):  # damaged: it cannot be opened anyway
                continue
            if not header.get("checkpoint"):
                moments[number] = moment
        return moments

    def _remove(self, number: int) -> bool:
        """Remove a snapshot unless it is being read, and return whether it is removed.

        A disk that refuses does not affect the new snapshot: see ``warnings``.
        """
        try:
            is_gone = self._try_to_remove(number)
        except OSError as error:
            self._kept_by_disk[number] = error
            return False
        if is_gone:
            self._kept_by_disk.pop(number, None)
        return is_gone

    def _try_to_remove(self, number: int) -> bool:
        folder = layout.snapshot(self._data, number)
        pruned = layout.staging(self._data) / f"{_PRUNED}{number}"
        if not (folder / layout.SNAPSHOT_JSON).exists():
            shutil.rmtree(folder)
            return True
        with no_readers(folder) as free:
            if not free:
                return False
            folder.rename(pruned)  # gone at once for new readers; deleting takes its time
        try:
            shutil.rmtree(pruned)
        except OSError:
            shutil.rmtree(pruned, ignore_errors=True)  # all of it that can be deleted
            raise
        return True
