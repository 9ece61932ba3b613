"""Answers that are bent in one place: each value in turn replaced, left out, or given twice."""

import copy
import io
import json
import shutil
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.exporter.conftest import truth

Way = tuple[str | int, ...]
"""The way to a value inside ``data``."""

Call = tuple[str, str]
"""An endpoint, and what distinguishes its uses."""

_DELETED: Final = object()
_DOUBLED: Final = object()

ODD: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "2**63": 2**63,
    "a huge integer": 10**40,
    "a fraction": 0.5,
    "1e400": float("inf"),
    "NaN": float("nan"),
    "empty text": "",
    "text": "x",
    "half a character": "a\ud800b",
    "NUL": "a\x00b",
    "a way out": "../../etc/passwd",
    "long text": "long " * 20_000,
    "year 0": "0001-01-01T00:00:00+14:00",
    "year 10000": "9999-12-31T23:59:59-14:00",
    "year 1": "0001-01-01T00:00:00+00:00",
    "year 9999": "9999-12-31T23:59:59.999999+00:00",
    "empty list": [],
    "a list of null": [None],
    "a list of lists": [[1]],
    "empty dict": {},
    "another dict": {"x": {"y": 1}},
    "a dict of half a character": {"\ud800": {"\ud800": "\ud800"}},
    "deleted": _DELETED,
    "doubled": _DOUBLED,
}


@dataclass(frozen=True)
class Bend:
    """One change to the answers of one kind of call."""

    call: Call
    path: Way
    odd: str
    """A key of ``ODD``."""

    def __str__(self) -> str:
        way = "".join(f"[{step!r}]" for step in self.path)
        return f"{self.call[0]} ({self.call[1]}) data{way}: {self.odd}"


class BentServer(StandIn):
    """A stand-in whose answers can be bent."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.bend: Bend | None = None
        self.seen: dict[Call, Any] = {}
        """The first answer to each kind of call."""
        self.hits = 0

    def answer(
        self, path: str, authorization: str | None, payload: bytes
    ) -> tuple[int, bytes, Fault | None]:
        """Bend what the stand-in would answer."""
        status, body, fault = super().answer(path, authorization, payload)
        if status != 200:
            return status, body, fault
        endpoint = path.rpartition("/")[2]
        request = json.loads(payload or b"{}")
        call = (endpoint, _use(request))
        document = json.loads(body)
        self.seen.setdefault(call, copy.deepcopy(document["data"]))
        if self.bend is None or self.bend.call != call:
            return status, body, fault
        try:
            text = bent(document, ("data", *self.bend.path), self.bend.odd)
        except (KeyError, IndexError, TypeError):  # this answer has no such field
            return status, body, fault
        self.hits += 1
        return status, text.encode("utf-8", "surrogatepass"), fault


def bends(seen: dict[Call, Any]) -> Iterator[Bend]:
    """Give every way to bend the answers that were seen; of a list its first entry and the last."""
    for call, data in sorted(seen.items()):
        for path in _places(data):
            for odd in ODD:
                yield Bend(call, path, odd)


def bent(answer: Any, path: Way, odd: str) -> str:
    """Write an answer with one value bent, as JSON.

    Raises:
        KeyError, IndexError, TypeError: it has no such field.
    """
    parent: Any = answer
    for step in path[:-1]:
        parent = parent[step]
    last, value = path[-1], ODD[odd]
    if value is _DELETED:
        del parent[last]
    elif value is _DOUBLED:
        if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[int(last)]))
        else:
            parent[last], parent[f"{last}\ue000"] = "first", parent[last]
    else:
        _ = parent[last]  # there must be one
        parent[last] = copy.deepcopy(value)
    return json.dumps(answer).replace("\\ue000", "")


def _use(body: dict[str, Any]) -> str:
    """Distinguish calls of one endpoint: by what they request, and pages by their task."""
    named = [name for name in ("scroll_id", "id", "metrics", "task") if body.get(name)]
    only = (body.get("only_fields") or [])[-1:]
    size = [str(body["batch_size"])] if "batch_size" in body else []
    return " ".join([*named, *only, *size, str(body.get("task") or "")]).strip()


def _places(data: Any, at: Way = ()) -> Iterator[Way]:
    yield at
    if isinstance(data, dict):
        for name in data:
            yield from _places(data[name], (*at, name))
    elif isinstance(data, list):
        for index in sorted({0, len(data) - 1} if data else ()):
            yield from _places(data[index], (*at, index))


def small_database() -> Database:
    """Three tasks with all that is read of a task, in two projects."""
    database = Database("bent")
    user = database.add_user("Ada")
    for number in range(3):
        task = database.add_task(
            f"run {number}",
            "vision" if number else "vision/small",
            user=user,
            tags=["gpu"],
            comment="a comment",
            script={"repository": "git@example.org:x/y.git", "branch": "main"},
            hyperparams={"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.1"}}},
        )
        database.set_status(task, "in_progress")
        for variant in ("train", "val"):
            events = [
                {"metric": "loss", "variant": variant, "iter": at, "value": at / (number + 2)}
                for at in (1, 2)
            ]
            database.report(task, events, worker="w")
        database.set_status(task, "completed")
    return database


@dataclass(frozen=True)
class Scene:
    """A command whose answers are bent."""

    name: str
    arguments: tuple[str, ...]
    on_stored: bool = False
    """It runs on a dataset that was exported before, and changed on the server since."""


SCENES: Final = (
    Scene("everything", ("export", "--all")),
    Scene(
        "filters",
        ("export", "--project", "vision", "--tag", "gpu", "--user", "Ada", "--metric", "loss"),
    ),
    Scene("again", ("export",), on_stored=True),
    Scene("whoami", ("whoami",)),
    Scene("dry run", ("export", "--all", "--dry-run")),
)
_CODES: Final = frozenset(ExitCode)
_LONGEST_LINE: Final = 2_000


@dataclass
class Stage:
    """Runs commands in this process against one bent server, and judges how they end."""

    server: BentServer
    home: Path
    stored: Path | None = None
    """A dataset that a scene begins with."""
    seen: dict[str, dict[Call, Any]] = field(default_factory=dict)
    """The answers of each scene, unbent."""

    def look(self, scene: Scene) -> dict[Call, Any]:
        """Run a scene unbent; gives the answers that it saw."""
        self.server.bend, self.server.seen = None, {}
        code, _, errors = self.run(scene)
        assert code == 0, errors
        self.seen[scene.name] = self.server.seen
        return self.server.seen

    def faults(self, scene: Scene, bend: Bend) -> list[str]:
        """Run a scene with one bend; gives what is wrong with how it ended."""
        self.server.bend, self.server.hits = bend, 0
        try:
            code, out, errors = self.run(scene)
        except Exception:  # noqa: BLE001  # this is what is looked for
            return [traceback.format_exc()]
        finally:
            self.server.bend = None
        problems = [f"exit code {code}"] if code not in _CODES else []
        problems += [
            f"a line of {len(line):,}" for line in errors.splitlines() if len(line) > _LONGEST_LINE
        ]
        problems += ["a traceback"] if "Traceback" in errors + out else []
        is_error = code not in (ExitCode.COMPLETE, ExitCode.PARTIAL)
        last = errors.splitlines()[-1:] or [""]
        if is_error != last[0].startswith("error: "):
            problems.append(f"exit code {code} with {last[0]!r}")
        return [*problems, *self._wrong_tasks(scene, bend, is_error=is_error)]

    def run(self, scene: Scene) -> tuple[int, str, str]:
        """Run a scene unchanged; returns the exit code, stdout and stderr."""
        data = self.home / "data"
        shutil.rmtree(data, ignore_errors=True)
        if scene.on_stored and self.stored is not None:
            shutil.copytree(self.stored, data, symlinks=True)
        folder = () if scene.name == "whoami" else ("--data", str(data))
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2)]
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            code = main([*scene.arguments, *folder])
        for stream in streams:
            stream.seek(0)
        out, errors = (stream.read() for stream in streams)
        return code, out, errors

    def _wrong_tasks(self, scene: Scene, bend: Bend, *, is_error: bool) -> Iterator[str]:
        """See that tasks which the bend does not touch are stored point for point."""
        if "export" not in scene.arguments or "--dry-run" in scene.arguments:
            return
        touched = self._touched(scene, bend)
        stored = _stored(self.home / "data" / "current")
        before = _stored(self.stored / "current") if scene.on_stored and self.stored else {}
        for task in self.server.database.tasks:
            if task in touched:
                continue
            points = {key[1:]: point[0] for key, point in truth(self.server.database, task).items()}
            is_old = is_error and task in stored and stored[task] == before.get(task)
            if task in stored and stored[task] != points and not is_old:
                yield f"task {task} has other points: {stored[task]}"
            if task not in stored and touched and not is_error:
                yield f"task {task} is missing"

    def _touched(self, scene: Scene, bend: Bend) -> set[str]:
        """Name the tasks that a bend is about; none where it is about all of them."""
        endpoint, use = bend.call
        if endpoint.startswith("events.") and use.split(" ")[-1] in self.server.database.tasks:
            return {use.split(" ")[-1]}
        if bend.path[:1] == ("tasks",) and len(bend.path) > 1 and isinstance(bend.path[1], int):
            entry = self.seen[scene.name][bend.call]["tasks"][bend.path[1]]
            return {entry["id"]}
        return set()


def _stored(snapshot: Path) -> dict[str, dict[Any, float | None]]:
    stored: dict[str, dict[Any, float | None]] = {}
    for file in snapshot.rglob("scalars/**/*.parquet"):
        for row in pq.ParquetFile(file).read().to_pylist():
            key = (row["metric"], row["variant"], row["iteration"])
            stored.setdefault(row["task_id"], {})[key] = row["value"]
    return stored
