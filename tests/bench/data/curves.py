"""Draws curves: float32 numbers as training programs report them, for many tasks at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clearml_snapshot.exporter.store.format.schema import CODES, SCALARS
from tests.bench.data.history import SERIES, Task

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_TRAIN, _VALIDATION, _MONITOR, _SINGLE = "train", "validation", "monitor", "single"
_EVERY: Final = 5
"""Steps between two validations."""

_HOSTS: Final = 40


@dataclass(frozen=True, order=True)
class Name:
    """A metric and a variant, how often it is reported, and what its curve looks like."""

    metric: str
    variant: str
    role: str
    shape: str


COMMON: Final = (
    Name("loss", "train", _TRAIN, "falling"),
    Name("learning_rate", "group_0", _TRAIN, "schedule"),
    Name("grad_norm", "total", _TRAIN, "level"),
    Name("loss", "validation", _VALIDATION, "falling"),
    Name("accuracy", "validation", _VALIDATION, "rising"),
    *(
        Name(":monitor:machine", variant, _MONITOR, shape)
        for variant, shape in (
            ("cpu_usage", "busy"),
            ("memory_free_gb", "steady"),
            ("network_tx_mbs", "level"),
            ("disk_free_percent", "steady"),
        )
    ),
    *(
        Name(":monitor:gpu", f"gpu_0_{variant}", _MONITOR, shape)
        for variant, shape in (
            ("utilization", "busy"),
            ("mem_usage", "steady"),
            ("temperature", "busy"),
            ("mem_free_gb", "steady"),
        )
    ),
)
"""Series of every task; there are 13, and 7 of its own project."""

_OWN_TRAIN, _OWN_VALIDATION = 24, 6
"""Names that a project has, of which a task reports 5 and 2."""

_SINGLES: Final = tuple(
    Name("Summary", variant, _SINGLE, "level") for variant in ("best", "final", "hours")
)


def names_of(task: Task) -> list[Name]:
    """Return the series of a task."""
    if not task.length:
        return []
    rng = np.random.default_rng([2, task.number])
    family = task.project.replace("/", "_")
    train = rng.choice(_OWN_TRAIN, 5, replace=False).tolist()
    validation = rng.choice(_OWN_VALIDATION, 2, replace=False).tolist()
    shapes = ("falling", "level", "rising", "sparse")
    own = [Name(f"{family}/layer_{at:02d}", "norm", _TRAIN, shapes[at % 4]) for at in train]
    own += [Name(f"{family}/score_{at}", "test", _VALIDATION, shapes[at % 3]) for at in validation]
    singles = _SINGLES[: task.n_single]
    return [one for one in (*COMMON, *own, *singles) if length_of(task, one)]


def length_of(task: Task, name: Name) -> int:
    """Count the points of a series; those of all series are 20 times the task's length."""
    validations = task.length // _EVERY
    rest = SERIES * task.length - 8 * task.length - 4 * validations
    if name.role == _MONITOR:
        is_last = name.variant == "gpu_0_mem_free_gb"
        return rest // 8 + (rest % 8 - task.n_single if is_last else 0)
    return {_TRAIN: task.length, _VALIDATION: validations, _SINGLE: 1}[name.role]


def points(tasks: Sequence[Task], seed: int) -> Iterator[pa.Table]:
    """Yield the points of some tasks in the order of their table, one metric and variant at a time.

    Args:
        tasks: in the order of their ids.
        seed: of the dataset.
    """
    having: dict[Name, list[int]] = {}
    for at, task in enumerate(tasks):
        for name in names_of(task):
            having.setdefault(name, []).append(at)
    metrics = sorted({name.metric for name in having})
    variants = sorted({name.variant for name in having})
    workers = [f"host-{task.number % _HOSTS:02d}:gpu0" for task in tasks]
    texts = [[task.task_id for task in tasks], metrics, variants, workers]
    dictionaries = [pa.array(one, pa.string()) for one in texts]
    for name, places in sorted(having.items()):
        drawn = _Drawn(name, [tasks[at] for at in places], seed)
        owner = np.repeat(np.array(places, np.int32), drawn.lengths)
        codes = (
            owner,
            np.full(len(owner), metrics.index(name.metric), np.int32),
            np.full(len(owner), variants.index(name.variant), np.int32),
            owner,
        )
        task_id, metric, variant, worker = (
            pa.DictionaryArray.from_arrays(code, dictionary)
            for code, dictionary in zip(codes, dictionaries, strict=True)
        )
        iteration, moment, value = drawn.columns()
        columns = [task_id, metric, variant, iteration, moment, value, worker]
        yield pa.Table.from_arrays(columns, schema=_SCHEMA)


_SCHEMA: Final = pa.schema(
    [field.with_type(CODES) if field.type == pa.string() else field for field in SCALARS]
)


_Number = TypeVar("_Number", np.int64, np.float32)


class _Drawn:
    """The points of one metric and variant in many tasks, one after the other."""

    def __init__(self, name: Name, tasks: Sequence[Task], seed: int) -> None:
        self._name = name
        self._tasks = tasks
        key = [3, seed, tasks[0].number, *f"{name.metric} {name.variant}".encode()]
        self._rng = np.random.default_rng(key)
        self.lengths = np.array([length_of(task, name) for task in tasks], np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._at = np.arange(self.lengths.sum()) - np.repeat(self._starts, self.lengths)

    def _each(self, values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Repeat a number per task for each of its points."""
        return np.repeat(values, self.lengths)

    def _per_task(self, low: float, high: float) -> Floats:
        return self._rng.uniform(low, high, len(self.lengths)).astype(np.float32)

    def _some_tasks(self, share: float) -> Ints:
        return np.flatnonzero(self._rng.random(len(self.lengths)) < share)

    def _positions(self, task: int, count: int) -> Ints:
        places = self._rng.integers(0, self.lengths[task], count)
        return np.asarray(self._starts[task] + places, np.int64)

    def columns(self) -> "tuple[pa.Array[Any], pa.Array[Any], pa.Array[Any]]":
        """Return iterations, times and values."""
        value, missing = self._values()
        is_single = np.full(len(value), self._name.role == _SINGLE)
        iteration = pa.array(self._iterations(), mask=is_single)
        moments = pa.array(self._moments()).cast(pa.timestamp("ms", "UTC"))
        return iteration, moments, pa.array(value, mask=missing)

    def _iterations(self) -> Ints:
        strides = np.array([task.stride for task in self._tasks], np.int64)
        if self._name.role == _VALIDATION:
            strides *= _EVERY
        offsets = np.array([task.offset for task in self._tasks], np.int64)
        iterations = self._each(offsets) + self._at * self._each(strides)
        for task in self._some_tasks(0.01):  # a gap
            start, length = self._starts[task], self.lengths[task]
            iterations[start + length // 2 : start + length] += 40 * strides[task]
        return np.asarray(iterations, np.int64)

    def _moments(self) -> Ints:
        """Return milliseconds since 1970; in a few series they run backwards once."""
        steps = np.array([task.step_ms for task in self._tasks], np.int64)
        if self._name.role == _VALIDATION:
            steps *= _EVERY
        if self._name.role == _MONITOR:
            steps = steps * 5 // 7
        starts = np.array([task.start_ms for task in self._tasks], np.int64)
        jitter = self._rng.integers(0, 100, len(self._at))
        moments = self._each(starts) + self._at * self._each(steps) + jitter
        for task in self._some_tasks(0.005):
            start, length = self._starts[task], self.lengths[task]
            moments[start + length // 2 : start + length] -= steps[task] * (length // 3)
        return np.asarray(moments, np.int64)

    def _values(self) -> tuple[Doubles, npt.NDArray[np.bool_]]:
        """Return values and which are NULL."""
        share = (self._at + 1).astype(np.float32) / self._each(self.lengths.astype(np.float32))
        values = _SHAPES[self._name.shape](self, share)
        doubles = values.astype(np.float64)
        missing = np.zeros(len(doubles), bool)
        self._plant(doubles, missing)
        return doubles, missing

    def _plant(self, values: Doubles, missing: npt.NDArray[np.bool_]) -> None:
        """Change what real programs get wrong: NaN, zeros in its place, infinities, spikes."""
        if self._name.role == _SINGLE:
            return
        if self._name.shape == "falling":
            for task in self._some_tasks(0.02):
                end = self._starts[task] + self.lengths[task]
                values[end - self.lengths[task] // 5 : end] = np.nan  # diverged
            for task in self._some_tasks(0.02):
                values[self._positions(task, 2)] = 0.0
            for task in self._some_tasks(0.05):
                values[self._positions(task, 2)] *= 50
        if self._name.role == _TRAIN:
            for task in self._some_tasks(0.005):
                values[self._positions(task, 3)] = self._rng.choice([np.nan, np.inf, -np.inf])
        for task in self._some_tasks(0.001):
            missing[self._positions(task, 1)] = True

    def noise(self) -> Floats:
        """Draw one normal number per point."""
        return self._rng.standard_normal(len(self._at), np.float32)

    def falling(self, share: Floats) -> Floats:
        """Draw a loss."""
        height = self._each(self._per_task(0.5, 8))
        speed, floor = self._each(self._per_task(3, 12)), self._each(self._per_task(0.01, 0.2))
        noise = 1 + self.noise() * self._each(self._per_task(0.01, 0.15))
        drawn: Floats = np.abs(height * (floor + np.exp(-speed * share)) * noise)
        return drawn + np.float32(1e-4)

    def rising(self, share: Floats) -> Floats:
        """Draw an accuracy, a share of 10,000 samples."""
        top, speed = self._each(self._per_task(0.4, 0.99)), self._each(self._per_task(2, 10))
        clean = top * (1 - np.exp(-speed * share))
        noisy = np.clip(clean + self.noise() * np.float32(0.01), 0.001, 1)
        counted: Floats = np.round(noisy * 10_000) / np.float32(10_000)
        return counted

    def schedule(self, share: Floats) -> Floats:
        """Draw a learning rate: warm-up and a cosine, or steps."""
        base = self._each(self._per_task(1e-4, 1e-2))
        cosine = base * np.minimum(1, share * 20) * (np.cos(share * np.float32(np.pi)) + 1.01)
        is_cosine = self._each(self._per_task(0, 1)) < 0.6
        return np.where(is_cosine, cosine, base * np.power(np.float32(0.1), np.floor(share * 3)))

    def level(self, share: Floats) -> Floats:
        """Draw a norm that fluctuates around a slowly rising level."""
        height = self._each(self._per_task(0.1, 20))
        drawn: Floats = height * (1 + share) * np.exp(self.noise() * np.float32(0.2))
        return drawn

    def busy(self, share: Floats) -> Floats:
        """Draw integer percentages with idle moments."""
        usual = self._each(self._per_task(20, 95))
        percent = np.clip(np.round(usual + self.noise() * 8), 0, 100)
        return np.where((share * 40) % 7 < 0.5, np.float32(0), percent)

    def steady(self, share: Floats) -> Floats:
        """Draw an amount that rarely changes, in hundredths."""
        amount = self._each(self._per_task(1, 80))
        return np.round((amount - np.floor(share * 12)) * 100) / np.float32(100)

    def sparse(self, share: Floats) -> Floats:
        """Draw a reward that is mostly 0."""
        noise = self.noise()
        return np.where(noise > 1.2 - share, noise + 1, np.float32(0))


_SHAPES: Final[dict[str, Callable[[_Drawn, Floats], Floats]]] = {
    "falling": _Drawn.falling,
    "rising": _Drawn.rising,
    "schedule": _Drawn.schedule,
    "level": _Drawn.level,
    "busy": _Drawn.busy,
    "steady": _Drawn.steady,
    "sparse": _Drawn.sparse,
}
