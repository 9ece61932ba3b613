"""A dataset with everything odd in it."""

from pathlib import Path

import pytest

from tests.queries.conftest import write
from tests.support.nasty import nasty


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with everything odd in it."""
    folder = tmp_path_factory.mktemp("odd") / "data"
    write(folder, nasty())
    return folder
