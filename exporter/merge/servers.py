"""Checks that datasets to merge are of one server, and chooses its address."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final, TypeVar

from clearml_snapshot.exporter.addresses import spelling
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.merge.sources import Source
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.compare.same_server import COMPARED, contradiction
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.new_address import (
    MOVED_FROM,
    NewAddress,
    former_addresses,
    moved_from,
)

T = TypeVar("T")

_HOSTS: Final = "hosts"
"""The description of a pack without its server begins with this word."""

Tasks = dict[str, list[tuple[int, Mapping[str, Any]]]]
"""By task id: the indices of the sources that have it, each with the columns to compare."""


def check_server(sources: Sequence[Source], *, same_server: bool = False) -> None:
    """Check that all sources are of one server; an empty one may not name it.

    The spelling of addresses does not matter, and former addresses in a dataset count too.

    Args:
        sources: the datasets.
        same_server: different addresses are one server; tasks that several sources have must
            agree, and must connect all of them.

    Raises:
        UsageError: they are of several servers, or it is not known.
    """
    for source in sources:
        if any(line.partition(":")[0] == _HOSTS for line in source.taken_out):
            raise UsageError(
                f"cannot tell which server {source.name} comes from (packed with "
                f"{setting('redact', _HOSTS)}); merge the original dataset"
            )
    addresses = [_addresses(source.snapshot) for source in sources]
    groups = _connected(
        [{*hosts, *_former(s.snapshot)} for s, hosts in _with_addresses(sources, addresses)]
    )
    if len(groups) > 1 and not same_server:
        raise UsageError(_different(sources, addresses, groups))
    if len(groups) > 1:
        _check_tasks(sources, addresses, groups)


def merged_server(sources: Sequence[Source]) -> dict[str, Any]:
    """Return the server of the newest snapshot that names one.

    All other addresses are kept as former ones.
    """
    newest = sorted(sources, key=lambda source: source.snapshot.created_at, reverse=True)
    records = [source.snapshot.server for source in newest]
    server = dict(next((record for record in records if record.get("host") is not None), {}))
    former = moved_from(records, str(server["host"])) if server else []
    return {**server, MOVED_FROM: former} if former else server


def new_address(source: Source, server: Mapping[str, Any]) -> NewAddress | None:
    """Return how to change the server in the rows of a source; None if they need no change."""
    host, snapshot = server.get("host"), source.snapshot
    written = {row["server_id"] for row in rows(snapshot, "tasks", ["server_id"])}
    old = frozenset(text for text in written if host is not None and text != host)
    if host is None or not old:
        return None
    webs = (snapshot.server.get("web"), server.get("web"))
    before, now = (text if isinstance(text, str) else None for text in webs)
    return NewAddress(old, str(host), before, now)


def _addresses(snapshot: Snapshot) -> list[str]:
    """List the addresses of a source's server, in their one spelling."""
    written = {row["server_id"] for row in rows(snapshot, "tasks", ["server_id"])}
    host = snapshot.server.get("host")
    texts = written if host is None else {*written, host}
    return sorted({str(spelling(str(text))) for text in texts})


def _former(snapshot: Snapshot) -> set[str]:
    return {str(spelling(text)) for text in former_addresses(snapshot.server)}


def _with_addresses(
    sources: Sequence[Source], addresses: Sequence[list[str]]
) -> list[tuple[Source, list[str]]]:
    return [(s, hosts) for s, hosts in zip(sources, addresses, strict=True) if hosts]


def _connected(sets: Sequence[set[T]]) -> list[set[T]]:
    """Unite sets with common elements until all are disjoint."""
    groups: list[set[T]] = []
    for new_set in sets:
        apart = [group for group in groups if not group & new_set]
        groups = [*apart, new_set.union(*(group for group in groups if group & new_set))]
    return groups


def _different(
    sources: Sequence[Source], addresses: Sequence[list[str]], groups: Sequence[set[str]]
) -> str:
    """Name two sources of different servers."""
    (first, first_hosts), *others = _with_addresses(sources, addresses)
    group = next(group for group in groups if first_hosts[0] in group)
    other, other_hosts = next((s, hosts) for s, hosts in others if hosts[0] not in group)
    return (
        f"{first.name} is from {first_hosts[0]}, and {other.name} is from {other_hosts[0]}; only "
        f"datasets of one server can be merged ({setting('same_server', True)} if it has several "
        "addresses)"
    )


def _check_tasks(
    sources: Sequence[Source], addresses: Sequence[list[str]], groups: Sequence[set[str]]
) -> None:
    """Check that tasks in several sources agree, and that they connect all groups.

    Raises:
        UsageError: a task differs, or two groups have no task in common.
    """
    group_of = {text: number for number, group in enumerate(groups) for text in group}
    links = [{number} for number in range(len(groups))]
    numbers = [group_of[hosts[0]] if hosts else None for hosts in addresses]
    for copies in _common(sources).values():
        for (first, earlier), (second, later) in combinations(copies, 2):
            pair = (numbers[first], numbers[second])
            if None in pair or pair[0] == pair[1]:
                continue
            _refuse_other(sources[first], sources[second], earlier, later)
            links.append({number for number in pair if number is not None})
        links = _connected(links)
    if len(links) > 1:
        raise UsageError(
            f"{_different(sources, addresses, groups)}; {setting('same_server', True)} needs a "
            "task in both, and there is none: export one of them again with "
            f"{setting('server_moved', True)}"
        )


def _common(sources: Sequence[Source]) -> Tasks:
    """Return the tasks in more than one source, with copies in the order of reading."""
    copies_by_task: Tasks = {}
    for index, source in enumerate(sources):
        for row in rows(source.snapshot, "tasks", [*COMPARED, "fetched_at"]):
            copies_by_task.setdefault(row["task_id"], []).append((index, row))
    return {
        task_id: sorted(copies, key=lambda copy: copy[1]["fetched_at"])
        for task_id, copies in copies_by_task.items()
        if len(copies) > 1
    }


def _refuse_other(
    first: Source, second: Source, earlier: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    why = contradiction(earlier, later)
    if why is not None:
        raise UsageError(
            f"{first.name} and {second.name} are not of one server: task "
            f"{earlier['task_id']}: {why}"
        )
