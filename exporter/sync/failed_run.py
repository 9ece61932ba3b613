"""Records runs of ``export`` that failed before they had anything to commit.

They get a row in ``exports`` if the server could not be reached or stopped answering, it refused
the login, the listing failed, a limit was reached before a task was read, the disk was full, the
dataset is of another server, or Ctrl-C was pressed. They do not if an argument is invalid or a name
does not exist, or if the dataset is locked or damaged.

A first export creates the dataset for this, with its selection, once it has tried to reach a
server: from then on ``export`` without a filter continues it. What fails before that (an invalid
argument, no credentials, something that is not an address) leaves nothing behind.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.client.budget import StoppedError
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import (
    LimitReachedError,
    OtherServerError,
    ServerError,
    SnapshotError,
    shortened,
)
from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.selection.remembered import words
from clearml_snapshot.exporter.selection.selection import Remembered, Selection
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.exporter.store.disk.reserve import is_full_disk
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.writing.place import Place
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter
from clearml_snapshot.exporter.sync.prepare import ExportOptions, Server
from clearml_snapshot.exporter.sync.server_moved import server_record

_RECORDED: Final = (ServerError, LimitReachedError, OtherServerError, OSError, KeyboardInterrupt)
WHILE_WRITING: Final = (SnapshotError, OSError, pa.ArrowException)
"""Errors of writing the row are ignored: the error that it records matters more."""


@dataclass(frozen=True)
class Attempt:
    """One call of ``export``, before it has listed anything."""

    place: Place
    selection: Selection | None
    options: ExportOptions
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    export_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @contextmanager
    def configuring(self) -> Iterator[None]:
        """Record what ends a run before a server was contacted, if the dataset exists."""
        with _recording(lambda error: self._add_row(None, error)):
            yield

    @contextmanager
    def logging_in(self, api: Client) -> Iterator[None]:
        """Record what ends the login.

        The dataset of a first export has no server yet, as the address may be wrong.
        """
        with _recording(lambda error: self._add_row(api, error)):
            yield

    @contextmanager
    def listing(self, dataset: DatasetWriter, server: Server) -> Iterator[None]:
        """Record what ends a run after the login and before it reads the first task."""

        def record(error: BaseException) -> None:
            if dataset.snapshot is not None or self._is_remembered:
                user = server.identity.user_name
                self._commit(dataset, server_record(server, None), server.api, error, user)

        with _recording(record):
            yield

    def _add_row(self, api: Client | None, error: BaseException) -> None:
        if self.place.has_dataset() or (api is not None and self._is_remembered):
            share = self.options.share
            with self.place.unmade_if_empty(), self.place.writing(share=share) as dataset:
                self._commit(dataset, {}, api, error)

    def _commit(
        self,
        dataset: DatasetWriter,
        about_server: Mapping[str, Any],
        api: Client | None,
        error: BaseException,
        user: str | None = None,
    ) -> None:
        row = self._row(api, user, error)
        keep = self.options.keep if dataset.snapshot is None else None
        commit_row(dataset, about_server, self._selections(dataset), row, keep)

    @property
    def _is_remembered(self) -> bool:
        chosen = self.selection
        return not self.options.once and chosen is not None and not chosen.filter.task_ids

    def _selections(self, dataset: DatasetWriter) -> list[dict[str, Any]] | None:
        """Return what a dataset without tasks remembers from now on; None changes nothing."""
        last, chosen = dataset.snapshot, self.selection
        if chosen is None or not self._is_remembered or (last is not None and last.totals.tasks):
            return None
        before = [] if last is None else list(last.selections or ())
        is_known = chosen in [Remembered.from_json(entry).selection for entry in before]
        return before if is_known else [*before, Remembered(chosen).as_json()]

    def _row(self, api: Client | None, user: str | None, error: BaseException) -> dict[str, Any]:
        chosen = self.selection
        selections = [] if chosen is None else [words(chosen.as_json())]
        return {
            "export_id": self.export_id,
            "started": self.begun,
            "finished": datetime.now(UTC),
            "server": None if api is None else api.host,
            "user": user,
            "selections": json.dumps(selections, ensure_ascii=False),
            "requests": None if api is None else api.traffic.requests,
            "bytes": None if api is None else api.traffic.bytes,
            "result": _result(error),
            "error": sentence(error),
            "tool_version": version("clearml-snapshot"),
        }


@contextmanager
def _recording(record: Callable[[BaseException], None]) -> Iterator[None]:
    """Record what ends a block; an error of the recording does not hide it."""
    try:
        yield
    except (StoppedError, BrokenPipeError):
        raise
    except _RECORDED as error:
        with suppress(*WHILE_WRITING):
            record(error)
        raise


def commit_row(
    dataset: DatasetWriter,
    about_server: Mapping[str, Any],
    selections: Sequence[Mapping[str, Any]] | None,
    row: Mapping[str, Any],
    keep: Retention | None = None,
) -> None:
    """Commit only a row of ``exports``, and the remembered selections.

    Args:
        dataset: the dataset.
        about_server: for a new dataset; empty if the server is unknown.
        selections: what exports repeat from now on; None changes nothing.
        row: the row.
        keep: for a new dataset, which snapshots to keep; None is the default.
    """
    if dataset.snapshot is None:
        stage = dataset.new_stage()
        dataset.commit(
            stage, server=about_server, selections=selections or [], export_row=row, keep=keep
        )
    else:
        dataset.amend(selections=selections, export_row=row)


def _result(error: BaseException) -> str:
    match error:
        case LimitReachedError():
            return "ceiling"
        case KeyboardInterrupt():
            return "interrupted"
        case OSError() if is_full_disk(error):
            return "disk full"
    return "failed"


def sentence(error: BaseException) -> str:
    """Write an error on one line, without anything that looks like a credential."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted before a task was read"
    text = str(error)
    if isinstance(error, OSError):
        text = f"cannot write: {reason(error)}"
    return shortened(without_secrets(text.splitlines()[0] if text else type(error).__name__))


def without_secrets(text: str) -> str:
    """Redact a text that is stored; this does not depend on the options for values."""
    return Redactor().text(scrub(text))[0] or text
