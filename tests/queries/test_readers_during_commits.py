"""Readers of a bucket while snapshots are committed: each answer is that of one snapshot."""

import os
import threading
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects import connecting
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import Dataset, open_dataset
from tests.exporter.store.conftest import _commit as commit
from tests.exporter.store.conftest import _line as line
from tests.support.buckets import Store

READERS: Final = 200 if os.environ.get("SOAK") else 4
COMMITS: Final = 3 if os.environ.get("SOAK") else 2
AT_ONCE: Final = 6
"""Questions under way: readers, their server of S3 and the one who commits share the cores."""
STATEMENTS: Final = (
    "SELECT task_id, points_stored FROM tasks ORDER BY ALL",
    "SELECT task_id, count(*), min(iteration), max(value) FROM scalars GROUP BY ALL ORDER BY ALL",
    "SELECT task_id, metric, n, last FROM series ORDER BY ALL",
)


class Home:
    """A dataset that grows, and what each of its snapshots answers."""

    def __init__(self, data: Path, address: str) -> None:
        self.data, self.address = data, address
        self.answers: dict[int, Any] = {}
        self.seen: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.is_over = False
        self.turns = threading.BoundedSemaphore(AT_ONCE)
        self.changed = threading.Condition()

    def commit(self, number: int) -> None:
        """Add a task, extend the first one, and publish the snapshot."""
        new = f"{number:032x}"
        rows: dict[tuple[str, str | None], Any] = {
            (f"{0:032x}", "p"): line(f"{0:032x}", [0.5] * (number + 1))
        }
        rows[new, f"p{number % 3}"] = line(new, [float(number), 2.0 * number])
        with writing(self.data) as dataset:
            commit(dataset, rows, f"e{number}")
        with open_dataset(self.data) as opened:
            self.answers[opened.snapshot.number] = asked(opened, nullcontext())
        copy(str(self.data), self.address, snapshots=2)

    def read(self, address: str) -> None:
        """Ask until the commits are over, at least once; others commit between two questions."""
        while not self.is_over:
            try:
                with self.turns:
                    opened = open_dataset(address, threads=2)
                with opened:
                    number, answer = opened.snapshot.number, asked(opened, self.turns)
                problem = "" if answer == self.answers[number] else f"{number}: {answer}"
            except SnapshotError as error:
                number, problem = 0, str(error)
            with self.changed:
                self.seen[number] += 1
                self.wrong += [problem] if problem else []
                self.changed.notify_all()

    def wait_for_readers(self) -> None:
        """Wait until some have seen the newest snapshot, so that the next commit is beside them."""
        newest = max(self.answers)
        with self.changed:
            assert self.changed.wait_for(lambda: self.seen[newest] > 1 or self.wrong, 900)


def asked(dataset: Dataset, turns: AbstractContextManager[Any]) -> Any:
    answers = []
    for statement in STATEMENTS:
        with turns:
            answers.append(dataset.sql(statement).fetchall())
    return answers


@pytest.mark.timeout(1800)  # 200 readers in one process, and their writer
def test_readers_see_one_snapshot_each(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them read it as a web server publishes it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(connecting.RETRY, "max_retries", 12)  # the server is one process, too
    home = Home(tmp_path / "data", store.at())
    home.commit(1)
    addresses = (store.at(), store.public())
    readers = [
        threading.Thread(target=home.read, args=(addresses[number % 2],))
        for number in range(READERS)
    ]
    for reader in readers:
        reader.start()
    try:
        for number in range(2, COMMITS + 2):
            home.wait_for_readers()
            home.commit(number)
        home.wait_for_readers()
    finally:
        home.is_over = True
        for reader in readers:
            reader.join()
    assert home.wrong == []
    assert len(home.seen) == len(home.answers) == COMMITS + 1
    assert home.seen.total() >= READERS
