"""Writes a snapshot of the same contents in which tasks have the server's new address."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.addresses import spelling
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.build import SnapshotBuilder, SnapshotHeader

MOVED_FROM: Final = "moved_from"
"""The key of ``server`` in ``snapshot.json`` with the addresses that it had before."""


@dataclass(frozen=True)
class NewAddress:
    """A change of a server's address in the rows of ``tasks``."""

    old: Collection[str]
    """Values of ``tasks.server_id`` that are replaced."""
    new: str
    """What replaces them."""
    old_web: str | None = None
    new_web: str | None = None
    """The web UI's addresses, with which ``tasks.web_url`` begins; None: links stay."""

    def server_id(self, text: str | None) -> str | None:
        """Return the new value of ``server_id``."""
        return self.new if text in self.old else text

    def web_url(self, text: str | None) -> str | None:
        """Return the new value of ``web_url``."""
        if text is None or not self.old_web or not self.new_web:
            return text
        start = f"{self.old_web}/"
        return f"{self.new_web}/{text.removeprefix(start)}" if text.startswith(start) else text


def former_addresses(server: Mapping[str, Any]) -> list[str]:
    """Read the former addresses of a server from ``server`` in ``snapshot.json``."""
    written = server.get(MOVED_FROM)
    return [text for text in written if isinstance(text, str)] if isinstance(written, list) else []


def moved_from(servers: Sequence[Mapping[str, Any]], host: str) -> list[str]:
    """List all addresses in records of a server, except for the current one."""
    addresses = [
        text
        for server in servers
        for text in (*former_addresses(server), server.get("host"))
        if text
    ]
    spelt = dict.fromkeys(str(spelling(text)) for text in addresses)
    return [text for text in spelt if text != spelling(host)]


def write_with_address(
    root: Path, number: int, last: Snapshot, server: Mapping[str, Any], address: NewAddress
) -> list[FileEntry]:
    """Make a snapshot folder in which the rows of ``tasks`` have the new address.

    All other files are linked. It is a checkpoint: the export that follows takes its place.

    Args:
        root: the new folder.
        number: its number.
        last: the snapshot with the old address.
        server: the new ``server`` of ``snapshot.json``.
        address: what changes.
    """
    folder = SnapshotBuilder(root, number, last)
    for entry in last.files:
        if entry.rows:
            is_tasks = entry.table == "tasks"
            folder.inherit_edited(
                entry, [lambda batch: _edited(batch, address)] if is_tasks else []
            )
    folder.fill_empty()
    return folder.describe(
        SnapshotHeader(number, server, last.selections, checkpoint=True, keep=last.keep)
    )


def _edited(batch: pa.RecordBatch, address: NewAddress) -> pa.RecordBatch:
    for name, edit in (("server_id", address.server_id), ("web_url", address.web_url)):
        at = batch.schema.get_field_index(name)
        texts: list[str | None] = batch.column(at).cast(pa.string()).to_pylist()
        edited = pa.array(map(edit, texts), pa.string()).cast(batch.schema.field(at).type)
        batch = batch.set_column(at, batch.schema.field(at), edited)
    return batch
