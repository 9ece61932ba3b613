"""Datasets that all tests of the catalogue share."""

from collections.abc import Iterator

import pytest

from tests.queries.conftest import MakeDataset
from tests.support.answers import close_opened


@pytest.fixture
def make_dataset(written: MakeDataset) -> MakeDataset:
    """Write tasks once per session: queries change nothing, so no test needs a copy of its own."""
    return written


@pytest.fixture(scope="session", autouse=True)
def closed_at_the_end() -> Iterator[None]:
    yield
    close_opened()
