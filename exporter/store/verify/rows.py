"""Checks the rows of a snapshot against each other, in bounded memory.

Points have been read by ``files``, which summarised their runs. The series are computed again from
these, and checks of a task's points read the computed series, which are few. Points are read again,
in slabs of metrics, only of series in which one may be stored twice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.file_names import literal, literals, spelt
from clearml_snapshot.exporter.store.engine.reading_errors import is_out_of_memory, out_of_memory
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.verify.files import Points
from clearml_snapshot.exporter.store.verify.points import no_room
from clearml_snapshot.exporter.store.verify.values import value_problems

_MEMORY: Final = "512MB"
"""DuckDB spills to disk beyond this."""

_SLAB_POINTS: Final = 5_000_000
"""Points whose keys are compared at once: a hash of each takes 32 bytes or so."""

_AT_ONCE: Final = 300_000
"""Runs of points that are joined at once: millions of groups would need gigabytes."""

_BATCH: Final = 1_000

CLOCK_STEP: Final = 60
"""Seconds that a clock may be set back during an export: what was read before is later then."""

_SHOWN: Final = 10
"""Problems of one kind that are reported one by one."""


@dataclass(frozen=True, slots=True)
class Slab:
    """A range of metrics, or one share of a metric that is too large for one slab."""

    low: str
    high: str
    shares: int = 1
    share: int = 0


def row_problems(snapshot: Snapshot, points: Points) -> Iterator[str]:
    """Find inconsistent rows in a snapshot whose files are intact.

    Args:
        snapshot: the snapshot.
        points: what was found when its points were read.

    Yields: One line per problem; of each kind the first ten, and the number of others.

    Raises:
        SnapshotError: memory, or the disk for what does not fit into it, is full.
    """
    pa.default_memory_pool().release_unused()  # DuckDB has its own
    try:
        with engine(
            spill=points.scratch / "spill", memory_limit=_MEMORY, preserve_insertion_order=False
        ) as connection:
            _make_views(connection, snapshot, points)
            yield from points.problems()
            yield from value_problems(connection)
            yield from _problems(connection, "keys")
            yield from _totals(connection, snapshot)
            latest = round(snapshot.created_at.timestamp() * 1000) + CLOCK_STEP * 1000
            yield from _problems(connection, "times", {"latest": latest})
            yield from _hidden(connection, _metrics(connection, "metrics"))
            _compute(connection, points)
            for slab in slabs(_metrics(connection, "overlapping_metrics")):
                yield from _problems(connection, "unique", asdict(slab))
            yield from _problems(connection, "points")
            yield from _problems(connection, "series")
    except (duckdb.Error, pa.ArrowException) as error:
        if is_out_of_room(error):
            raise no_room() from error
        if is_out_of_memory(error):
            raise SnapshotError(f"the rows cannot be checked: {out_of_memory(error)}") from error
        # Its hash is right and yet it is unreadable: it was written like that.
        yield f"the rows cannot be read: {' '.join(spelt(str(error)).split())}"


def _make_views(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, points: Points) -> None:
    files = {table: snapshot.paths(table) for table in TABLES} | {"runs": points.files}
    for table, paths in files.items():
        connection.read_parquet(literals(paths), hive_partitioning=False).create_view(table)


def _metrics(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, int]]:
    return connection.execute(read_sql(__package__, f"{name}.sql")).fetchall()


def _problems(
    connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Run a check; its rows are (kind, problem), and the first ten of a kind are reported."""
    problems = connection.sql(
        read_sql(__package__, f"{name}.sql"), params=dict(values or {})
    ).order("kind, problem")
    numbers: Counter[str] = Counter()
    for kind, problem in problems.iter_rows(_BATCH):
        numbers[kind] += 1
        if numbers[kind] <= _SHOWN:
            yield f"{kind}: {problem}"
    yield from (f"{kind}: {n - _SHOWN:,} more" for kind, n in numbers.items() if n > _SHOWN)


def _totals(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Iterator[str]:
    ((projects,),) = connection.execute(read_sql(__package__, "projects.sql")).fetchall()
    if projects != snapshot.totals.projects:
        n_projects = snapshot.totals.projects
        yield f"snapshot.json states {n_projects:,} projects, but the tasks have {projects:,}"
    if snapshot.format_version >= layout.STATES_SINCE:
        states = dict(connection.execute(read_sql(__package__, "states.sql")).fetchall())
        if states != snapshot.states:
            stated, true = (
                ", ".join(f"{n:,} {s}" for s, n in sorted(counts.items())) or "none"
                for counts in (snapshot.states, states)
            )
            yield f"snapshot.json states {stated}, but the tasks have {true}"


def slabs(points: list[tuple[str, int]], size: int = _SLAB_POINTS) -> Iterator[Slab]:
    """Cut metrics, given with their points in order, into ranges of about ``size`` points.

    Equal keys have equal metrics, so no two of them come into different slabs; and files are
    sorted by metric, so that a slab reads little more than its own points.
    """
    low, held = None, 0
    for at, (metric, rows) in enumerate(points):
        low, held = (metric if low is None else low), held + rows
        is_last = at + 1 == len(points)
        if is_last or held + points[at + 1][1] > size:
            shares = 1 + held // (size + 1)
            yield from (Slab(low, metric, shares, share) for share in range(shares))
            low, held = None, 0


def _hidden(
    connection: duckdb.DuckDBPyConnection, metrics: Sequence[tuple[str, int]]
) -> Iterator[str]:
    """Check that the slabs had all points: a reader skips rows by the statistics of a file.

    The statistics are checked before; this does not rely on it.
    """
    for low, high in dict.fromkeys((slab.low, slab.high) for slab in slabs([*metrics])):
        points = sum(rows for metric, rows in metrics if low <= metric <= high)
        values = {"low": low, "high": high}
        ((shown,),) = connection.execute(read_sql(__package__, "slab.sql"), values).fetchall()
        if shown != points:
            yield f"statistics hide {points - shown:,} points of metrics from {low} to {high}"


def _compute(connection: duckdb.DuckDBPyConnection, points: Points) -> None:
    """Compute the series again and make them the view ``computed``.

    Series in which a point may be stored twice become the table ``overlapping``.
    """
    ((runs,),) = connection.execute("SELECT count(*) FROM runs").fetchall()
    buckets = 1 + runs // _AT_ONCE
    connection.execute(
        "CREATE TABLE overlapping (task_id VARCHAR, metric VARCHAR, variant VARCHAR)"
    )
    written = [str(points.scratch / f"computed-{bucket}.parquet") for bucket in range(buckets)]
    for bucket, path in enumerate(written):
        shared = {"runs": literals(points.files), "buckets": buckets, "bucket": bucket}
        computed = connection.sql(read_sql(__package__, "computed.sql"), params=shared)
        computed.write_parquet(literal(path))
        overlapping = connection.sql(read_sql(__package__, "overlapping.sql"), params=shared)
        overlapping.insert_into("overlapping")
    connection.read_parquet(literals(written), hive_partitioning=False).create_view("computed")
