"""What a worker needs to answer parts of a query, and how its answer travels."""

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, Self

from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.aliases import Aliases
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.shards.plan import AnyPart

PACKAGE: Final = "clearml-snapshot"
MEMORY: Final = "1GB"
"""What DuckDB may use for a part: many workers share a machine, and a part is small."""

COLUMNS: Final = "part bigint, number bigint, problem string, data binary"
"""What Spark collects, as Spark writes types: pieces of the answers of parts.

Each answer is a stream of Arrow, compressed and cut into pieces, which are numbered from 0. Spark
has fewer types than DuckDB and its own time zones, so it never sees the columns of an answer.
"""


@dataclass(frozen=True)
class Place:
    """Where a worker finds the snapshot, and how it recognises it."""

    path: str
    """The folder of the snapshot or its pack, the same on every machine; or an address."""
    number: int | None
    """Which snapshot of a dataset in a bucket; None for a folder or a pack, which has one."""
    digest: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return the place of a snapshot."""
        location, digest = snapshot.location, digest_of(snapshot)
        if isinstance(location, str):
            return cls(location, snapshot.number, digest)
        return cls(str(location.resolve()), None, digest)

    def packed(self) -> bytes:
        """Return it as bytes, for the same versions only."""
        return pickle.dumps(self)


@dataclass(frozen=True)
class Job:
    """A query in parts."""

    versions: str
    place: Place
    query: Query
    values: Mapping[str, Any]
    """What is bound to the query's parameters for the parts."""
    whole: Mapping[str, Any] | None
    """The values for what needs every series at once; it is the last part."""
    parts: tuple[AnyPart, ...]
    """Empty if one part answers everything."""
    filter: ResolvedFilter | None
    aliases: Aliases | None
    memory_limit: str

    def __len__(self) -> int:
        """Return the number of parts, including what needs every series at once."""
        return max(1, len(self.parts)) + (self.whole is not None)

    def packed(self) -> bytes:
        """Return it as bytes, for the same versions only."""
        return pickle.dumps(self)


def stored_columns(table: str) -> list[str]:
    """Return the columns of a stored table; the project of points is the name of their folder."""
    return [*TABLES[table].names, *(["project_id"] if table == "scalars" else [])]


def digest_of(snapshot: Snapshot) -> str:
    """Return a text that two copies of a snapshot have in common, and no other snapshot has."""
    files = sorted((entry.path, entry.bytes, entry.sha256) for entry in snapshot.files)
    told = (snapshot.number, snapshot.created_at.isoformat(), files)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def versions() -> str:
    """Describe what must be the same here and on every worker, so that answers are the same."""
    return f"{PACKAGE} {version(PACKAGE)} with duckdb {version('duckdb')}"


def cut(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Join small pieces and cut large ones, so that each but the last has this size."""
    kept = bytearray()
    for piece in stream:
        kept += piece
        while len(kept) >= size:
            yield bytes(kept[:size])
            del kept[:size]
    yield bytes(kept)
