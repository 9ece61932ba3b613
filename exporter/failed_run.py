"""Runs of ``export`` that failed before they had anything to commit leave a row in ``exports``.

What is recorded: the server could not be reached or was lost, it refused the login, the listing
failed, a limit was reached before a task was read, the disk was full, the dataset is of another
server. What is not: bad arguments and names that do not exist, a dataset that another run holds,
one that is damaged.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.agenda import ExportOptions, Server
from clearml_snapshot.exporter.errors import (
    CeilingError,
    OtherServerError,
    ServerError,
    SnapshotError,
)
from clearml_snapshot.exporter.pace import StoppedError
from clearml_snapshot.exporter.redact import Redactor
from clearml_snapshot.exporter.selection import Remembered, Selection
from clearml_snapshot.exporter.selections import words
from clearml_snapshot.exporter.server_moved import server_record
from clearml_snapshot.exporter.store.dataset import Dataset, writing
from clearml_snapshot.exporter.store.snapshots import current_snapshot_folder

_RECORDED: Final = (ServerError, CeilingError, OtherServerError, OSError)
WHILE_WRITING: Final = (SnapshotError, OSError, pa.ArrowException)
"""What may go wrong with the row; the error that it tells of matters more."""


@dataclass(frozen=True)
class Attempt:
    """One call of ``export``, as far as it is known before it has listed anything."""

    folder: Path
    selection: Selection | None
    options: ExportOptions
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    export_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @contextmanager
    def logging_in(self) -> Iterator[None]:
        """Record what ends the login, in a dataset that is there already.

        A first export that never got in leaves nothing: its server may be a mistyped one.
        """
        try:
            yield
        except _RECORDED as error:
            with suppress(*WHILE_WRITING):
                if current_snapshot_folder(self.folder) is not None:
                    with writing(self.folder) as dataset:
                        dataset.amend(export_row=self._row(None, error))
            raise

    @contextmanager
    def listing(self, dataset: Dataset, server: Server) -> Iterator[None]:
        """Record what ends a run after the login and before it knows what to read.

        A first export is recorded as a snapshot without tasks that remembers what was selected,
        so that ``export`` without a filter goes on with it.
        """
        try:
            yield
        except (StoppedError, BrokenPipeError):
            raise
        except _RECORDED as error:
            with suppress(*WHILE_WRITING):
                if dataset.snapshot is not None or self._is_remembered:
                    commit_row(dataset, server, self._new(dataset), self._row(server, error))
            raise

    @property
    def _is_remembered(self) -> bool:
        chosen = self.selection
        return not self.options.once and chosen is not None and not chosen.filter.task_ids

    def _new(self, dataset: Dataset) -> list[dict[str, Any]] | None:
        """Give what a new dataset remembers; one that is there stays as it is."""
        is_new = dataset.snapshot is None and self.selection is not None
        return [Remembered(self.selection).as_json()] if is_new and self.selection else None

    def _row(self, server: Server | None, error: Exception) -> dict[str, Any]:
        chosen = self.selection
        asked = [] if chosen is None else [words(chosen.as_json())]
        traffic = None if server is None else server.api.traffic
        return {
            "export_id": self.export_id,
            "started": self.begun,
            "finished": datetime.now(UTC),
            "server": None if server is None else server.api.host,
            "user": None if server is None else server.identity.user_name,
            "selections": json.dumps(asked, ensure_ascii=False),
            "requests": None if traffic is None else traffic.requests,
            "bytes": None if traffic is None else traffic.bytes,
            "result": "ceiling" if isinstance(error, CeilingError) else "failed",
            "error": sentence(error),
            "tool_version": version("clearml-snapshot"),
        }


def commit_row(
    dataset: Dataset,
    server: Server,
    selections: Sequence[Mapping[str, Any]] | None,
    row: Mapping[str, Any],
) -> None:
    """Commit nothing but a row of ``exports``, and what is remembered.

    Args:
        dataset: where to.
        server: about it, for a new dataset.
        selections: what exports repeat from now on; None leaves that as it is.
        row: the row.
    """
    if dataset.snapshot is None:
        stage = dataset.new_stage()
        dataset.commit(
            stage, server=server_record(server, None), selections=selections or [], export_row=row
        )
    else:
        dataset.amend(selections=selections, export_row=row)


def sentence(error: Exception) -> str:
    """Write an error on one line, without what looks like a credential."""
    text = str(error)
    if isinstance(error, OSError):  # Arrow's errors have their reason in the text only
        text = f"cannot write: {error.strerror or text}"
    return without_secrets(text.splitlines()[0] if text else type(error).__name__)


def without_secrets(text: str) -> str:
    """Replace what looks like a credential; this text is stored, whatever is asked of values."""
    return Redactor().text(text)[0] or text
