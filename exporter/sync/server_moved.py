"""Follows a server to a new address: proves it by its tasks, and changes the dataset."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.addresses import same_address, spelling
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.listing import list_by_id
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.compare.same_server import COMPARED, contradiction
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.new_address import (
    MOVED_FROM,
    NewAddress,
    former_addresses,
    moved_from,
    write_with_address,
)
from clearml_snapshot.exporter.store.writing.writer import DatasetWriter
from clearml_snapshot.exporter.sync.planning.vanished import EVERY_TASK, accepted_tasks

if TYPE_CHECKING:
    from clearml_snapshot.exporter.sync.prepare import Server

_MOST_COMPARED: Final = 500
"""Tasks that are compared, in one request; of a larger dataset an even sample of the ids."""


def follow_server(
    server: "Server", dataset: DatasetWriter, progress: Progress, *, accept_gone: Sequence[str] = ()
) -> None:
    """Check that a server is the one that a dataset was exported from, and commit its new address.

    Nothing is done if the address has not changed.

    Args:
        server: the server at its new address.
        dataset: the dataset with the old address; it gets a new snapshot.
        progress: is notified of what was compared.
        accept_gone: tasks that may be gone, as ``vanished.accepted_tasks`` reads them; those that
            were listed as safe to delete may be gone as well.

    Raises:
        UsageError: there is nothing to compare, or it is another server.
    """
    snapshot, moved = dataset.snapshot, setting("server_moved", True)
    if snapshot is None:
        raise UsageError(f"{moved} needs an existing dataset; omit it for the first export")
    old, new = snapshot.server.get("host"), server.api.host
    if old is None or same_address(old, new):
        progress.note(f"{moved}: the dataset already has the address {new}")
        return
    compared = _compare(server, snapshot, old, accept_gone)
    progress.note(f"{old} is now {new}: {compared:,} stored tasks are the same there")
    record = {**snapshot.server, "host": new, "web": server.api.web_host}
    record[MOVED_FROM] = moved_from([snapshot.server], new)
    web = snapshot.server.get("web")
    address = NewAddress(
        _written(snapshot, [old, *former_addresses(snapshot.server)]),
        new,
        web if isinstance(web, str) else None,
        server.api.web_host,
    )
    dataset.adopt(lambda root, number: write_with_address(root, number, snapshot, record, address))


def server_record(server: "Server", snapshot: Snapshot | None) -> dict[str, Any]:
    """Make the entry of ``snapshot.json`` about a server, with its former addresses."""
    api, identity = server.api, server.identity
    record = {
        "host": api.host,
        "web": api.web_host,
        "version": identity.server_version,
        "api_version": identity.api_version,
        "company": identity.company_name,
    }
    before = [] if snapshot is None else former_addresses(snapshot.server)
    return {**record, MOVED_FROM: before} if before else record


def _written(snapshot: Snapshot, addresses: Sequence[str]) -> frozenset[str]:
    """Find the spellings of some addresses in the rows of a snapshot."""
    spelt = {spelling(text) for text in addresses}
    written = {row["server_id"] for row in rows(snapshot, "tasks", ["server_id"])}
    return frozenset(text for text in written if spelling(text) in spelt)


def _compare(server: "Server", snapshot: Snapshot, old: str, accept_gone: Sequence[str]) -> int:
    """Count the stored tasks that the server has; all of them must be the same.

    Raises:
        UsageError: it is another server.
    """
    all_rows = list(rows(snapshot, "tasks", [*COMPARED, "state", "safe_to_delete_at"]))
    stored = {row["task_id"]: row for row in all_rows if row["state"] != "gone"}
    here = server.api.host
    if not stored:
        raise UsageError(
            f"cannot prove that {here} is the server at {old}: {_nothing_left(len(all_rows))}; "
            "use another folder"
        )
    ids = _sample(sorted(stored))
    refused = f"{here} is not the server at {old}"
    accepted = accepted_tasks(accept_gone, stored)
    seen_ids = set()
    for task in list_by_id(server.api, ids):
        why = contradiction(stored[task.task_id], task.row())
        if why is not None:
            raise UsageError(f"{refused}: task {task.task_id}: {why}; use another folder")
        seen_ids.add(task.task_id)
    if not seen_ids:
        raise UsageError(
            f"{refused}: it has none of {len(ids):,} stored tasks, or this user cannot see "
            "them; use another folder"
        )
    others = [
        task_id
        for task_id in ids
        if task_id not in seen_ids and not _may_be_gone(stored[task_id], accepted)
    ]
    if len(seen_ids) < len(others):
        raise UsageError(
            f"{here} has only {len(seen_ids):,} of {len(ids):,} stored tasks of {old}, too few for "
            f"a proof; if the others were deleted add {setting('accept_gone', typed='@FILE')} with "
            f"their ids, or {setting('accept_gone', 'all')}, else use another folder"
        )
    return len(seen_ids)


def _nothing_left(gone: int) -> str:
    if not gone:
        return "no stored task can be compared"
    return f"all stored tasks ({gone:,}) were gone before the address changed"


def _may_be_gone(row: Mapping[str, Any], accepted: Collection[str]) -> bool:
    is_listed = row["safe_to_delete_at"] is not None
    return is_listed or EVERY_TASK in accepted or row["task_id"] in accepted


def _sample(ids: Sequence[str]) -> list[str]:
    step = max(1, -(-len(ids) // _MOST_COMPARED))
    return list(ids[::step])
