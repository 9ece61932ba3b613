"""Makes a copy: reads the points of task after task, and hands them to a writer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.files import move_into_place
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import scratch_beside
from clearml_snapshot.exporter.store.disk.targets import check_new_folder
from clearml_snapshot.exporter.store.permissions.modes import PRIVATE
from clearml_snapshot.queries.aliases import explained
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.ask.parameters import chosen_pairs
from clearml_snapshot.queries.convert.model import (
    Copied,
    CopiedTask,
    CopyOptions,
    Points,
    Viewer,
    Writer,
)
from clearml_snapshot.queries.convert.names import counted, curve_names, joined, readable
from clearml_snapshot.queries.dataset import Dataset

_AT_ONCE: Final = 1_000_000
"""Points that DuckDB sorts at once, unless one task has more."""
_BATCH: Final = 50_000
"""Points that are in Python at once."""
DRAWN: Final = 1_000
"""Points of a curve that TensorBoard draws, unless it is told otherwise."""

OnTask = Callable[[int, int], None]
"""Receives the number of finished tasks, and of all tasks."""


def convert(
    dataset: Dataset,
    viewer: Viewer,
    target: Path,
    options: CopyOptions | None = None,
    on_task: OnTask = lambda _done, _all: None,
) -> Copied:
    """Copy the curves of the tasks that a dataset is open for, for another program.

    Args:
        dataset: a dataset from ``open_dataset``, narrowed by its filter.
        viewer: the program.
        target: a new or empty folder; it appears when the copy is complete.
        options: which series; all but ``:monitor:`` by default.
        on_task: is called after each task.

    Raises:
        NoSuchNameError: the snapshot does not contain a metric or variant.
        UsageError: the folder is used, no task has values, or a package is not installed.
        SnapshotError: the disk refuses.
    """
    refuse_address(target)
    target = target.resolve()
    check_new_folder(target)
    with disk_errors(target), scratch_beside(target, "converting") as scratch:
        folder = scratch / "copy"
        folder.mkdir(mode=PRIVATE)
        writer = _writer(viewer, folder)
        try:
            copied = _copied(dataset, writer, options or CopyOptions(), on_task)
        finally:
            writer.close()
        copied.notes[:0] = writer.notes()
        move_into_place(folder, target)
    return copied


def _writer(viewer: Viewer, folder: Path) -> Writer:
    if viewer == "tensorboard":
        from clearml_snapshot.queries.convert.event_files import EventFiles

        return EventFiles(folder)
    from clearml_snapshot.queries.convert.trackio_files import TrackioFiles

    return TrackioFiles(folder)


def _copied(dataset: Dataset, writer: Writer, options: CopyOptions, on_task: OnTask) -> Copied:
    chosen = _chosen(dataset, options)
    rows = _rows(dataset, "tasks", {**chosen, "most": DRAWN})
    if not rows:
        raise UsageError("no task that matches has values; nothing to copy")
    tasks = [CopiedTask(**row) for row in rows]
    held = _rows(dataset, "pairs", chosen)
    pairs = [(row["metric"], row["variant"]) for row in held]
    curves = curve_names(pairs, [row["has_curve"] for row in held], writer.reserved)
    writer.prepare(tasks, curves)
    place = 0
    for part in _parts(tasks):
        for within, params, batches in _read(dataset, part, pairs, by_step=writer.by_step):
            writer.begin(place + within, params)
            for points in batches:
                writer.add(points)
            writer.end()
            on_task(place + within + 1, len(tasks))
        place += len(part)
    return Copied(len(tasks), sum(task.n_values for task in tasks), _notes(tasks, pairs, curves))


def _read(
    dataset: Dataset,
    part: Sequence[CopiedTask],
    pairs: Sequence[tuple[str, str]],
    *,
    by_step: bool,
) -> Iterator[tuple[int, dict[str, str], Iterator[Points]]]:
    """Read some tasks: the place of each, its hyperparameters and its points."""
    ids = [task.task_id for task in part]
    params = _params(dataset, ids)
    names = {"metrics": [m for m, _ in pairs], "variants": [v for _, v in pairs]}
    points = _points(dataset, {**names, "task_ids": ids, "by_step": by_step})
    for place, batches in groupby(points, lambda each: each[0]):
        yield place, params.get(ids[place], {}), (batch for _, batch in batches)


def _notes(
    tasks: Sequence[CopiedTask], pairs: Sequence[tuple[str, str]], curves: Sequence[str]
) -> list[str]:
    notes = []
    n_null = sum(task.n_null for task in tasks)
    if n_null:
        notes.append(f"not copied: {counted(n_null, 'point')} without a value")
    plain = [joined(metric, variant) for metric, variant in pairs]
    n_renamed = sum(old != new for old, new in zip(plain, curves[::2], strict=True))
    if n_renamed:
        notes.append(
            f"{counted(n_renamed, 'metric')} with another name there, which would not be unique, "
            "is reserved or has unseen characters"
        )
    return notes


def _chosen(dataset: Dataset, options: CopyOptions) -> dict[str, list[str]]:
    with explained(dataset.aliased):
        pairs = chosen_pairs(
            options.metrics, options.variants, dataset.series_names, excluded=options.excluded
        )
    return {"metrics": [m for m, _ in pairs], "variants": [v for _, v in pairs]}


def _rows(dataset: Dataset, name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    return dataset.rows(dataset.sql(read(f"convert/{name}.sql"), params)).as_dicts()


def _params(dataset: Dataset, ids: list[str]) -> dict[str, dict[str, str]]:
    params: dict[str, dict[str, str]] = {}
    for row in _rows(dataset, "params", {"task_ids": ids}):
        params.setdefault(row["task_id"], {})[readable(row["param"])] = readable(row["value"])
    return params


def _parts(tasks: Iterable[CopiedTask]) -> Iterator[list[CopiedTask]]:
    """Divide the tasks into parts whose points fit into memory."""
    part: list[CopiedTask] = []
    size = 0
    for task in tasks:
        if part and size + task.n_values > _AT_ONCE:
            yield part
            part, size = [], 0
        part.append(task)
        size += task.n_values
    if part:
        yield part


def _points(dataset: Dataset, params: dict[str, Any]) -> Iterator[tuple[int, Points]]:
    """Read the points of some tasks, with the place of their task."""
    result = dataset.result(dataset.sql(read("convert/points.sql"), params))
    for batch in result.arrow(_BATCH):
        place, curve, step, value = (
            batch.column(name).to_numpy(zero_copy_only=False)
            for name in ("place", "curve", "step", "value")
        )
        time = batch.column("time").to_numpy(zero_copy_only=False)
        points = Points(curve, step, time, value)
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(place)], strict=True):
            yield int(place[start]), points[start:end]
