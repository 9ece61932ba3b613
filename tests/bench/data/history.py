"""The invented history of a team: projects, tasks, lengths of their curves, hyperparameters.

Everything follows from the number of points and the seed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SERIES: Final = 20
MEAN_LENGTH: Final = 500
PER_TASK: Final = SERIES * MEAN_LENGTH

START: Final = datetime(2025, 1, 1, tzinfo=UTC)
READ_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""When the last task was read; no time of the dataset is later."""

HOST: Final = "http://clearml.bench:8008"

PROJECTS: Final[Mapping[str, float]] = {
    "vision/classification": 0.2,
    "vision/detection": 0.15,
    "vision/segmentation": 0.1,
    "nlp/pretraining": 0.12,
    "nlp/finetuning": 0.13,
    "speech/asr": 0.08,
    "speech/tts": 0.05,
    "rl/locomotion": 0.07,
    "tabular/churn": 0.04,
    "recommender": 0.03,
    "forecasting": 0.02,
    "sandbox": 0.01,
}
"""Projects with their shares of the tasks."""

_STATUSES: Final = {"completed": 0.81, "failed": 0.07, "stopped": 0.08, "published": 0.04}
_USERS: Final = ("Ada Lovelace", "Alan Turing", "Grace Hopper", "Katherine Johnson", "Emmy Noether")
_TAGS: Final = ("baseline", "sweep", "gpu", "model_v2", "nightly", "paper")
_OPTIONS: Final = 130
"""Names of hyperparameters that only the tasks of one project have; a task has some of them."""


@dataclass(frozen=True)
class Task:
    """One task; its curves are drawn in ``curves``."""

    number: int
    task_id: str
    project: str
    status: str
    length: int
    """Points of a series that is reported at every step; all series together have 20 times as
    many."""
    n_single: int
    """Single values among them."""
    stride: int
    """Iterations between two steps."""
    offset: int
    """The first iteration."""
    step_ms: int
    """Milliseconds per step."""
    created: datetime

    @property
    def project_id(self) -> str:
        """Its project."""
        return _md5(f"project {self.project}")

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.status != "in_progress"

    @property
    def points(self) -> int:
        """Points of all of its series."""
        return SERIES * self.length

    @property
    def start_ms(self) -> int:
        """Milliseconds since 1970 of its first point."""
        return round(self.created.timestamp() * 1000) + 60_000

    def row(self) -> dict[str, Any]:
        """Return its row of ``tasks``."""
        rng = np.random.default_rng([7, self.number])
        started = self.created + timedelta(minutes=1)
        ended = started + timedelta(milliseconds=self.length * self.step_ms)
        user = _USERS[int(rng.integers(len(_USERS)))]
        last = min(ended, READ_AT)
        return {
            "task_id": self.task_id,
            "name": f"{self.project.rpartition('/')[2]} {self.number:06d}",
            "project_id": self.project_id,
            "project": self.project,
            "type": "training",
            "status": self.status,
            "status_reason": "worker execution exit code 1" if self.status == "failed" else None,
            "user_id": _md5(user),
            "user": user,
            "tags": [tag for tag in _TAGS if rng.random() < 0.2],
            "system_tags": [],
            "archived": False,
            "hidden": False,
            "created": self.created,
            "started": started,
            "completed": last if self.settled else None,
            "last_update": last,
            "last_change": last,
            "status_changed": last,
            "last_iteration": self.offset + self.stride * max(self.length - 1, 0),
            "active_duration": round((last - started).total_seconds()),
            "repository": "git@git.bench:team/models.git",
            "branch": "main",
            "commit": _md5(f"commit {self.number // 20}")[:40],
            "entry_point": "train.py",
            "web_url": f"http://clearml.bench:8080/projects/{self.project_id}/experiments/"
            f"{self.task_id}/output/log",
            "server_id": HOST,
            "points_expected": self.points,
            "points_stored": self.points,
            "points_bad": 0,
            "state": "complete",
            "redacted": 0,
            "fetched_at": READ_AT,
            "fingerprint": _md5(f"fingerprint {self.number}"),
            "selected": True,
        }

    def hyperparams(self) -> list[dict[str, Any]]:
        """Return its rows of ``hyperparams``, 40 of them."""
        rng = np.random.default_rng([8, self.number])
        family = self.project.replace("/", "_")
        common = {
            "lr": f"{10.0 ** -int(rng.integers(1, 6)):g}",
            "batch_size": str(2 ** int(rng.integers(4, 11))),
            "seed": str(int(rng.integers(10))),
            "epochs": str(int(rng.integers(1, 20)) * 10),
            "optimizer": ("adam", "adamw", "sgd")[int(rng.integers(3))],
            "weight_decay": f"{float(rng.integers(5)) / 100:g}",
            "warmup_steps": str(int(rng.integers(5)) * 500),
            "dropout": f"{float(rng.integers(6)) / 10:g}",
            "ema": str(bool(rng.integers(2))),
            "amp": str(bool(rng.integers(2))),
        }
        options = rng.choice(_OPTIONS, 30, replace=False)
        rows = [("Args", name, value) for name, value in common.items()]
        rows += [
            ("Hydra", f"{family}.block_{at // 10:02d}.option_{at % 10}", str(value))
            for at, value in zip(options.tolist(), rng.integers(4, size=30).tolist(), strict=True)
        ]
        return [
            {"section": section, "name": name, "value": value, "type": None}
            for section, name, value in rows
        ]


@dataclass(frozen=True)
class History:
    """All tasks of a dataset, the oldest first."""

    points: int
    """Of all tasks; a multiple of 20."""
    seed: int
    tasks_in_all: int | None = None
    """None: one task per 10,000 points."""

    @property
    def n_tasks(self) -> int:
        """How many tasks there are."""
        return self.tasks_in_all or max(1, self.points // PER_TASK)

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """Draw what distinguishes the tasks, one column per property."""
        rng, n = np.random.default_rng([1, self.seed]), self.n_tasks
        weights = np.clip(rng.lognormal(0, 0.6, n), 0.05, 8)
        weights[rng.random(n) < 0.01] = 0  # ended before they reported anything
        weights[rng.random(n) < 0.02] *= 0.01
        weights[0] += not weights.any()
        ends = np.round(np.cumsum(weights) / weights.sum() * (self.points // SERIES))
        status = rng.choice([*_STATUSES], n, p=[*_STATUSES.values()]).astype(object)
        status[rng.random(n) < np.where(np.arange(n) < 0.97 * n, 0.002, 0.6)] = "in_progress"
        return {
            "project": rng.choice([*PROJECTS], n, p=[*PROJECTS.values()]),
            "status": status,
            "length": np.diff(ends, prepend=0).astype(np.int64),
            "n_single": np.where(rng.random(n) < 0.3, 3, 0),
            "stride": rng.choice([1, 1, 10, 50, 100], n),
            "offset": np.where(rng.random(n) < 0.01, rng.integers(1_000, 1_000_000, n), 0),
            "step_ms": rng.integers(500, 60_000, n),
            "age": np.sort(rng.random(n)),
        }

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks."""
        columns = {name: column.tolist() for name, column in self._columns.items()}
        span = READ_AT - START - timedelta(days=30)
        for number in range(self.n_tasks):
            drawn = {name: column[number] for name, column in columns.items()}
            created = START + span * drawn.pop("age")
            created = created.replace(microsecond=created.microsecond // 1000 * 1000)
            if drawn["length"] < SERIES:
                drawn["n_single"] = 0
            yield Task(number, _md5(f"{self.seed} task {number}"), created=created, **drawn)


def blocks(tasks: Sequence[Task], most_points: int) -> list[list[Task]]:
    """Group tasks that share a part file: of one project, all ended or all running.

    Args:
        tasks: all of them.
        most_points: points of a file, unless one task has more.
    """
    open_blocks: dict[tuple[str, bool], list[Task]] = {}
    full = []
    for task in tasks:
        key = (task.project, task.settled)
        block = open_blocks.setdefault(key, [])
        if block and sum(one.points for one in block) + task.points > most_points:
            full.append(open_blocks.pop(key))
            block = open_blocks.setdefault(key, [])
        block.append(task)
    return [*full, *open_blocks.values()]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
