"""Fixtures that more than one folder of tests needs."""

import copy
import functools
import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from clearml_snapshot.exporter.client.budget import RequestBudget
from clearml_snapshot.exporter.client.transport import Transport
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.support.buckets import s3_port, store
from tests.support.static_host import start_host

__all__ = ["s3_port", "start_host", "store"]

settings.register_profile(
    "busy machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("busy machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of this folder: they install, type-check and run complete programs.

    At the end, the other workers would wait half a minute for the last of them.
    """
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent != here)


def pytest_collection_finish() -> None:
    """Leave what is imported and collected out of the garbage collector's walks: it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts() -> None:
    """Let programs that tests start heed Ctrl-C also where a shell began the tests with ``&``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what packs unpack out of the cache of whoever runs the tests."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Sync no file: that protects from a power cut, which no test can make.

    It would be a fifth of the time of tests that commit. What is synced is still looked at, so a
    descriptor that is closed fails; and every process that a test starts does sync.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session", autouse=True)
def defaults_of_clearml_are_parsed_once() -> Iterator[None]:
    """Parse the configuration files inside the clearml package once: they never change.

    The parser takes longer for these two than most exports of a test take in all.
    """
    from clearml.backend_api import config
    from clearml.backend_config.config import Config

    inside, parse = str(Path(config.__file__).parent), Config._read_single_file
    parse_once = functools.cache(parse)

    def read(file_path: str, verbose: bool = True) -> Any:
        if file_path and file_path.startswith(inside):
            return copy.deepcopy(parse_once(file_path, verbose))
        return parse(file_path, verbose)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, "_read_single_file", staticmethod(read))
        yield


@pytest.fixture
def start_standin() -> Iterator[Callable[..., StandIn]]:
    """Start stand-in servers: ``start_standin(database, faults=[…])``; they stop with the test."""
    with ExitStack() as stack:

        def start(database: Database | None = None, **options: Any) -> StandIn:
            return stack.enter_context(StandIn(database, **options))

        yield start


class Clock:
    """The time that an exporter's limits are measured with: it passes only while one waits.

    What a busy machine takes for an answer is nothing here; sockets keep to the true clock.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Let the time pass at once, unless the event has happened."""
        if not event.is_set():
            self.move(seconds)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the exporter wait for its turn, or for another try, without waiting."""
    clock = Clock()
    monkeypatch.setattr(RequestBudget, "now", staticmethod(lambda: clock.now))
    monkeypatch.setattr(RequestBudget, "_wait", staticmethod(clock.wait))
    return clock


Hasty = Callable[[Callable[[str, Mapping[str, Any]], bool]], None]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Hasty:
    """Cut requests that are never answered after 0.2 s, as if all their time had passed.

    ``hasty(never)``: ``never(endpoint, body)`` decides which requests these are.
    """
    whole = Transport.post

    def shorten(never: Callable[[str, Mapping[str, Any]], bool]) -> None:
        def post(self: Transport, path: str, data: bytes, auth: Any, allowed: float) -> Any:
            if not never(path.rpartition("/")[2], json.loads(data)):
                return whole(self, path, data, auth, allowed)
            try:
                return whole(self, path, data, auth, 0.2)
            finally:
                clock.move(allowed)

        monkeypatch.setattr(Transport, "post", post)

    return shorten
