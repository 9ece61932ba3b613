"""Writes the databases of trackio, with trackio itself, into a folder and nowhere else."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from clearml_snapshot.exporter.errors import SnapshotError, not_installed
from clearml_snapshot.queries.convert.model import CopiedTask, Points
from clearml_snapshot.queries.convert.names import (
    Unique,
    counted,
    digest,
    readable,
    run_names,
    safe,
)

_ROWS: Final = 5_000
"""Iterations that are written at once."""
_DRAWN: Final = 3_000
"""Iterations of a run that the page of trackio draws."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ELSEWHERE: Final = ("TRACKIO_", "SPACE_", "HF_TOKEN", "SYSTEM")
"""How names of variables begin that make trackio reach a network, or write elsewhere."""


class TrackioFiles:
    """A database per project with a run per task; a row has the values of one iteration."""

    by_step: Final[bool] = True
    reserved: Final[tuple[str, ...]] = (
        "project",
        "run",
        "timestamp",
        "step",
        "time",
        "metrics",
        "_type",
    )

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._storage = self._open.enter_context(_storage(folder))
        self._folder = folder
        self._tasks: list[CopiedTask] = []
        self._runs: list[str] = []
        self._projects: dict[str, str] = {}
        self._curves: list[str] = []
        self._config: dict[str, str] | None = None
        self._place = 0
        self._rows: list[tuple[bool, int, float, dict[str, float]]] = []
        self._n_rows = self._n_long = 0
        self._n_nonfinite = self._n_single = self._n_timeless = self._n_other_time = 0

    def prepare(self, tasks: list[CopiedTask], curves: list[str]) -> None:
        """Choose the names of projects and runs."""
        self._tasks, self._curves = tasks, curves
        self._runs = run_names((task.name, task.task_id) for task in tasks)
        unique = Unique()
        for project in sorted({task.project for task in tasks}):
            name, key = safe(project, "no-project"), digest(project)
            if not self._is_allowed(name):
                name = f"clearml-{name}-{key}"
            self._projects[project] = unique.of(name, f"{name}-{key}")

    def begin(self, place: int, params: Mapping[str, str]) -> None:
        """Begin a run with what describes its task."""
        facts = {name: readable(text) for name, text in self._tasks[place].facts()}
        self._place, self._config, self._n_rows = place, {**facts, **params}, 0

    def add(self, points: Points) -> None:
        """Collect the values of iterations, and write those that are complete."""
        self._n_nonfinite += int((~np.isfinite(points.value)).sum())
        self._n_single += int((points.curve % 2).sum())
        self._n_timeless += int(np.isnan(points.time).sum())
        columns = (points.curve, points.step, points.time, points.value)
        for curve, step, time, value in zip(*(each.tolist() for each in columns), strict=True):
            is_single = bool(curve % 2)
            last = self._rows[-1] if self._rows else None
            if last is None or last[:2] != (is_single, step):
                if len(self._rows) >= _ROWS:
                    self._write()
                self._rows.append((is_single, step, time, {self._curves[curve]: value}))
                continue
            last[3][self._curves[curve]] = value
            self._n_other_time += time != last[2] and time == time

    def end(self) -> None:
        """Write what is left of a run."""
        self._write()
        self._n_long += self._n_rows > _DRAWN

    def close(self) -> None:
        """Give trackio back as it was found."""
        self._open.close()
        for lock in self._folder.glob("*.lock"):
            lock.unlink()

    def notes(self) -> Iterator[str]:
        """Say what trackio does not keep, or not draw."""
        yield "a copy to look at: trackio keeps every value, but its page does not draw all of them"
        if self._n_other_time:
            yield (
                f"{counted(self._n_other_time, 'point')} with the time of another metric: trackio "
                "has one time for all metrics of an iteration"
            )
        if self._n_nonfinite:
            values = counted(self._n_nonfinite, "value")
            yield f"{values} of NaN or infinity, which its page does not draw"
        if self._n_long:
            yield (
                f"{counted(self._n_long, 'run')} with more than {_DRAWN:,} iterations, of which "
                f"its page draws at most {_DRAWN:,}"
            )
        if self._n_single:
            yield f"{counted(self._n_single, 'single value')} at step 0, having no iteration"
        if self._n_timeless:
            yield f"{counted(self._n_timeless, 'point')} without a time"

    def _is_allowed(self, name: str) -> bool:
        try:
            self._storage.validate_project_name(name)
        except ValueError:
            return False
        return True

    def _write(self) -> None:
        """Write the collected rows, and the configuration with the first of them."""
        rows, self._rows = self._rows, []
        config, self._config = self._config, None
        task = self._tasks[self._place]
        self._n_rows += len(rows)
        try:
            self._storage.bulk_log(
                project=self._projects[task.project],
                run=self._runs[self._place],
                metrics_list=[values for _, _, _, values in rows],
                steps=[step for _, step, _, _ in rows],
                timestamps=[_iso(time) for _, _, time, _ in rows],
                config=config,
            )
        except sqlite3.Error as error:
            raise SnapshotError(f"{self._folder.parent}: trackio cannot write: {error}") from error


def _iso(time: float) -> str:
    """Write a time as trackio does; it leaves those that it does not know empty."""
    return "" if time != time else (_EPOCH + timedelta(milliseconds=time)).isoformat()


@contextmanager
def _storage(folder: Path) -> Iterator[Any]:
    """Provide trackio's storage, which writes to a folder and reaches no network."""
    with _environment(folder):
        try:
            from trackio import sqlite_storage
        except ImportError:
            raise not_installed("a copy for trackio", "trackio") from None
        before = sqlite_storage.TRACKIO_DIR
        sqlite_storage.TRACKIO_DIR = folder
        try:
            yield sqlite_storage.SQLiteStorage
        finally:
            sqlite_storage.TRACKIO_DIR = before


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Hide variables that make trackio write elsewhere, as long as the block runs."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(_ELSEWHERE)]:
        del os.environ[name]
    os.environ |= {
        "TRACKIO_DIR": str(folder),
        "TRACKIO_SQLITE_SYNCHRONOUS": "OFF",  # the complete folder is synced once
        "HF_HOME": str(folder.parent / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
