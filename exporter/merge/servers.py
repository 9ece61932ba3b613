"""Whether datasets that are to be merged are of one server, and by which address it goes then."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final, TypeVar

from clearml_snapshot.exporter.addresses import spelling
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.merge.sources import Source, task_rows
from clearml_snapshot.exporter.store.compare.same_server import COMPARED, contradiction
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.new_address import (
    MOVED_FROM,
    NewAddress,
    former_addresses,
    moved_from,
)

T = TypeVar("T")

_HOSTS: Final = "hosts"
"""The line of what a pack left out begins with this when it does not say of which server it is."""

Tasks = dict[str, list[tuple[int, Mapping[str, Any]]]]
"""By task id: the places of the sources that have it, each with the columns to compare."""


def check_server(sources: Sequence[Source], *, same_server: bool = False) -> None:
    """See that all sources are of one server; one that is empty may not say of which.

    Addresses are equal in any spelling, and one that a dataset notes as a former one counts too.

    Args:
        sources: the datasets.
        same_server: the user says that different addresses are one server; tasks that several
            sources have must agree, and must connect all of them.

    Raises:
        UsageError: they are of several servers, or nobody can tell.
    """
    for source in sources:
        if any(line.partition(":")[0] == _HOSTS for line in source.taken_out):
            raise UsageError(
                f"{source.name} was packed with --redact {_HOSTS}, so nobody can tell whether it "
                "is of the same server; merge what it was packed from"
            )
    addresses = [_addresses(source.snapshot) for source in sources]
    groups = _connected([{*known, *_former(s.snapshot)} for s, known in _known(sources, addresses)])
    if len(groups) > 1 and not same_server:
        raise UsageError(_different(sources, addresses, groups))
    if len(groups) > 1:
        _check_tasks(sources, addresses, groups)


def joined_server(sources: Sequence[Source]) -> dict[str, Any]:
    """Give what the newest snapshot knows of the server; an older one, where it knows nothing.

    The addresses of all others are noted as former ones.
    """
    newest = sorted(sources, key=lambda source: source.snapshot.created_at, reverse=True)
    known = [source.snapshot.server for source in newest]
    server = dict(next((one for one in known if one.get("host") is not None), {}))
    former = moved_from(known, str(server["host"])) if server else []
    return {**server, MOVED_FROM: former} if former else server


def new_address(source: Source, server: Mapping[str, Any]) -> NewAddress | None:
    """Tell how the rows of a source come to name the server; None when they do already."""
    host, snapshot = server.get("host"), source.snapshot
    written = {row["server_id"] for row in task_rows(snapshot, ["server_id"])}
    old = frozenset(text for text in written if host is not None and text != host)
    if host is None or not old:
        return None
    webs = (snapshot.server.get("web"), server.get("web"))
    before, now = (text if isinstance(text, str) else None for text in webs)
    return NewAddress(old, str(host), before, now)


def _addresses(snapshot: Snapshot) -> list[str]:
    """List the addresses of a source's server, in their one spelling."""
    written = {row["server_id"] for row in task_rows(snapshot, ["server_id"])}
    host = snapshot.server.get("host")
    known = written if host is None else {*written, host}
    return sorted({str(spelling(str(text))) for text in known})


def _former(snapshot: Snapshot) -> set[str]:
    return {str(spelling(text)) for text in former_addresses(snapshot.server)}


def _known(
    sources: Sequence[Source], addresses: Sequence[list[str]]
) -> list[tuple[Source, list[str]]]:
    return [(s, known) for s, known in zip(sources, addresses, strict=True) if known]


def _connected(sets: Sequence[set[T]]) -> list[set[T]]:
    """Join sets that have something in common until none have."""
    groups: list[set[T]] = []
    for one in sets:
        apart = [group for group in groups if not group & one]
        groups = [*apart, one.union(*(group for group in groups if group & one))]
    return groups


def _different(
    sources: Sequence[Source], addresses: Sequence[list[str]], groups: Sequence[set[str]]
) -> str:
    """Name two sources of different servers."""
    (first, its), *others = _known(sources, addresses)
    group = next(group for group in groups if its[0] in group)
    other, others_own = next((s, known) for s, known in others if known[0] not in group)
    return (
        f"{first.name} is of {its[0]}, and {other.name} is of {others_own[0]}; only datasets of "
        "one server can be merged (--same-server: it has several addresses)"
    )


def _check_tasks(
    sources: Sequence[Source], addresses: Sequence[list[str]], groups: Sequence[set[str]]
) -> None:
    """See that the tasks that several sources have agree, and connect all groups.

    Raises:
        UsageError: a task differs, or two groups have no task in common.
    """
    group_of = {text: number for number, group in enumerate(groups) for text in group}
    links = [{number} for number in range(len(groups))]
    numbers = [group_of[known[0]] if known else None for known in addresses]
    for copies in _common(sources).values():
        for (one, earlier), (other, later) in combinations(copies, 2):
            pair = (numbers[one], numbers[other])
            if None in pair or pair[0] == pair[1]:
                continue
            _refuse_other(sources[one], sources[other], earlier, later)
            links.append({number for number in pair if number is not None})
        links = _connected(links)
    if len(links) > 1:
        raise UsageError(
            f"{_different(sources, addresses, groups)}; --same-server needs a task that both "
            "have, and there is none: export one of them again with --server-moved"
        )


def _common(sources: Sequence[Source]) -> Tasks:
    """Give the tasks that more than one source has, each copy in the order of its reading."""
    found: Tasks = {}
    for place, source in enumerate(sources):
        for row in task_rows(source.snapshot, [*COMPARED, "fetched_at"]):
            found.setdefault(row["task_id"], []).append((place, row))
    return {
        task_id: sorted(copies, key=lambda copy: copy[1]["fetched_at"])
        for task_id, copies in found.items()
        if len(copies) > 1
    }


def _refuse_other(
    one: Source, other: Source, earlier: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    why = contradiction(earlier, later)
    if why is not None:
        raise UsageError(
            f"{one.name} and {other.name} are not of one server: of task {earlier['task_id']}, "
            f"{why}"
        )
