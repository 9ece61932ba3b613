"""Writes event files for TensorBoard, with tensorboardX."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearml_snapshot.exporter.errors import not_installed
from clearml_snapshot.exporter.store.disk.disk_errors import named
from clearml_snapshot.queries.convert.model import CopiedTask, Points
from clearml_snapshot.queries.convert.names import counted, readable, run_names, safe

_VERSION: Final = "brain.Event:2"
"""Of the format: steps that run backwards are not taken for a restart."""
_LONGEST: Final = 1_000
"""Characters of a hyperparameter in the table of hyperparameters."""


class EventFiles:
    """A folder per project with a folder per task, which has one event file."""

    by_step: Final[bool] = False
    reserved: Final[tuple[str, ...]] = ()

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboardX.proto import event_pb2
            from tensorboardX.record_writer import RecordWriter
        except ImportError:
            raise not_installed("a copy for TensorBoard", "tensorboardX") from None
        self._folder, self._open, self._event = folder, RecordWriter, event_pb2.Event
        self._file: Any = None
        self._tasks: list[CopiedTask] = []
        self._runs: list[Path] = []
        self._curves: list[str] = []
        self._n_points = self._n_rounded = self._n_beyond = self._n_single = self._n_timeless = 0
        self._n_cut = 0

    def prepare(self, tasks: list[CopiedTask], curves: list[str]) -> None:
        """Choose the folder of each task."""
        self._tasks, self._curves = tasks, curves
        projects = (safe(task.project, "no-project") for task in tasks)
        runs = run_names((task.name, task.task_id) for task in tasks)
        self._runs = [Path(project) / run for project, run in zip(projects, runs, strict=True)]

    def begin(self, place: int, params: Mapping[str, str]) -> None:
        """Begin the file of a task with what describes it."""
        task, folder = self._tasks[place], self._folder / self._runs[place]
        folder.mkdir(parents=True)
        self._path = folder / "events.out.tfevents.0000000000.clearml-snapshot"
        started = (task.created or 0) / 1_000
        with named(self._path):
            self._file = self._open(str(self._path))
            self._write(wall_time=started, file_version=_VERSION)
            for summary in self._described(task, params):
                self._write(wall_time=started, summary=summary)

    def add(self, points: Points) -> None:
        """Write points, one event each."""
        self._count(points)
        times = np.nan_to_num(points.time, nan=0.0) / 1_000
        with np.errstate(over="ignore"):
            values = points.value.astype(np.float32)
        event = self._event()
        value = event.summary.value.add()
        write, current = self._file.write, -1
        rows = zip(
            *(each.tolist() for each in (points.curve, points.step, times, values)), strict=True
        )
        with named(self._path):
            for curve, step, time, number in rows:
                if curve != current:
                    value.tag, current = self._curves[curve], curve
                event.step, event.wall_time, value.simple_value = step, time, number
                write(event.SerializeToString())

    def end(self) -> None:
        """Close the file of the task."""
        file, self._file = self._file, None
        with named(self._path):
            file.close()

    def close(self) -> None:
        """Close the file of a task that did not end."""
        if self._file is not None:
            self.end()

    def notes(self) -> Iterator[str]:
        """Say what TensorBoard does not keep."""
        yield (
            "a copy to look at: TensorBoard has 32-bit floats, so "
            f"{self._n_rounded:,} of {counted(self._n_points, 'value')} are rounded"
        )
        if self._n_beyond:
            values = counted(self._n_beyond, "value")
            yield f"{values} became infinite or 0, which 32 bits cannot hold"
        n_long = sum(task.n_long for task in self._tasks)
        if n_long:
            longest = max(task.n_longest for task in self._tasks)
            yield (
                f"{counted(n_long, 'curve')} with more than the 1,000 points that TensorBoard "
                f"draws, chosen at random; --samples_per_plugin scalars={longest} makes it draw all"
            )
        if self._n_single:
            yield f"{counted(self._n_single, 'single value')} at step 0, having no iteration"
        if self._n_timeless:
            yield f"{counted(self._n_timeless, 'point')} without a time, which became 1970"
        if self._n_cut:
            yield (
                f"{counted(self._n_cut, 'hyperparameter')} cut after {_LONGEST:,} characters in "
                "the tab HParams; the tab Text has all of them"
            )

    def _write(self, **fields: Any) -> None:
        self._file.write(self._event(**fields).SerializeToString())

    def _count(self, points: Points) -> None:
        with np.errstate(over="ignore"):
            kept = points.value.astype(np.float32).astype(np.float64)
        is_rounded = (kept != points.value) & ~np.isnan(points.value)
        self._n_points += len(points)
        self._n_rounded += int(is_rounded.sum())
        self._n_beyond += int((is_rounded & (np.isinf(kept) | (kept == 0))).sum())
        self._n_single += int((points.curve % 2).sum())
        self._n_timeless += int(np.isnan(points.time).sum())

    def _described(self, task: CopiedTask, params: Mapping[str, str]) -> Iterator[Any]:
        """Describe a task by two texts, and by what TensorBoard compares in the tab HParams."""
        from tensorboardX.summary import hparams, text

        yield text("task", _preformatted((name, readable(fact)) for name, fact in task.facts()))
        if not params:
            return
        yield text("hyperparameters", _preformatted(params.items()))
        self._n_cut += sum(len(value) > _LONGEST for value in params.values())
        compared = {name: _number_or_text(value[:_LONGEST]) for name, value in params.items()}
        _, start, end = hparams(compared, {})
        yield start
        yield end


def _preformatted(pairs: Any) -> str:
    """Write lines that Markdown shows as they are."""
    return "\n".join(f"    {name} = {value}" for name, value in pairs)


def _number_or_text(value: str) -> float | str:
    try:
        number = float(value)
    except ValueError:
        return value
    return number if np.isfinite(number) else value
