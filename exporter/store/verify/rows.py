"""Checks the rows of a snapshot against each other, in bounded memory.

Points are read twice: once in slabs of metrics, to prove them distinct, and once to compute the
series again. Checks of a task's points then read the computed series, which are few.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.file_names import literals, spelt
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.series import write_series
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.verify.values import value_problems

_MEMORY: Final = "512MB"
"""DuckDB spills to disk beyond this."""

_SLAB_POINTS: Final = 5_000_000
"""Points whose keys are compared at once: a hash of each takes 32 bytes or so."""

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


def row_problems(snapshot: Snapshot) -> Iterator[str]:
    """Find inconsistent rows in a snapshot whose files are intact.

    Yields: One line per problem; of each kind the first ten, and the number of others.

    Raises:
        SnapshotError: the disk for what does not fit into memory is full.
    """
    try:
        with ExitStack() as stack:
            temporary = Path(tempfile.gettempdir())
            scratch = stack.enter_context(scratch_in(temporary, "clearml-snapshot-verify-"))
            connection = stack.enter_context(
                engine(
                    spill=scratch / "spill", memory_limit=_MEMORY, preserve_insertion_order=False
                )
            )
            _make_views(connection, snapshot)
            yield from value_problems(connection)
            yield from _problems(connection, "keys")
            yield from _totals(connection, snapshot)
            latest = round(snapshot.created_at.timestamp() * 1000) + CLOCK_STEP * 1000
            yield from _problems(connection, "times", {"latest": latest})
            metrics = connection.execute(read_sql(__package__, "metrics.sql")).fetchall()
            for slab in slabs(metrics):
                yield from _problems(connection, "unique", asdict(slab))
            yield from _hidden(connection, metrics)
            _compute(connection, snapshot, scratch)
            yield from _problems(connection, "points")
            yield from _problems(connection, "series")
    except (duckdb.Error, pa.ArrowException) as error:
        if is_out_of_room(error):
            raise SnapshotError(
                f"the rows cannot be checked: the disk is full at {tempfile.gettempdir()}; free "
                "some space there, or set TMPDIR to a folder on another disk"
            ) from error
        # Its hash is right and yet it is unreadable: it was written like that.
        yield f"the rows cannot be read: {' '.join(spelt(str(error)).split())}"


def _make_views(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    for table in TABLES:
        paths = literals(snapshot.paths(table))
        connection.read_parquet(paths, hive_partitioning=False).create_view(table)


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


def _compute(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, scratch: Path) -> None:
    """Compute the series again, as an export does, and make them the view ``computed``."""
    server_values = scratch / "server_values.parquet"
    pq.write_table(SERVER_VALUES.empty_table(), server_values)
    points = [Path(path) for path in snapshot.paths("scalars")]
    numbers = count(1)

    def target() -> Path:
        return scratch / f"series-{next(numbers)}.parquet"

    written = list(write_series(points, [server_values], target, spill=scratch))
    paths = literals(entry.path for entry in written)
    connection.read_parquet(paths, hive_partitioning=False).create_view("computed")
