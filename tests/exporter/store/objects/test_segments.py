"""Parts of files: what is known, or on its way, is not fetched again."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.objects import file_system
from clearml_snapshot.exporter.store.objects.file_system import Segments

CONTENT = bytes(range(256)) * 4


class Source:
    """Sends bytes, and notes which."""

    def __init__(self) -> None:
        self.fetched: list[tuple[int, int]] = []
        self.segments = Segments()
        self.may_send = threading.Event()
        self.may_send.set()

    def fetch(self, start: int, end: int) -> bytes:
        self.fetched.append((start, end))
        assert self.may_send.wait(20)
        return CONTENT[start:end]

    def read(self, start: int, end: int, key: str = "x") -> bytes:
        return self.segments.read(key, start, end, lambda a, b: (a, max(b, a + 10)), self.fetch)


def test_what_is_known_is_not_fetched_again() -> None:
    source = Source()
    for start, end in ((0, 5), (2, 9), (0, 10), (0, 30), (5, 25), (100, 120), (90, 110)):
        assert source.read(start, end) == CONTENT[start:end]
    assert source.fetched == [(0, 10), (10, 30), (100, 120), (90, 110)]
    assert source.read(0, 5, "y") == CONTENT[:5]
    assert len(source.fetched) == 5


def test_what_is_on_its_way_is_waited_for() -> None:
    source = Source()
    source.may_send.clear()
    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(source.read, 0, 8) for _ in range(8)]
        source.may_send.set()
        assert {future.result() for future in reading} == {CONTENT[:8]}
    assert source.fetched == [(0, 10)]


def test_what_failed_is_tried_again() -> None:
    source = Source()

    def fail(start: int, end: int) -> bytes:
        raise SnapshotError("no answer")

    with pytest.raises(SnapshotError, match="no answer"):
        source.segments.read("x", 0, 5, lambda a, b: (a, b), fail)
    assert source.read(0, 5) == CONTENT[:5]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "_REMEMBERED", 100)
    source = Source()
    for start in range(0, 400, 20):
        assert source.read(start, start + 20) == CONTENT[start : start + 20]
    assert source.read(0, 300) == CONTENT[:300]  # more than is kept
    source.fetched.clear()
    source.read(380, 400)
    source.read(0, 20)
    assert source.fetched == [(380, 400), (0, 20)]


class CountedKey(str):
    """A key that counts with how many others it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedKey.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_one_of_many_files_is_found_without_looking_at_the_others() -> None:
    source = Source()
    for _ in range(3):
        for number in range(500):
            source.read(0, 5, CountedKey(f"file {number}"))
    assert len(source.fetched) == 500
    assert CountedKey.compared < 20 * 1_500
