"""Builds one snapshot from several, as decided by ``rules``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.merge.rules import MergeDecision, changed_columns
from clearml_snapshot.exporter.store.compare.series_outline import Name
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import TABLES, is_settled
from clearml_snapshot.exporter.store.parts.parquet import conform
from clearml_snapshot.exporter.store.parts.partition_buffer import Partition
from clearml_snapshot.exporter.store.parts.rewrite import RowChange
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.parts.stored import rows, task_rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.build import SnapshotBuilder, SnapshotHeader
from clearml_snapshot.exporter.store.writing.new_address import NewAddress

_ROWS_AT_ONCE: Final = 5_000
"""Rows of ``tasks`` held while they are changed."""


@dataclass
class Contribution:
    """What one snapshot contributes: everything except what is listed here."""

    snapshot: Snapshot
    projects: dict[str, str | None] = field(default_factory=dict)
    """The tasks named below, each with its project in this snapshot."""
    left: set[str] = field(default_factory=set)
    """Tasks that are left out."""
    series: dict[str, frozenset[Name]] = field(default_factory=dict)
    """Tasks that contribute only some series; their rows come from another snapshot."""
    places: dict[str, Partition] = field(default_factory=dict)
    """Those of them that are in another project there."""
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tasks with changed values in some columns of ``tasks``."""
    address: NewAddress | None = None
    """How to change the server in these rows; None if they need no change."""

    def changes(self) -> dict[str, RowChange]:
        """Return by table which rows are left out or changed."""
        others = self.left | self.series.keys()
        points = RowChange(self.left, self.places, self.series)
        return {
            "tasks": RowChange(others | self.rows.keys()),
            "hyperparams": RowChange(others),
            "series": points,
            "scalars": points,
        }

    def changed_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the changed rows of ``tasks``."""
        ids = sorted(self.rows)
        for at in range(0, len(ids), _ROWS_AT_ONCE):
            for row in task_rows(self.snapshot, ids[at : at + _ROWS_AT_ONCE]):
                yield {**self._moved(row), **self.rows[row["task_id"]]}

    def _moved(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.address is None:
            return row
        texts = (self.address.server_id(row["server_id"]), self.address.web_url(row["web_url"]))
        return {**row, "server_id": texts[0], "web_url": texts[1]}


def assign(shares: Sequence[Contribution], choices: Iterable[MergeDecision]) -> None:
    """Note for each source what is left out or changed.

    Args:
        shares: by the number of the source.
        choices: of each task that several of them have, or that changes.
    """
    for choice in choices:
        best, changed = choice.best, changed_columns(choice)
        if changed or shares[best.source].address is not None:
            shares[best.source].projects[best.task_id] = best.project_id
            shares[best.source].rows[best.task_id] = changed
        for other in choice.ranked[1:]:
            shares[other.source].projects[best.task_id] = other.project_id
            shares[other.source].left.add(best.task_id)
        partition = Partition(
            best.project_id, is_settled(best.status, changed.get("state", best.state))
        )
        for part in choice.with_series:
            share = shares[part.copy.source]
            share.left.remove(best.task_id)
            share.series[best.task_id] = part.series
            if part.copy.project_id != best.project_id:
                share.places[best.task_id] = partition


def build_merged(
    root: Path, contributions: Sequence[Contribution], about: SnapshotHeader, spill: Path
) -> list[FileEntry]:
    """Build a snapshot folder from contributions that have no task in common.

    Unchanged files are linked. ``exports`` has the runs of all sources, each once.

    Args:
        root: the new folder.
        contributions: what each snapshot contributes.
        about: the header of the new snapshot.
        spill: a folder for temporary files.
    """
    folder, stage = SnapshotBuilder(root, about.number, None), Stage(spill)
    for part in contributions:
        tables = [table for table in TABLES if table != "exports"]
        folder.inherit_from(part.snapshot, part.projects, part.changes(), spill, tables)
        for row in part.changed_rows():
            stage.refresh(row, None)
    folder.add_stage(stage)
    folder.write_exports(_exports([part.snapshot for part in contributions]))
    folder.compact()
    folder.fill_empty()
    return folder.describe(about)


def _exports(snapshots: Iterable[Snapshot]) -> pa.Table:
    """Combine the runs; of two rows of one run, the one with its end is kept."""
    newest_rows: dict[str, dict[str, Any]] = {}
    for snapshot in snapshots:
        for row in rows(snapshot, "exports", TABLES["exports"].names):
            held = newest_rows.setdefault(row["export_id"], row)
            if held["finished"] is None and row["finished"] is not None:
                newest_rows[row["export_id"]] = row
    runs = [newest_rows[export_id] for export_id in sorted(newest_rows)]
    return conform(pa.Table.from_pylist(runs, TABLES["exports"]), "exports")
