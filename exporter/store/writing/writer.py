"""What an export and its like do with a dataset, wherever that is."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from clearml_snapshot.exporter.store.disk.reserve import Reserve
from clearml_snapshot.exporter.store.format.retention import DEFAULT, Retention
from clearml_snapshot.exporter.store.parts.staging import Stage, StageLimits
from clearml_snapshot.exporter.store.snapshots import Snapshot


class DatasetWriter(ABC):
    """Collects tasks in stages on this machine, and commits them.

    Args:
        staging: a folder for unfinished work; nobody else uses it.
        snapshot: the current one; None before the first commit.
        limits: how much the stages hold in memory.
    """

    def __init__(
        self, staging: Path, snapshot: Snapshot | None, limits: StageLimits | None = None
    ) -> None:
        self._staging, self._snapshot, self._limits = staging, snapshot, limits
        self._stages = count(1)
        self._removed: list[int] = []
        self._reserve = Reserve(staging / "reserve")

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
    @abstractmethod
    def warnings(self) -> tuple[str, ...]:
        """Warnings about what commits could not do, such as removing a snapshot."""

    def new_stage(self) -> Stage:
        """Start to collect tasks for a commit; from now on disk space is reserved for it."""
        self._reserve.take()
        return Stage(self._staging / f"stage-{next(self._stages)}", self._limits)

    def use_reserve(self) -> None:
        """Release the reserved disk space for what is still to be written."""
        self._reserve.give_back()

    def clear_stages(self) -> None:
        """Delete what was collected and not committed: a full disk needs the space."""
        for entry in self._staging.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)

    @abstractmethod
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
            SnapshotError: a store refuses, or others are always quicker.
        """

    @abstractmethod
    def amend(
        self, *, selections: Any = None, export_row: Mapping[str, Any] | None = None
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

    @abstractmethod
    def adopt(self, make: Callable[[Path, int], object], number: int | None = None) -> Snapshot:
        """Make a folder that was not filled by a stage the current snapshot.

        Args:
            make: receives the folder to make, which does not exist yet, and its number.
            number: of the snapshot, higher than that of the current one; None is the next one.
        """


def moment_after(last: Snapshot | None) -> datetime:
    """Return the moment of new contents, later than that of a snapshot.

    Otherwise a clock that was set back would make a snapshot older than what was read for it.
    """
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return now if last is None else max(now, last.created_at + timedelta(milliseconds=1))
