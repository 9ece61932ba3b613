"""Commits to a dataset in a bucket: built here, sent, and made current by compare-and-set."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.errors import DatasetError, OtherServerError, OvertakenError
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id
from clearml_snapshot.exporter.store.format.retention import Retention, kept
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.parts.compaction import is_crowded
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE
from clearml_snapshot.exporter.store.snapshots import Snapshot, described, read_header
from clearml_snapshot.exporter.store.untrusted.manifest import Totals
from clearml_snapshot.exporter.store.writing.build import (
    SnapshotBuilder,
    SnapshotHeader,
    build,
    rebuild,
)
from clearml_snapshot.exporter.store.writing.new_address import MOVED_FROM, former_addresses
from clearml_snapshot.exporter.store.writing.remote.conflicts import (
    OF_TASKS,
    Conflict,
    Rebase,
    States,
    check_still_there,
    contested_tasks,
    states_of,
)
from clearml_snapshot.exporter.store.writing.remote.fetched import FetchedFiles, fetched_path
from clearml_snapshot.exporter.store.writing.remote.selections import combined
from clearml_snapshot.exporter.store.writing.remote.sending import send_files, send_texts
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter, moment_after

_KEPT_HERE: Final = ("tasks", "exports")
"""Tables that each commit reads again."""

Listed = Sequence[keys.ListedSnapshot]
Make = Callable[[Path, int, Snapshot | None], object]
"""Makes the folder of a snapshot with a number, on top of another one."""
Stay = Callable[[Listed, keys.ListedSnapshot], Listed]
"""Chooses what is listed from now on, from what is listed and a new snapshot."""


@dataclass(frozen=True)
class _Made:
    """A snapshot that was sent, and is not listed yet."""

    root: Path
    snapshot: Snapshot
    listed: keys.ListedSnapshot
    removed: Listed


class RemoteWriter(DatasetWriter):
    """Writes to a dataset in a bucket; see ``place.RemotePlace.writing``.

    Args:
        remote: the dataset.
        scratch: an empty folder.
        rebase: decides about tasks that another writer has changed too.
    """

    def __init__(self, remote: RemoteDataset, scratch: Path, rebase: Rebase) -> None:
        self._remote, self._rebase, self._files = remote, rebase, scratch / "files"
        staging = scratch / "staging"
        for folder in (self._files, staging):
            folder.mkdir(mode=PRIVATE)
        super().__init__(staging, None)
        pointer = remote.pointer()
        if pointer is not None:
            self._snapshot, self._listed = self.opened(pointer[0].current), pointer[0].current
        self._planned = self._snapshot
        self._is_overtaken = False
        """Whether the current snapshot has anything that another writer made since then."""
        self._sent: set[str] = set()
        """The keys of files that are in the bucket because of this writer, listed or not."""
        self._own: dict[str, tuple[Any, ...]] = {}
        """The states of tasks that were committed here."""
        self._folders = count(1)

    _listed: keys.ListedSnapshot | None = None
    """How the pointer lists the current snapshot."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: nothing is removed from a bucket."""
        return ()

    def opened(self, listed: keys.ListedSnapshot) -> Snapshot:
        """Open a snapshot whose files are fetched when they are needed."""
        return self._with_files(self._remote.read(listed).snapshot)

    def _with_files(self, snapshot: Snapshot) -> Snapshot:
        root = Path(f"{self._remote.address}/{layout.SNAPSHOTS}/{snapshot.number:06d}")
        files = FetchedFiles(self._remote.bucket, snapshot, self._files)
        return replace(snapshot, root=root, elsewhere=files)

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
        """Make what is current plus the stage's tasks the current snapshot.

        If another writer was quicker, what that one made is taken instead, and so on. Tasks that
        both have written are decided by ``rebase``.
        """
        self._reserve.give_back()
        before, fresh = self._remembered, self._fresh(stage)

        def make(root: Path, number: int, last: Snapshot | None) -> None:
            rule = (None if last is None else last.keep) if keep is None else keep.text
            remembered = selections
            if self._is_overtaken and last is not None:
                remembered = combined(before, selections, last.selections)
            about_server = self._about_server(server, last)
            about = SnapshotHeader(
                number, about_server, remembered, checkpoint, moment_after(last), rule
            )
            folder = SnapshotBuilder(root, number, last)
            self._inherit(folder, stage, fresh, last)
            if export_row is not None:
                folder.exports(export_row)
            elif last is not None:
                folder.inherit_from(last, {}, {}, stage.directory, ["exports"])
            folder.fill_empty()
            folder.describe(about)

        def stay(there: Listed, new: keys.ListedSnapshot) -> Listed:
            if checkpoint or not prune:
                return [*there, new]
            rule = keep or self.retention
            finished = {s.number: s.created_at for s in (*there, new) if not s.checkpoint}
            numbers = {*kept(finished, rule, datetime.now(UTC)), spare}
            return [*(s for s in there if s.number in numbers), new]

        snapshot = self._publish(make, stay)
        self._own.update(states_of(snapshot, stage.task_ids))
        if compact and not checkpoint and is_crowded(snapshot):
            return self._compact(snapshot)
        return snapshot

    @property
    def _remembered(self) -> Any:
        """The selections that were known when this writer began, and from which it makes its own.

        Not those of the current snapshot: others may have added some, which are not ours to remove.
        """
        return () if self._planned is None else self._planned.selections

    def _fresh(self, stage: Stage) -> Snapshot:
        """Return what is staged as a snapshot of its own, without texts."""
        root = self._staging / f"fresh-{next(self._folders)}"
        folder = SnapshotBuilder(root, 0, None)
        folder.add_stage(stage)
        return Snapshot(
            root=root,
            number=0,
            format_version=layout.FORMAT_VERSION,
            created_at=moment_after(None),
            tool_version="",
            checkpoint=True,
            server={},
            selections=[],
            totals=Totals(0, 0, 0, 0, 0),
            files=tuple(folder.new_files),
        )

    def _inherit(
        self, folder: SnapshotBuilder, stage: Stage, fresh: Snapshot, last: Snapshot | None
    ) -> None:
        contested = self._contested(stage, last)
        spill = self._staging / f"spill-{next(self._folders)}"
        if contested and last is not None:
            found = Conflict(self._planned, last, fresh, stage, contested, spill)
            self._rebase(folder, found)
            return
        folder.inherit(stage, OF_TASKS)
        folder.inherit_from(fresh, {}, {}, spill, OF_TASKS)

    def _contested(self, stage: Stage, last: Snapshot | None) -> frozenset[str]:
        if not self._is_overtaken:
            return frozenset()
        check_still_there(stage, last, self._remote.address)
        before: States = {**states_of(self._planned, stage.task_ids), **self._own}
        return contested_tasks(stage.task_ids, before, states_of(last, stage.task_ids))

    def _about_server(self, server: Mapping[str, Any], last: Snapshot | None) -> Mapping[str, Any]:
        """Return what is written about the server, and check that it is that of the others.

        Raises:
            OtherServerError: another export from another server was quicker.
        """
        if not self._is_overtaken or last is None:
            return server
        ours, theirs = server.get("host"), last.server.get("host")
        if ours is None:
            return last.server
        if theirs is not None and not same_address(ours, theirs):
            raise OtherServerError(
                f"{self._remote.address} was exported from {theirs} meanwhile, and this export is "
                f"from {ours}; nothing of it was added, choose another address for it"
            )
        before = former_addresses(last.server)
        return {**server, MOVED_FROM: before} if before else server

    def amend(
        self, *, selections: Any = None, export_row: Mapping[str, Any] | None = None
    ) -> Snapshot:
        """Commit the contents of the current snapshot again, with another description."""
        before = self._remembered

        def make(root: Path, number: int, last: Snapshot | None) -> None:
            if last is None:
                raise DatasetError(f"{self._remote.address} has no snapshot yet; export first")
            remembered = last.selections
            if selections is not None:
                remembered = combined(before, selections, last.selections)
            about = SnapshotHeader(
                number, last.server, remembered, last.checkpoint, last.created_at, last.keep
            )
            build(root, self.new_stage(), last, about, export_row)

        def stay(there: Listed, new: keys.ListedSnapshot) -> Listed:
            same = [s for s in there if not s.checkpoint and s.created_at == new.created_at]
            between = {s.number for s in same[1:]}
            return [*(s for s in there if s.number not in between), new]

        return self._publish(make, stay)

    def adopt(self, make: Callable[[Path, int], object], number: int | None = None) -> Snapshot:
        """Make a folder that was not filled by a stage the current snapshot.

        Raises:
            OvertakenError: another writer was quicker.
        """
        expected, chosen = self._snapshot, number

        def make_on(root: Path, number: int, last: Snapshot | None) -> None:
            if last is not expected:
                raise OvertakenError(
                    f"{self._remote.address} was changed by another process; run it again"
                )
            make(root, chosen or number)

        return self._publish(make_on, lambda there, new: [*there, new])

    def _compact(self, snapshot: Snapshot) -> Snapshot:
        """Replace a snapshot by one of the same contents in fewer files.

        If another writer is quicker, its files are more already; the next export tries again.
        """
        spill = self._staging / f"compact-{next(self._folders)}"

        def make(root: Path, number: int, last: Snapshot | None) -> None:
            if last is not snapshot:
                raise OvertakenError
            rebuild(root, snapshot, number, spill)

        def stay(there: Listed, new: keys.ListedSnapshot) -> Listed:
            return [*(s for s in there if s.number != snapshot.number), new]

        removed = list(self._removed)
        try:
            compacted = self._publish(make, stay)
        except OvertakenError:
            return snapshot
        self._removed = removed
        return compacted

    def _publish(self, make: Make, stay: Stay) -> Snapshot:
        made: list[_Made] = []

        def next_state(pointer: keys.Pointer | None) -> tuple[keys.ListedSnapshot, ...] | None:
            there: Listed = () if pointer is None else pointer.snapshots
            if made and made[-1].listed.content_id in {s.content_id for s in there}:
                return tuple(there)  # the answer to the last attempt was lost
            for late in made:
                shutil.rmtree(late.root)
            made.clear()
            last = self._catch_up(pointer)
            number = 1 if last is None else last.number + 1
            root = self._staging / f"{number:06d}-{next(self._folders)}"
            make(root, number, last)
            snapshot = described(root, read_header(root))
            self._send(root, snapshot, last)
            now = self._remote.pointer()
            if (None if now is None else now[0]) != pointer:
                shutil.rmtree(root)
                return None  # before its texts are sent, which grow with the dataset
            listed = self._describe(root, snapshot)
            state = tuple(stay(there, listed))
            made.append(_Made(root, snapshot, listed, [s for s in there if s not in state]))
            return state

        self._remote.publish(next_state)
        return self._take(made[-1])

    def _catch_up(self, pointer: keys.Pointer | None) -> Snapshot | None:
        """Return the snapshot that is current now."""
        current = None if pointer is None else pointer.current
        if current != self._listed:
            self._is_overtaken, self._listed = True, current
            self._snapshot = None if current is None else self.opened(current)
        return self._snapshot

    def _send(self, root: Path, snapshot: Snapshot, last: Snapshot | None) -> None:
        """Create the objects of the files in a snapshot folder that are not in the bucket yet."""
        there = self._sent.union(() if last is None else map(keys.file_key, last.files))
        new = {keys.file_key(e): e for e in snapshot.files if keys.file_key(e) not in there}
        send_files(self._remote.bucket, root, new.values())
        self._sent |= new.keys()

    def _describe(self, root: Path, snapshot: Snapshot) -> keys.ListedSnapshot:
        """Create the texts of a snapshot whose files are there."""
        names = [name for name in (*layout.TEXTS, layout.SHA256SUMS) if (root / name).is_file()]
        texts = {name: (root / name).read_bytes() for name in names}
        identity = content_id(texts[layout.SHA256SUMS])
        return send_texts(self._remote.bucket, snapshot, identity, texts)

    def _take(self, made: _Made) -> Snapshot:
        """Note that a snapshot is current, and keep here what the next commit reads."""
        self._removed += [s.number for s in made.removed if not s.checkpoint]
        self._snapshot, self._listed = self._with_files(made.snapshot), made.listed
        for entry in made.snapshot.files:
            if entry.table in _KEPT_HERE and (made.root / entry.path).exists():
                (made.root / entry.path).replace(fetched_path(self._files, entry))
        shutil.rmtree(made.root)
        return self._snapshot
