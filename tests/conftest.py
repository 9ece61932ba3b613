"""Fixtures that more than one folder of tests needs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.database import Database
from clearml_snapshot.exporter.standin.server import StandIn


@pytest.fixture
def start_standin() -> Iterator[Callable[..., StandIn]]:
    """Start stand-in servers: ``start_standin(database, faults=[…])``; they stop with the test."""
    with ExitStack() as stack:

        def start(database: Database | None = None, **options: Any) -> StandIn:
            return stack.enter_context(StandIn(database, **options))

        yield start
