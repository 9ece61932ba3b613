"""Questions as processes of their own: what they take, and what they fetch from a bucket."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.scale.bucket import Store, totals
from tests.bench.scale.record import PROGRAM, run

_TEXTS: Final = ("snapshot.json", "SHA256SUMS", "datapackage.json", "README.md", "open.sql")


def contents(data: Path) -> dict[str, Any]:
    """Describe the current snapshot of a folder: rows, files and bytes."""
    current = data / "current"
    described = json.loads((current / "snapshot.json").read_bytes())
    files, bytes_, rows = Counter[str](), Counter[str](), Counter[str]()
    for entry in described["files"]:
        files[entry["table"]] += 1
        bytes_[entry["table"]] += entry["bytes"]
        rows[entry["table"]] += entry["rows"]
    texts = {name: (current / name).stat().st_size for name in _TEXTS}
    return {"files": dict(files), "bytes": dict(bytes_), "rows": dict(rows), "texts": texts}


def ask(
    questions: Mapping[str, Sequence[str]], place: str, data: Path, store: Store | None, here: Path
) -> dict[str, Any]:
    """Ask each question once to warm the disk, or with an empty cache, and again.

    Args:
        questions: the arguments of the program by title.
        place: the dataset, or its address.
        data: the dataset as a folder, for the id of a task.
        store: counts requests; None for a folder.
        here: for files.
    """
    task = _a_task(data)
    answered = {}
    for title, arguments in questions.items():
        command = [PROGRAM, *(task if word == "TASK" else word for word in arguments)]
        command += ["--data", place, "--format", "json"]
        cache = here / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
        runs = {}
        for name in ("cold", "again"):
            environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
            if store is not None:
                environment = store.environment("READER", str(cache))
                store.begin()
            runs[name] = run(command, environment, here / "ask.log").as_record()
            if store is not None:
                runs[name] |= totals(store.seen())
        print(title, runs, flush=True)
        answered[title] = runs if store is not None else runs["again"]
    return answered


def copied(data: Path, store: Store, here: Path) -> dict[str, Any]:
    """Copy a dataset into an empty bucket, and count."""
    store.begin()
    environment = store.environment("COPY", str(here / "cache-copy"))
    used = run([PROGRAM, "copy", str(data), store.at("data")], environment, here / "copy.log")
    seen = store.seen()
    texts = [r for r in seen if r.method == "PUT" and r.key.startswith("data/snapshots/")]
    return {
        **totals(seen),
        **used.as_record(),
        "manifest": sum(r.sent for r in texts if r.key.endswith(".json")),
        "views": sum(r.sent for r in texts if r.key.endswith(".sql")),
    }


def _a_task(data: Path) -> str:
    question = ["query", "max", "--metric", "loss/train", "--by", "task", "--format", "json"]
    log = data.parent / "task.log"
    run([PROGRAM, *question, "--data", str(data)], os.environ, log)
    rows = json.loads(log.read_text(encoding="utf-8"))
    return str(sorted(row["task_id"] for row in rows)[len(rows) // 2])
