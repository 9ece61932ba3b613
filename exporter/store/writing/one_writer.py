"""Admits one writer at a time to a dataset, and reports who has the lock."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearml_snapshot.exporter.errors import LockedError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.exporter.store.disk.locks import HeldError, locked
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.permissions.access import naming_owner


@contextmanager
def only_writer(data: Path, *, wait: bool) -> Iterator[None]:
    """Be the only writer of a dataset inside the block.

    Args:
        data: the dataset's folder.
        wait: wait for another writer to end instead of failing.

    Raises:
        LockedError: another process is writing, or may be.
        SnapshotError: the folder may not be written to.
    """
    with ExitStack() as held:
        try:
            with naming_owner(data, writing=True):
                has_locks = held.enter_context(locked(layout.lock(data), wait=wait))
        except HeldError as error:
            raise LockedError(_locked_by(data, error)) from error
        if not has_locks:
            _refuse_other_machine(data)
        yield


def write_owner(data: Path) -> None:
    """Write who the writer is, for those who find the dataset locked."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with named(layout.owner(data)):
        layout.owner(data).write_text(json.dumps(owner), encoding="utf-8")


def _locked_by(data: Path, error: HeldError) -> str:
    owner = _owner(data)
    who = error.owner or (f"process {owner['pid']}" if owner else "another process")
    since = f" since {owner['since']}" if owner else ""
    way = f"try later, or wait for it with {setting('wait', True)}"
    if error.marker is not None:
        way += f"; if it has ended, delete {error.marker}"
    return f"{data} is being written by {who}{since}; {way}"


def _refuse_other_machine(data: Path) -> None:
    """Check that no writer of a machine that locks on this drive has begun, or was killed.

    Raises:
        LockedError: there is one.
    """
    owner = _owner(data)
    if owner is not None and owner["host"] not in (None, socket.gethostname()):
        raise LockedError(
            f"{data} is being written by process {owner['pid']} on {owner['host']} since "
            f"{owner['since']}, and this drive has no locks that show whether it has ended; try "
            f"again later, or delete {layout.staging(data)} if it has ended"
        )


def _owner(data: Path) -> Mapping[str, Any] | None:
    """Read who is writing; None if there is no writer, or it is just starting or ending."""
    try:
        owner = json.loads(layout.owner(data).read_bytes())
        return {"pid": int(owner["pid"]), "since": str(owner["since"]), "host": owner.get("host")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
