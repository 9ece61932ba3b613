"""Histories to serve: that of a plausible team (from a seed), and a plain grid (for scale).

The team trains image classifiers, detectors, summarisers, a speech model and a churn model: sweeps
with replicate seeds, runs that stop early, diverge (their NaN sent as 0.0, as the SDK does), fail,
still run, wait in a queue, or went to the archive.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.points import Floats, Ints

ANCHOR = datetime(2025, 11, 14, 16, 0, tzinfo=UTC)
_GRID_START = 1_700_000_000_000

_Rng = np.random.Generator


@dataclass(frozen=True)
class _Recipe:
    """A run to create: what it is, how it ends, and the form of its curves."""

    project: str
    name: str
    script: str
    score: str
    best: float
    start_loss: float
    epochs: int
    steps: int
    lr: float
    batch_size: int
    seed: int
    optimizer: str = "AdamW"
    tags: tuple[str, ...] = ("gpu",)
    ending: str = "completed"
    diverges: bool = False
    archived: bool = False
    comment: str = ""
    user: str = ""


class _Clock:
    """A clock that returns the time to which it is set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def demo_history(seed: int = 7, now: datetime = ANCHOR) -> Database:
    """Return the team's history as of ``now``: about 90 tasks, 300,000 points.

    The same seed and date give the same ids, times and values. Later changes to the database have
    the real time.
    """
    rng = np.random.default_rng(seed)
    clock = _Clock(now - timedelta(days=60))
    database = Database(seed, clock)
    users = [
        database.add_user(name) for name in ("Ada Moreau", "Jun Sato", "Priya Nair", "Tom Berg")
    ]
    recipes = list(_recipes(rng, users))
    gap = timedelta(days=52) / len(recipes)
    for index, recipe in enumerate(recipes):
        clock.moment = now - timedelta(days=54) + gap * index
        clock.moment += timedelta(seconds=float(rng.integers(0, 7200)))
        _run(database, clock, rng, recipe, now)
    _extras(database, clock, users, now)
    database.now = lambda: datetime.now(UTC)
    return database


def _recipes(rng: _Rng, users: list[str]) -> Iterator[_Recipe]:
    """Yield the runs in the order in which they were started."""
    for recipe in itertools.chain(_classifiers(), _detectors(), _language(), _speech(), _tables()):
        yield replace(recipe, user=users[int(rng.integers(len(users)))])


def _classifiers() -> Iterator[_Recipe]:
    def make(name: str, best: float, lr: float, batch: int, seed: int, **more: Any) -> _Recipe:
        tags = more.pop("tags", ("gpu", "sweep"))
        project = more.pop("project", "vision/classification")
        shape = (0.01 + best - 0.02 * abs(np.log10(lr / 1e-3)), 2.3, 40, 40)
        return _Recipe(
            project, name, "train.py", "accuracy", *shape, lr, batch, seed, tags=tags, **more
        )

    yield make("resnet50 baseline", 0.89, 1e-3, 64, 1, tags=("baseline", "gpu"), ending="published")
    for lr, batch, seed in itertools.product((3e-4, 1e-3, 3e-3), (64, 256), (1, 2)):
        archived = lr == 3e-3 and batch == 64
        name = f"resnet50 lr={lr:g} bs={batch}"
        yield make(name, 0.905, lr, batch, seed, archived=archived)
    yield make(
        "resnet50 lr=0.1", 0.7, 1e-1, 64, 1, diverges=True, comment="too hot", optimizer="SGD"
    )
    for seed in (1, 2, 3, 4, 5):
        name = f"efficientnet-b3 seed {seed}"
        yield make(name, 0.931, 1e-3, 128, seed, tags=("gpu", "model_v2"))
    yield make(
        "efficientnet-b3 long", 0.94, 1e-3, 128, 1, tags=("gpu", "model_v2"), ending="stopped"
    )
    yield make(
        "vit-small", 0.92, 3e-4, 256, 1, ending="failed", comment="out of memory at epoch 12"
    )
    yield make("vit-small retry", 0.937, 3e-4, 128, 1, tags=("gpu", "model_v2"))
    for part in ("mixup", "cutout", "no augmentation", "label smoothing"):
        project = "vision/classification/ablations"
        yield make(f"ablation: {part}", 0.9, 1e-3, 64, 1, project=project, tags=("ablation", "gpu"))


def _detectors() -> Iterator[_Recipe]:
    def make(name: str, best: float, lr: float, seed: int, **more: Any) -> _Recipe:
        shape = (best, 6.0, 36, 60, lr, 16, seed)
        return _Recipe("vision/detection", name, "detect.py", "mAP", *shape, "SGD", **more)

    for lr, seed in itertools.product((2e-3, 5e-3, 1e-2), (1, 2)):
        yield make(f"yolo-m lr={lr:g}", 0.47 - 8 * abs(lr - 5e-3), lr, seed, tags=("gpu", "sweep"))
    yield make("yolo-m lr=0.05", 0.3, 5e-2, 1, diverges=True)
    yield make("yolo-l", 0.512, 5e-3, 1, tags=("gpu", "model_v2"), ending="published")
    yield make("yolo-l, larger images", 0.538, 5e-3, 1, tags=("gpu", "model_v2"))
    yield make("faster-rcnn", 0.441, 2e-3, 1, tags=("baseline", "gpu"), archived=True)
    yield make("faster-rcnn with FPN", 0.455, 2e-3, 1, ending="failed", archived=True)
    yield make("yolo-x", 0.55, 5e-3, 1, tags=("gpu", "model_v2"), ending="in_progress")


def _language() -> Iterator[_Recipe]:
    def make(project: str, name: str, best: float, lr: float, seed: int, **more: Any) -> _Recipe:
        shape = (best, 4.2, 12, 150, lr, 32, seed)
        return _Recipe(project, name, "finetune.py", "rougeL", *shape, **more)

    for lr, seed in itertools.product((1e-5, 3e-5, 1e-4), (11, 12, 13)):
        best = 0.41 - 0.03 * abs(np.log10(lr / 3e-5))
        tags = ("gpu", "sweep", "t5")
        yield make("nlp/summarization", f"t5-base lr={lr:g}", best, lr, seed, tags=tags)
    yield make("nlp/summarization", "t5-large", 0.44, 3e-5, 11, tags=("gpu", "model_v2", "t5"))
    for rank, seed in itertools.product((4, 8, 16, 32), (1, 2)):
        best = 0.36 + 0.012 * np.log2(rank)
        name = f"lora r={rank}"
        yield make("nlp/finetune-lora", name, best, 2e-4, seed, tags=("gpu", "lora"))
    yield make("nlp/finetune-lora", "lora r=64", 0.3, 1e-3, 1, diverges=True, tags=("gpu", "lora"))
    stopped = {"ending": "stopped", "comment": "stopped: no gain for 3 epochs"}
    yield make("nlp/finetune-lora", "full finetune", 0.43, 1e-5, 1, tags=("gpu",), **stopped)


def _speech() -> Iterator[_Recipe]:
    for index, size in enumerate(("small", "medium", "large")):
        for seed in (1, 2):
            shape = (0.86 + 0.03 * index, 3.1, 20, 100, 1e-4, 24, seed)
            archived = size == "small"
            name = f"conformer-{size}"
            yield _Recipe("speech/asr", name, "asr.py", "accuracy", *shape, archived=archived)
    shape = (0.94, 3.1, 20, 100, 1e-4, 24, 3)
    name = "conformer-large, more data ☕"
    yield _Recipe("speech/asr", name, "asr.py", "accuracy", *shape, ending="in_progress")


def _tables() -> Iterator[_Recipe]:
    for depth, lr in itertools.product((4, 6, 8), (0.05, 0.1, 0.3)):
        best = 0.83 + 0.006 * depth - 0.05 * abs(lr - 0.1)
        shape = (best, 0.69, 50, 10, lr, 4096, 42)
        name, tags = f"xgb depth={depth} eta={lr:g}", ("cpu", "sweep")
        yield _Recipe("tabular/churn", name, "fit.py", "auc", *shape, "hist", tags)


def _run(database: Database, clock: _Clock, rng: _Rng, recipe: _Recipe, now: datetime) -> None:
    """Create one run, let it report, and end it according to its recipe."""
    task = database.add_task(
        recipe.name,
        recipe.project,
        user=recipe.user,
        tags=sorted(recipe.tags),
        comment=recipe.comment,
        script=_script(rng, recipe),
        hyperparams=_hyperparams(recipe),
    )
    clock.moment += timedelta(minutes=float(rng.uniform(1, 40)))
    if recipe.ending == "in_progress":
        clock.moment = now - timedelta(hours=5)
    database.set_status(task, "in_progress")
    started = clock.moment
    epochs = _epochs(rng, recipe)
    epoch_seconds = float(rng.uniform(120, 900))
    clock.moment = min(now, started + timedelta(seconds=epoch_seconds * epochs))
    seconds = (clock.moment - started).total_seconds()
    _report_curves(database, task, rng, recipe, epochs, (started, seconds))
    if recipe.ending == "in_progress":
        return
    if recipe.ending != "failed":
        _report_results(database, task, recipe, epochs, epoch_seconds)
    clock.moment += timedelta(seconds=30)
    database.set_status(task, "completed" if recipe.ending == "published" else recipe.ending)
    if recipe.ending == "failed":
        database.edit(task, status_reason="", status_message=recipe.comment or "exit code 1")
    clock.moment += timedelta(hours=3)
    if recipe.ending == "published":
        database.set_status(task, "published")
    if recipe.archived:
        database.archive(task)


def _epochs(rng: _Rng, recipe: _Recipe) -> int:
    if recipe.ending in ("failed", "in_progress"):
        return max(3, recipe.epochs // 3)
    if recipe.ending == "stopped":
        return recipe.epochs * 2 // 3
    return recipe.epochs - int(rng.integers(0, 3))


def _report_curves(
    database: Database,
    task: str,
    rng: _Rng,
    recipe: _Recipe,
    epochs: int,
    span: tuple[datetime, float],
) -> None:
    started, seconds = span
    worker = f"gpu-{1 + recipe.seed % 4:02d}:0"
    steps = np.arange(epochs * recipe.steps, dtype=np.int64)
    ends = (np.arange(1, epochs + 1, dtype=np.int64)) * recipe.steps - 1

    def put(metric: str, variant: str, iterations: Ints, values: Floats, decimals: int = 6) -> None:
        offsets = (iterations + 1) / len(steps) * seconds * 1000
        stamps = int(started.timestamp() * 1000) + offsets.astype(np.int64)
        rounded = np.round(values, decimals)
        database.report_series(task, metric, variant, iterations, rounded, stamps, worker=worker)

    train, validation, score = _curves(rng, recipe, steps, ends)
    put("loss", "train", steps, train)
    put("loss", "validation", ends, validation)
    put(recipe.score, "validation", ends, score)
    warm_up = np.minimum(1, (steps + 1) / (2 * recipe.steps))
    cosine = 0.5 * (1 + np.cos(np.pi * steps / (recipe.epochs * recipe.steps)))
    put("learning_rate", "lr", steps, recipe.lr * warm_up * cosine, decimals=10)
    put("epoch_time", "seconds", ends, seconds / epochs * rng.normal(1, 0.03, epochs))
    _report_machine(put, rng, steps[:: max(1, recipe.steps // 6)], gpu="cpu" not in recipe.tags)


def _curves(rng: _Rng, recipe: _Recipe, steps: Ints, ends: Ints) -> tuple[Floats, Floats, Floats]:
    """Return loss/train by step, loss/validation and the score by epoch."""
    progress = (steps + 1) / (recipe.epochs * recipe.steps)
    floor = recipe.start_loss * (1 - recipe.best) * 0.6
    trend = floor + (recipe.start_loss - floor) * np.exp(-5 * progress)
    train = trend * rng.lognormal(0, 0.06, len(steps))
    overfit = 1.08 + 0.12 * progress[ends] ** 2
    validation = trend[ends] * overfit * rng.lognormal(0, 0.015, len(ends))
    learned = recipe.best * (1 - 0.85 * np.exp(-6 * progress[ends]))
    score = np.clip(learned + rng.normal(0, 0.003, len(ends)), 0, 1)
    if recipe.diverges:
        _diverge(train, validation, score, len(ends) // 3, recipe.steps)
    return train, validation, score


def _diverge(train: Floats, validation: Floats, score: Floats, epoch: int, steps: int) -> None:
    """Let a run diverge and then report only NaN, which the SDK sends as 0.0."""
    train[(epoch - 1) * steps : epoch * steps] *= np.geomspace(1, 400, steps)
    validation[epoch - 1] *= 150
    train[epoch * steps :] = 0.0
    validation[epoch:] = 0.0
    score[epoch:] = 0.0


def _report_machine(put: Any, rng: _Rng, at: Ints, *, gpu: bool) -> None:
    count = len(at)
    put(":monitor:machine", "cpu_usage", at, np.clip(rng.normal(45, 12, count), 0, 100))
    put(":monitor:machine", "memory_used_gb", at, 18 + np.cumsum(rng.normal(0, 0.05, count)))
    if gpu:
        put(":monitor:gpu", "gpu_0_utilization", at, np.clip(rng.normal(93, 5, count), 0, 100))
        put(":monitor:gpu", "gpu_0_mem_usage", at, np.clip(rng.normal(81, 1, count), 0, 100))
        put(":monitor:gpu", "gpu_0_temperature", at, rng.normal(71, 2, count))


def _report_results(
    database: Database, task: str, recipe: _Recipe, epochs: int, epoch_seconds: float
) -> None:
    final = 0.0 if recipe.diverges else round(recipe.best - 0.004 * (recipe.seed % 3), 4)
    database.report_single(task, f"test {recipe.score}", final)
    database.report_single(task, "epochs", epochs)
    database.report_single(task, "hours", round(epoch_seconds * epochs / 3600, 3))


def _script(rng: _Rng, recipe: _Recipe) -> dict[str, Any]:
    team = recipe.project.partition("/")[0]
    return {
        "binary": "python",
        "repository": f"git@github.com:example/{team}.git",
        "branch": "main" if "baseline" in recipe.tags else "develop",
        "version_num": rng.bytes(20).hex(),
        "entry_point": recipe.script,
        "working_dir": ".",
        "requirements": {"pip": "numpy\ntorch\n"},
        "diff": "",
    }


def _hyperparams(recipe: _Recipe) -> dict[str, Any]:
    sections: dict[str, dict[str, tuple[str, str]]] = {
        "Args": {
            "lr": (f"{recipe.lr:g}", "float"),
            "batch_size": (str(recipe.batch_size), "int"),
            "seed": (str(recipe.seed), "int"),
            "epochs": (str(recipe.epochs), "int"),
            "optimizer": (recipe.optimizer, "str"),
        },
        "General": {"model/name": (recipe.name.split(" ")[0], "str"), "amp": ("True", "bool")},
        "properties": {"team": (recipe.project.partition("/")[0], "str")},
    }
    return {
        section: {
            name: {"section": section, "name": name, "value": value, "type": kind}
            for name, (value, kind) in items.items()
        }
        for section, items in sections.items()
    }


def _extras(database: Database, clock: _Clock, users: list[str], now: datetime) -> None:
    """Add tasks without curves: drafts, queued runs, data sets, an optimizer, a failed start."""
    clock.moment = now - timedelta(days=1)
    for name in ("vit-base, to discuss", "yolo-x with new labels", "copy of resnet50 baseline"):
        database.add_task(name, "vision/classification", user=users[0], tags=["draft"])
        clock.moment += timedelta(minutes=7)
    for seed in (6, 7):
        waiting = database.add_task(
            f"efficientnet-b3 seed {seed}", "vision/classification", user=users[1], tags=["gpu"]
        )
        database.set_status(waiting, "queued")
    broken = database.add_task("t5-xl", "nlp/summarization", user=users[2], tags=["gpu", "t5"])
    database.set_status(broken, "in_progress")
    clock.moment += timedelta(minutes=1)
    database.set_status(broken, "failed")
    database.edit(broken, status_message="ModuleNotFoundError: No module named 'sentencepiece'")
    for number in (1, 2):
        _data_set(database, f"labels v{number}", users[3])
    name = "churn: search"
    database.add_task(name, "tabular/churn", type="optimizer", status="completed", user=users[3])


def _data_set(database: Database, name: str, user: str) -> None:
    """Add a data set: a hidden task in a hidden project, as the SDK keeps them."""
    project = database.add_project("vision/.datasets/labels", system_tags=("dataset", "hidden"))
    database.add_task(
        name,
        project,
        type="data_processing",
        status="completed",
        user=user,
        system_tags=["dataset", "hidden"],
    )


def grid_value(task: int, series: int, point: int) -> float:
    """Return the value of one point of ``grid_history``: exact in binary, 0 to 126."""
    return ((task * 31 + series * 17 + point * 7) % 1009) / 8


def grid_history(tasks: int, series: int, points: int) -> Database:
    """Return tasks × series × points, each value from ``grid_value``.

    Task 17 is called "grid 17"; its series are ("metric 3", "variant 2") for number 3 × 4 + 2;
    iterations are 0 … points - 1, one second apart.
    """
    database = Database("grid", _Clock(ANCHOR))
    project = database.add_project("grid")
    iterations = np.arange(points, dtype=np.int64)
    timestamps = _GRID_START + 1000 * iterations
    for task in range(tasks):
        started = ANCHOR + timedelta(seconds=task)
        key = database.add_task(
            f"grid {task}", project, status="completed", created=started, started=started
        )
        for number in range(series):
            values = ((task * 31 + number * 17 + iterations * 7) % 1009) / 8
            metric, variant = f"metric {number // 4}", f"variant {number % 4}"
            database.report_series(key, metric, variant, iterations, values, timestamps, worker="w")
    database.now = lambda: datetime.now(UTC)
    return database
