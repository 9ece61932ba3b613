"""Creates, locks, commits to and prunes a dataset."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.files import make_folder, point_to, sync_folder, sync_tree
from clearml_snapshot.exporter.store.disk.reserve import Reserve, is_full_disk
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.retention import DEFAULT, Retention, kept
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


class Dataset:
    """A dataset under the writer's lock; see ``writing``."""

    def __init__(self, data: Path, limits: StageLimits | None = None) -> None:
        self._data, self._limits = data, limits
        folder = current_snapshot_folder(data)
        self._snapshot = None if folder is None else read_snapshot(folder)
        self._stages = count(1)
        self._removed: list[int] = []
        self._kept_by_disk: dict[int, OSError] = {}
        """Snapshots that could not be removed, or not completely."""
        self._reserve = Reserve(layout.staging(data) / "reserve")
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
    def snapshot(self) -> Snapshot | None:
        """The current snapshot; None before the first commit."""
        return self._snapshot

    @property
    def retention(self) -> Retention:
        """Which snapshots stay when an export ends, unless another rule is given."""
        keep = None if self._snapshot is None else self._snapshot.keep
        return DEFAULT if keep is None else Retention.parse(keep)

    @property
    def removed(self) -> tuple[int, ...]:
        """Numbers of the snapshots that commits here removed, other than checkpoints."""
        return tuple(sorted(self._removed))

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

    def new_stage(self) -> Stage:
        """Start to collect tasks for a commit; from now on disk space is reserved for it."""
        self._reserve.take()
        return Stage(layout.staging(self._data) / f"stage-{next(self._stages)}", self._limits)

    def use_reserve(self) -> None:
        """Release the reserved disk space for what is still to be written."""
        self._reserve.give_back()

    def clear_stages(self) -> None:
        """Delete what was collected and not committed: a full disk needs the space."""
        for entry in layout.staging(self._data).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)

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
        """Make the last snapshot plus the stage's tasks the current one, in one atomic step.

        Args:
            stage: tasks; each replaces its old rows, a refreshed one those of its metadata.
            server: about the server, JSON-able; ``host`` is named in the README.
            selections: the filters of the run, JSON-able.
            export_row: a row of ``exports``; replaces the one of the same ``export_id``; None
                leaves ``exports`` as it is.
            keep: which snapshots stay, also after later commits; None is what the dataset
                remembers, see ``retention``.
            checkpoint: not the last commit of its run; removed when the run ends.
            prune: remove the snapshots that do not stay; never done at a checkpoint.
            spare: the number of a snapshot that stays whatever the retention; None is none.
            compact: merge small files afterwards if there are too many; never at a checkpoint.

        Raises:
            DatasetError: the last snapshot cannot be read.
            OSError: the disk is full, or refuses.
        """
        self._reserve.give_back()
        number = 1 if self._snapshot is None else self._snapshot.number + 1
        rule = None if self._snapshot is None else self._snapshot.keep
        rule = rule if keep is None else keep.text
        about = SnapshotHeader(number, server, selections, checkpoint, self._now(), rule)
        folder = layout.staging(self._data) / f"{number:06d}"
        build(folder, stage, self._snapshot, about, export_row)
        snapshot = self._publish(folder, number)
        if checkpoint:
            return snapshot
        if prune:
            self.prune(self.retention, spare)
        if compact and is_crowded(snapshot.root, snapshot.files):
            return self._compact(snapshot)
        return snapshot

    def _now(self) -> datetime:
        """Return the moment of new contents, later than that of all others here.

        Otherwise a clock that was set back would make a snapshot older than what was read for it.
        """
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if self._snapshot is None:
            return now
        return max(now, self._snapshot.created_at + timedelta(milliseconds=1))

    def amend(
        self,
        *,
        selections: Any = None,
        export_row: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Commit the contents of the last snapshot again, with another description.

        The new snapshot is as old as the last one, because its contents are, and no snapshot is
        removed but an earlier amendment of the same contents.

        Args:
            selections: the filters that exports repeat; None leaves them.
            export_row: a row to add to ``exports``.

        Raises:
            DatasetError: there is no snapshot yet, or it cannot be read.
            OSError: the disk is full, or refuses.
        """
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
        """Make a folder that was not filled by a stage the current snapshot.

        Args:
            make: receives the folder to make, which does not exist yet, and its number.
            number: of the snapshot, higher than that of the current one; None is the next one.
        """
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
