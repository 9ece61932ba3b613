"""Writes an invented history as a dataset, through the store, as exports and compaction leave it.

Points are drawn in the order in which they are stored, so that nothing has to be sorted; everything
else, also the table ``series``, is written by the code that an export runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.format.schema import ROW_GROUP, in_memory
from clearml_snapshot.exporter.store.parts.parquet import write_part
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, TaskPoints
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing
from tests.bench.data import curves, history

FILE_POINTS: Final = 5_000_000
"""Points of a file: what compaction leaves after a year of exports."""

_COMMIT_POINTS: Final = 10_000_000
"""Points per commit; the oldest files of a dataset have half of that."""


def write_dataset(
    data: Path, points: int, seed: int = 1, processes: int = 2, n_tasks: int | None = None
) -> None:
    """Write a dataset of about a number of points; the same arguments give the same rows.

    Args:
        data: its folder, which must not be there yet.
        points: 20 or more.
        seed: of everything that is drawn.
        processes: that draw and write points.
        n_tasks: None for one task per 10,000 points.
    """
    tasks = list(history.History(points, seed, n_tasks).tasks())
    with (
        writing(data) as dataset,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        ahead: list[_Staged] = []
        for number, blocks in enumerate(_commits(history.blocks(tasks, FILE_POINTS))):
            folder = data / ".staging" / f"drawn-{number:06d}"
            folder.mkdir()
            places = [folder / f"block-{at}.parquet" for at in range(len(blocks))]
            ahead.append(
                [
                    (block, pool.submit(write_block, place, block, seed))
                    for place, block in zip(places, blocks, strict=True)
                ]
            )
            if len(ahead) > 1:  # the next one is drawn meanwhile
                _commit(dataset, ahead.pop(0))
        for staged in ahead:
            _commit(dataset, staged)


def _commits(blocks: Sequence[list[history.Task]]) -> Iterator[list[list[history.Task]]]:
    held: list[list[history.Task]] = []
    points = 0
    for block in blocks:
        held.append(block)
        points += sum(task.points for task in block)
        if points >= _COMMIT_POINTS:
            yield held
            held, points = [], 0
    if held:
        yield held


_Staged = list[tuple[list[history.Task], "Future[tuple[FileEntry | None, pa.Table]]"]]


def _commit(dataset: Dataset, staged: _Staged) -> None:
    """Commit some blocks as one export."""
    stage = dataset.new_stage()
    for block, written in staged:
        entry, server_values = written.result()
        stage.directory.mkdir(exist_ok=True)
        for task in block[:-1]:
            stage.add(task.row(), task.hyperparams())
        points, last = None, block[-1]
        if entry is not None:
            empty = in_memory("scalars").empty_table()
            points = TaskPoints(last.project_id, entry.rows, empty, (entry,))
        stage.add(last.row(), last.hyperparams(), points, server_values)
    dataset.commit(
        stage,
        server={"host": history.HOST, "version": "2.3.0"},
        selections=[],
        export_row={
            "export_id": staged[0][0][0].task_id,
            "started": history.READ_AT,
            "finished": history.READ_AT,
            "server": history.HOST,
            "result": "complete",
        },
        keep=Retention.parse("1"),
    )


def write_block(
    path: Path, tasks: Sequence[history.Task], seed: int
) -> tuple[FileEntry | None, pa.Table]:
    """Write the points of some tasks as one part file, in one process.

    Returns:
        The file, None if there are no points; and the server's own values of each series.
    """
    in_order = sorted(tasks, key=lambda task: task.task_id)
    values: list[pa.Table] = [SERVER_VALUES.empty_table()]

    def noted(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            values.append(_server_values(table))
            yield table

    entry = write_part(path, "scalars", _row_groups(noted(curves.points(in_order, seed))))
    if not entry.rows:
        path.unlink()
    return entry if entry.rows else None, pa.concat_tables(values)


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut a stream into tables of exactly ``ROW_GROUP`` rows; the last one has the rest."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= ROW_GROUP:
            joined = pa.concat_tables(held)
            full = rows - rows % ROW_GROUP
            for start in range(0, full, ROW_GROUP):
                yield joined.slice(start, ROW_GROUP).combine_chunks()
            held, rows = [joined.slice(full)], rows - full
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def _server_values(table: pa.Table) -> pa.Table:
    """Compute what the server itself keeps of each series of one metric and variant."""
    task_id: Any = table.column("task_id").chunk(0)
    codes = task_id.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(starts[1:], len(codes)) - 1
    raw = table.column("value").to_numpy()  # NULL is NaN
    finite = np.isfinite(raw)
    low = np.minimum.reduceat(np.where(finite, raw, np.inf), starts)
    high = np.maximum.reduceat(np.where(finite, raw, -np.inf), starts)
    last = raw[ends]
    columns = {
        "task_id": table.column("task_id").take(starts),
        "metric": table.column("metric").take(starts),
        "variant": table.column("variant").take(starts),
        "server_last": pa.array(last, mask=~np.isfinite(last)),
        "server_min": pa.array(low, mask=~np.isfinite(low)),
        "server_max": pa.array(high, mask=~np.isfinite(high)),
        "server_count": pa.array(ends - starts + 1),
        "server_min_iteration": pa.nulls(len(starts), pa.int64()),
        "server_max_iteration": pa.nulls(len(starts), pa.int64()),
    }
    return pa.table(columns).cast(SERVER_VALUES)
